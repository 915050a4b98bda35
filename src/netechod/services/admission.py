"""Admission: who may be answered. Wraps any datagram service and drops the rest without a word.

A daemon that answers everybody is a weapon: two services that answer each other's errors circulate one
forged datagram for ever (CVE-2024-2169). These rules look at the source alone: a peer is judged once.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

from netechod.services.api import Datagram, DatagramService, Outbox, Peer

VERDICTS = 65536  # peers whose verdict is remembered; beyond it all are judged anew

Network: TypeAlias = IPv4Network | IPv6Network


def within(address: str, networks: Collection[Network]) -> bool:
    """Whether `address` is in one of `networks`; a v4-mapped address counts as IPv4 (RFC 4291, 2.5.5.2)."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return any(ip in network for network in networks)


@dataclass(frozen=True)
class Rules:
    """What the operator allows. `own_ports` are the UDP ports that this daemon itself answers on."""

    allow: Collection[Network] = ()
    deny: Collection[Network] = ()
    trusted: Collection[Network] = ()
    min_source_port: int = 1024
    refused_source_ports: Collection[int] = ()
    own_ports: Collection[int] = ()

    def admits(self, address: str) -> bool:
        """Whether anything is answered to `address`: not denied, and allowed where that is a list."""
        return not within(address, self.deny) and (not self.allow or within(address, self.allow))

    def objection(self, address: str, port: int, *, trusted_only: bool = False) -> str | None:
        """Why a datagram from there is dropped, as the name of a counter; None when it is not."""
        if port in self.own_ports:
            return "own-port"
        if port == 0 or port < self.min_source_port or port in self.refused_source_ports:
            return "source-port"
        ip = ip_address(address.partition("%")[0])
        plain = ip.ipv4_mapped or ip if isinstance(ip, IPv6Address) else ip
        if plain.is_multicast or plain.is_unspecified or str(plain) == "255.255.255.255":
            return "source-address"
        if not self.admits(address):
            return "network"
        if trusted_only and not within(address, self.trusted):
            return "untrusted"
        return None


class Admission:
    """Passes on what admitted peers sent; what it drops is counted in `dropped`, by reason."""

    def __init__(
        self, service: DatagramService, objection_to: Callable[[Peer], str | None] = lambda peer: None
    ) -> None:
        self._service = service
        self._objection_to = objection_to
        self._verdicts: dict[Peer, str | None] = {}
        self.dropped: Counter[str] = Counter()
        self.next_deadline = service.next_deadline
        self.deadline_reached = service.deadline_reached

    def configure(self, objection_to: Callable[[Peer], str | None]) -> None:
        """Judge by other rules from now on; `objection_to` names the reason to drop a peer's datagrams."""
        self._objection_to = objection_to
        self._verdicts.clear()

    def datagrams_received(self, batch: Sequence[Datagram], now: float, out: Outbox) -> None:
        """Hand over the admitted part of the batch."""
        verdicts = self._verdicts
        try:
            if not any([verdicts[peer] for _, peer in batch]):
                self._service.datagrams_received(batch, now, out)
                return
        except KeyError:
            pass  # somebody new
        admitted = [datagram for datagram in batch if self._admits(datagram[1])]
        self._service.datagrams_received(admitted, now, out)

    def _admits(self, peer: Peer) -> bool:
        """Judge the peer, or remember the verdict on it; count the datagram if it is to be dropped."""
        if peer not in self._verdicts:
            if len(self._verdicts) >= VERDICTS:
                self._verdicts.clear()
            self._verdicts[peer] = self._objection_to(peer)
        objection = self._verdicts[peer]
        if objection is not None:
            self.dropped[objection] += 1
        return objection is None
