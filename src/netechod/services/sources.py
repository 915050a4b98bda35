"""Sources: who sends, as far as an address tells, and how much each may."""

from collections.abc import Collection, Hashable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

MAX_SOURCES = 65536  # with a bucket of their own; beyond it the one that was idle longest starts anew
LEAK = 4  # one in so many datagrams over the rate is answered all the same

Network: TypeAlias = IPv4Network | IPv6Network


def source_of(address: str) -> Hashable:
    """What counts as one source: an IPv4 address, or the /64 of an IPv6 one, which is one customer's."""
    address, _, _ = address.partition("%")  # a zone may have a dot, as eth0.5 has
    if "." in address:
        return address.removeprefix("::ffff:")
    return ip_address(address).packed[:8]


def within(address: str, networks: Collection[Network]) -> bool:
    """Whether `address` is in one of `networks`; a v4-mapped address counts as IPv4 (RFC 4291, 2.5.5.2)."""
    ip = plain(address)
    return any(ip in network for network in networks)


def plain(address: str) -> IPv4Address | IPv6Address:
    """The address, without zone and mapping."""
    ip = ip_address(address.partition("%")[0])
    return ip.ipv4_mapped or ip if isinstance(ip, IPv6Address) else ip


class Buckets:
    """A token bucket for each source, with a leak: `rate` datagrams a second, `burst` of them at once.

    Whoever is over the rate is still answered one time in LEAK: or a forger could mute a victim by sending in
    its name (chrony.conf(5), ratelimit).
    """

    def __init__(self, *, rate: float = 50.0, burst: int = 100) -> None:
        self._buckets: dict[
            Hashable, tuple[float, float, int]
        ] = {}  # tokens, when, how many over; idlest first
        self.configure(rate=rate, burst=burst)

    def configure(self, *, rate: float, burst: int) -> None:
        """Change the measure for all."""
        self._rate = rate
        self._burst = float(burst)

    def admits(self, source: Hashable, now: float) -> bool:
        """Take a token of `source`, if it has one or the leak gives it one."""
        tokens, when, over = self._buckets.pop(source, (self._burst, now, 0))
        tokens = min(self._burst, tokens + (now - when) * self._rate)
        admitted = tokens >= 1.0
        if admitted:
            tokens -= 1.0
        else:
            over += 1
            admitted = over % LEAK == 0
        if len(self._buckets) >= MAX_SOURCES:
            del self._buckets[next(iter(self._buckets))]
        self._buckets[source] = (tokens, now, over)
        return admitted
