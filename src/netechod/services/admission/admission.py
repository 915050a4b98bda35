"""Admission: it wraps a datagram service, and drops datagrams that must not be answered.

A service that answers every datagram can be abused. Two services that answer each other's errors circulate
one forged datagram for ever (CVE-2024-2169). Answers that are larger than their requests flood the victim
whose address is forged. The rules for a peer's address and port are evaluated once and remembered. The loop
guard sees every datagram.
"""

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address
from typing import NamedTuple, TypeAlias

from netechod.services.admission.log_throttle import SourceThrottle
from netechod.services.admission.loop_guard import LoopGuard
from netechod.services.admission.networks import Address, Network, NetworkSet, parse_ip
from netechod.services.admission.rate_limit import Buckets
from netechod.services.admission.sources import source_of
from netechod.services.api import Datagram, DatagramService, Outbox, Peer
from netechod.services.wire import truncate_utf8, unmapped

# Peers that are remembered. When the table is full, only the half with the longest streaks is kept.
MAX_PEERS = 4096
AMPLIFICATION = 3  # times the received bytes may be sent to an address that is not proved (RFC 9000, 8.1)
BROADCAST = IPv4Address("255.255.255.255")
IPV4_OVERHEAD, IPV6_OVERHEAD = 28, 48  # bytes of the IP and UDP headers around a payload

AddressOf = Callable[[Peer], tuple[str, int]]


@dataclass(frozen=True)
class Rules:
    """The operator's rules.

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
        """Return whether `address` is not in `deny`, and in `allow` if that has any network."""
        if not (self.deny or self.allow):  # the most frequent case, and parsing is slow
            return True
        ip = _parsed(address)
        return ip not in self._denied and (not self.allow or ip in self._allowed)

    def trusts(self, address: str | Address) -> bool:
        """Return whether `address` is exempt from the rate and the three-times rule."""
        return _parsed(address) in self._trusted

    def objection(self, address: str | Address, port: int) -> str | None:
        """Return why this address and port get no answer, as the name of a counter; None if they may."""
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
    """A peer whose datagrams are all dropped."""

    reason: str


class Unproven(NamedTuple):
    """A peer whose address may be forged."""

    source: Hashable
    overhead: int


class Trusted(NamedTuple):
    """A peer from a trusted network: only the loop guard limits it."""


Standing: TypeAlias = Refused | Unproven | Trusted
"""The result of the rules for a peer's address and port."""

TRUSTED = Trusted()


class Admission:
    """Passes admitted datagrams on to the service, and counts the others in `dropped`, by reason.

    `on_drop(address, reason)` is called once per source and minute. Services may share `buckets`.
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
        """Use other rules from now on. With `rationed`, AMPLIFICATION limits answers.

        A service that answers only signed requests needs no such limit.
        """
        self._rationed = rationed
        if (rules, trusted_only) != (self._rules, self._trusted_only):
            self._rules, self._trusted_only = rules, trusted_only
            self._guard.limit = rules.bounce_limit
            self._forget_peers()

    def datagrams_received(self, batch: Sequence[Datagram], now: float, out: Outbox) -> None:
        """See DatagramService. Datagrams before the first that needs a check are passed on in one piece."""
        passed = self._guard.passes(batch, now)
        if passed == len(batch):
            self._service.datagrams_received(batch, now, out)
            return
        if passed:
            self._service.datagrams_received(batch[:passed], now, out)
        for datagram in batch[passed:]:
            self._admit(datagram, now, out)

    def _admit(self, datagram: Datagram, now: float, out: Outbox) -> None:
        """Check one datagram. Pass it on, with a limit on its answer if needed, or drop it."""
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
                out = AmplificationLimit(
                    out, AMPLIFICATION * (len(payload) + standing.overhead) - standing.overhead
                )
            self._service.datagrams_received((datagram,), now, out)

    def _standing(self, peer: Peer) -> Standing:
        """Return the remembered result of the rules for a peer. Evaluate them for a new peer."""
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
        """Forget all peers, except the `keep` ones with the longest streaks."""
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
        """Count a dropped datagram, and call `on_drop`, but only once per source and minute."""
        self.dropped[reason] += 1
        address, _ = self._address_of(peer)
        if self._throttle.admits(address, now):
            self._on_drop(unmapped(address), reason)


class AmplificationLimit(Outbox):
    """The outbox for the answer to one datagram of an unproven peer. An answer has at most `limit` bytes."""

    def __init__(self, out: Outbox, limit: int) -> None:
        self._out = out
        self.limit = limit

    def send(self, payload: bytes, peer: Peer) -> None:
        """See Outbox. A longer payload is cut at the end of a character."""
        self._out.send(truncate_utf8(payload, self.limit), peer)

    def broadcast(self, payload: bytes, peers: Sequence[Peer]) -> None:
        """See Outbox. The peers are members, which have proved their addresses when they joined."""
        self._out.broadcast(payload, peers)


def _parsed(address: str | Address) -> Address:
    return parse_ip(address) if isinstance(address, str) else address
