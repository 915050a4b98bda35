"""Admission: decide who may be answered. It wraps any datagram service and drops the rest without a word.

A daemon that answers everybody is a weapon. Two services that answer each other's errors circulate one forged
datagram for ever (CVE-2024-2169), and answers that are larger than their questions reach whoever the forger
names. A peer's address and port are judged once and remembered; the loop guard looks at every datagram.
"""

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address
from typing import NamedTuple, TypeAlias

from netechod.services.api import Datagram, DatagramService, Outbox, Peer
from netechod.services.log_throttle import SourceThrottle
from netechod.services.loop_guard import LoopGuard
from netechod.services.networks import Address, Network, NetworkSet, parse_ip
from netechod.services.rate_limit import Buckets
from netechod.services.sources import source_of
from netechod.services.wire import cut, unmapped

# Peers that are remembered. When there is one more, all are forgotten but the half with the longest streaks.
MAX_PEERS = 4096
AMPLIFICATION = 3  # times the bytes that came from an unproven address may go to it (RFC 9000, 8.1)
BROADCAST = IPv4Address("255.255.255.255")
IPV4_OVERHEAD, IPV6_OVERHEAD = 28, 48  # bytes of the IP and UDP headers around a payload

AddressOf = Callable[[Peer], tuple[str, int]]


@dataclass(frozen=True)
class Rules:
    """What the operator allows.

    `own_ports` are the UDP ports that this daemon itself answers on. `welcome_ports` may be among them, or be
    low: the service that has these rules ends its loops itself.
    """

    allow: Collection[Network] = ()
    deny: Collection[Network] = ()
    trusted: Collection[Network] = ()
    min_source_port: int = 1024
    refused_source_ports: Collection[int] = ()
    own_ports: Collection[int] = ()
    welcome_ports: Collection[int] = ()
    bounce_limit: int = 10_000

    @cached_property
    def _allowed(self) -> NetworkSet:
        return NetworkSet(self.allow)

    @cached_property
    def _denied(self) -> NetworkSet:
        return NetworkSet(self.deny)

    @cached_property
    def _trusted(self) -> NetworkSet:
        return NetworkSet(self.trusted)

    def admits(self, address: str | Address) -> bool:
        """Return whether anything is answered to `address`: not denied, and allowed if that is a list."""
        if not (self.deny or self.allow):  # nearly always, and parsing is slow
            return True
        ip = _parsed(address)
        return ip not in self._denied and (not self.allow or ip in self._allowed)

    def trusts(self, address: str | Address) -> bool:
        """Return whether `address` is exempt from the rate and the three-times rule."""
        return _parsed(address) in self._trusted

    def objection(self, address: str | Address, port: int) -> str | None:
        """Return why nothing from there is ever answered, as the name of a counter; None if it may be."""
        is_welcome = port in self.welcome_ports
        if port in self.own_ports and not is_welcome:
            return "own-port"
        is_low = port < self.min_source_port and not is_welcome
        if port == 0 or is_low or port in self.refused_source_ports:
            return "source-port"
        ip = _parsed(address)
        if ip.is_multicast or ip.is_unspecified or ip == BROADCAST:
            return "source-address"
        return None if self.admits(ip) else "network"


class Refused(NamedTuple):
    """A peer of which every datagram is dropped."""

    reason: str


class Unproven(NamedTuple):
    """A peer whose address anybody may have forged."""

    source: Hashable
    overhead: int


class Trusted(NamedTuple):
    """A peer that only the loop guard limits."""


Standing: TypeAlias = Refused | Unproven | Trusted
"""What the rules say of a peer's address and port."""

TRUSTED = Trusted()


class Admission:
    """Pass on what admitted peers sent; count in `dropped`, by reason, what is dropped.

    `on_drop(address, reason)` is called once per source and minute. `buckets` may be shared by services.
    """

    def __init__(
        self,
        service: DatagramService,
        address_of: AddressOf,
        *,
        buckets: Buckets | None = None,
        on_drop: Callable[[str, str], object] = lambda address, reason: None,
    ) -> None:
        self._service = service
        self._address_of = address_of
        self._buckets = buckets or Buckets()
        self._on_drop = on_drop
        self._rules = Rules()
        self._trusted_only = False
        self._rationed = True
        self._guard = LoopGuard()
        self._standings: dict[Peer, Refused | Unproven] = {}  # of the peers that are not trusted
        self._throttle = SourceThrottle()
        self.dropped: Counter[str] = Counter()
        self.next_deadline = service.next_deadline
        self.deadline_reached = service.deadline_reached

    def configure(self, rules: Rules, *, trusted_only: bool = False, rationed: bool = True) -> None:
        """Judge by other rules from now on.

        A service that answers only signed requests, each once, sets its sizes itself: it is not `rationed`.
        """
        self._rationed = rationed
        if (rules, trusted_only) != (self._rules, self._trusted_only):
            self._rules, self._trusted_only = rules, trusted_only
            self._guard.limit = rules.bounce_limit
            self._forget_peers()

    def datagrams_received(self, batch: Sequence[Datagram], now: float, out: Outbox) -> None:
        """Hand over the admitted part of the batch: in one piece, as far as there is nothing to judge."""
        passed = self._guard.passes(batch, now)
        if passed == len(batch):
            self._service.datagrams_received(batch, now, out)
            return
        if passed:
            self._service.datagrams_received(batch[:passed], now, out)
        for datagram in batch[passed:]:
            self._admit(datagram, now, out)

    def _admit(self, datagram: Datagram, now: float, out: Outbox) -> None:
        """Judge one datagram, and pass it on with what limits its answer."""
        payload, peer = datagram
        standing = self._standing(peer)
        if self._guard.drops(datagram, fast=standing is TRUSTED):
            self._drop(peer, "bounce", now)
        elif isinstance(standing, Trusted):
            self._service.datagrams_received((datagram,), now, out)
        elif isinstance(standing, Refused):
            self._drop(peer, standing.reason, now)
        elif not self._buckets.admits(standing.source, now):
            self._drop(peer, "rate", now)
        else:
            if self._rationed:
                out = Ration(out, AMPLIFICATION * (len(payload) + standing.overhead) - standing.overhead)
            self._service.datagrams_received((datagram,), now, out)

    def _standing(self, peer: Peer) -> Standing:
        """Return what is known of the peer; judge it, if nothing is."""
        if self._guard.is_fast(peer):
            return TRUSTED
        if peer not in self._standings:
            if len(self._guard) >= MAX_PEERS:
                self._forget_peers(keep=MAX_PEERS // 2)
            standing = self._judge(*self._address_of(peer))
            if isinstance(standing, Trusted):
                return TRUSTED
            self._standings[peer] = standing
        return self._standings[peer]

    def _forget_peers(self, keep: int = 0) -> None:
        """Judge everybody anew, except the `keep` peers with the longest streaks."""
        self._guard.forget(keep)
        for peer in [peer for peer in self._standings if peer not in self._guard]:
            del self._standings[peer]

    def _judge(self, address: str, port: int) -> Standing:
        ip = parse_ip(address)
        objection = self._rules.objection(ip, port)
        if objection is not None:
            return Refused(objection)
        if self._rules.trusts(ip):
            return TRUSTED
        if self._trusted_only:
            return Refused("untrusted")
        overhead = IPV4_OVERHEAD if isinstance(ip, IPv4Address) else IPV6_OVERHEAD
        return Unproven(source_of(address), overhead)

    def _drop(self, peer: Peer, reason: str, now: float) -> None:
        """Count a drop, and warn of its source if that was not done in this minute."""
        self.dropped[reason] += 1
        address, _ = self._address_of(peer)
        if self._throttle.admits(address, now):
            self._on_drop(unmapped(address), reason)


class Ration(Outbox):
    """The outbox for the answer to one datagram of an unproven peer: at most `limit` bytes."""

    def __init__(self, out: Outbox, limit: int) -> None:
        self._out = out
        self._limit = limit

    def send(self, payload: bytes, peer: Peer) -> None:
        """See Outbox. A longer payload is cut at a character."""
        self._out.send(cut(payload, self._limit), peer)

    def broadcast(self, payload: bytes, peers: Sequence[Peer]) -> None:
        """See Outbox. It goes to members, who have proved their addresses when they joined."""
        self._out.broadcast(payload, peers)


def _parsed(address: str | Address) -> Address:
    return parse_ip(address) if isinstance(address, str) else address
