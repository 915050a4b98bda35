"""Parsed addresses, and sets of networks in which an address is found at once."""

from collections.abc import Callable, Collection, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeAlias

from netechod.services.wire import unmapped

Network: TypeAlias = IPv4Network | IPv6Network
Address: TypeAlias = IPv4Address | IPv6Address


def parse_ip(address: str) -> Address:
    """Parse an address, without its zone and its IPv4 mapping. Parsing is slow: do it once per address."""
    text = unmapped(address).partition("%")[0]
    if ":" not in text:
        return IPv4Address(text)
    ip = IPv6Address(text)
    return ip.ipv4_mapped or ip


def is_in(networks: Collection[Network]) -> Callable[[str], bool]:
    """Return what tells of an address whether it is in one of `networks`."""
    known = NetworkSet(networks)
    return (lambda address: parse_ip(address) in known) if networks else (lambda address: False)


class NetworkSet:
    """An immutable set of networks. To find an address takes one step for each prefix length in the set."""

    def __init__(self, networks: Iterable[Network] = ()) -> None:
        # By IP version: a set of prefixes for each number of bits behind the prefix.
        self._prefixes: dict[int, dict[int, set[int]]] = {4: {}, 6: {}}
        for network in networks:
            shift = network.max_prefixlen - network.prefixlen
            prefix = int(network.network_address) >> shift
            self._prefixes[network.version].setdefault(shift, set()).add(prefix)

    def __contains__(self, ip: Address) -> bool:
        bits = int(ip)
        return any(bits >> shift in prefixes for shift, prefixes in self._prefixes[ip.version].items())
