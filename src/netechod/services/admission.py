"""Admission: who may be answered. Wraps any datagram service and drops the rest without a word.

A daemon that answers everybody is a weapon: two services that answer each other's errors circulate one
forged datagram for ever (CVE-2024-2169), and answers that are larger than their questions reach whoever the
forger names. What can be said of a source is found once and remembered; what depends on its behaviour costs
trusted peers one comparison a datagram.
"""

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, NamedTuple, TypeAlias

from netechod.services.api import Datagram, DatagramService, Outbox, Peer
from netechod.services.bounces import Bounces
from netechod.services.reminder import Reminder
from netechod.services.sources import Address, Buckets, Network, plain, source_of, within
from netechod.services.wire import cut

MAX_PEERS = 4096  # remembered; beyond it all are judged anew but those who repeat themselves
AMPLIFICATION = 3  # times the bytes that came from an unproven address may go to it (RFC 9000, 8.1)
BROADCAST = IPv4Address("255.255.255.255")
IPV4_OVERHEAD, IPV6_OVERHEAD = 28, 48  # bytes of the IP and UDP headers around a payload

AddressOf = Callable[[Peer], tuple[str, int]]


@dataclass(frozen=True)
class Rules:
    """What the operator allows. `own_ports` are the UDP ports that this daemon itself answers on."""

    allow: Collection[Network] = ()
    deny: Collection[Network] = ()
    trusted: Collection[Network] = ()
    min_source_port: int = 1024
    refused_source_ports: Collection[int] = ()
    own_ports: Collection[int] = ()
    bounce_limit: int = 10_000

    def admits(self, address: str | Address) -> bool:
        """Whether anything is answered to `address`: not denied, and allowed where that is a list."""
        if not (self.deny or self.allow):  # nearly always, and to read an address takes time
            return True
        ip = plain(address)
        return not within(ip, self.deny) and (not self.allow or within(ip, self.allow))

    def trusts(self, address: str | Address) -> bool:
        """Whether `address` is exempt from rate and three-times rule, and may use what is not public."""
        return within(address, self.trusted)

    def objection(self, address: str | Address, port: int) -> str | None:
        """Why nothing from there is ever answered, as the name of a counter; None when something may be."""
        if port in self.own_ports:
            return "own-port"
        if port == 0 or port < self.min_source_port or port in self.refused_source_ports:
            return "source-port"
        ip = plain(address)
        if ip.is_multicast or ip.is_unspecified or ip == BROADCAST:
            return "source-address"
        return None if self.admits(ip) else "network"


class Unproven(NamedTuple):
    """A peer whose address anybody may have forged."""

    source: Hashable
    overhead: int


Standing: TypeAlias = "str | Unproven | None"
"""What is known of a peer: the reason to drop all of it, that it is unproven, or nothing against it."""


class Admission:
    """Passes on what admitted peers sent; what it drops is counted in `dropped`, by reason.

    `on_drop(address, reason)` is told once a source and minute. `buckets` may be shared by several services.
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
        self._marks: dict[Peer, int] = {}  # of peers with nothing against them: a hash of their last payload
        self._watched: dict[Peer, str | Unproven] = {}  # the others
        self._watched_marks: dict[Peer, int] = {}
        self._bounces = Bounces()
        self._reminder = Reminder()
        self.dropped: Counter[str] = Counter()
        self.next_deadline = service.next_deadline
        self.deadline_reached = service.deadline_reached

    def configure(self, rules: Rules, *, trusted_only: bool = False, rationed: bool = True) -> None:
        """Judge by other rules from now on.

        A service that answers only what is signed, and that once, is not `rationed`: it sets the sizes.
        """
        self._rationed = rationed
        if (rules, trusted_only) != (self._rules, self._trusted_only):
            self._rules, self._trusted_only = rules, trusted_only
            self._forget_peers()

    def datagrams_received(self, batch: Sequence[Datagram], now: float, out: Outbox) -> None:
        """Hand over the admitted part of the batch: at once, as far as there is nothing to judge."""
        bounces = self._bounces
        bounces.skip -= len(batch)
        if bounces.skip < 0 and not (batch := self._without_suspect(batch, now)):
            return
        clean = self._note_clean(batch)
        if clean == len(batch):
            self._service.datagrams_received(batch, now, out)
            return
        if clean:
            self._service.datagrams_received(batch[:clean], now, out)
        for datagram in batch[clean:]:
            self._admit(datagram, now, out)

    def _note_clean(self, batch: Sequence[Datagram]) -> int:
        """Note what known peers sent, up to the first datagram to judge; returns how many come before it.

        This runs for every datagram, and the rest of this class for the few that are not plain.
        """
        marks, rows, limit = self._marks, self._bounces.rows, self._rules.bounce_limit
        for place, (payload, peer) in enumerate(batch):
            mark, last = hash(payload), marks.get(peer)
            if last is None:
                return place  # somebody new, or watched
            if last != mark:
                marks[peer] = mark
                if rows:
                    rows.pop(peer, None)
            elif rows[peer] + 2 < limit:
                rows[peer] += 1
            else:
                return place  # once too often
        return len(batch)

    def _without_suspect(self, batch: Sequence[Datagram], now: float) -> Sequence[Datagram]:
        """The batch without the one in it, if there is one, that goes round."""
        suspect = self._bounces.suspect(batch, self._rules.bounce_limit)
        if suspect is None:
            return batch
        self._drop(batch[suspect][1], "bounce", now)
        return [*batch[:suspect], *batch[suspect + 1 :]]

    def _admit(self, datagram: Datagram, now: float, out: Outbox) -> None:
        """Judge one datagram, and pass it on with what limits its answer."""
        payload, peer = datagram
        standing = self._standing(peer)
        marks = self._marks if standing is None else self._watched_marks
        if self._bounces.ends_row(datagram, marks, self._rules.bounce_limit):
            self._drop(peer, "bounce", now)
        elif standing is None:
            self._service.datagrams_received((datagram,), now, out)
        elif isinstance(standing, str):
            self._drop(peer, standing, now)
        elif not self._buckets.admits(standing.source, now):
            self._drop(peer, "rate", now)
        else:
            if self._rationed:
                out = Ration(out, AMPLIFICATION * (len(payload) + standing.overhead) - standing.overhead)
            self._service.datagrams_received((datagram,), now, out)

    def _standing(self, peer: Peer) -> Standing:
        """What is known of the peer, found out now if it is new."""
        if peer in self._marks:
            return None
        if peer not in self._watched:
            if len(self._marks) + len(self._watched) >= MAX_PEERS:
                persistent = self._bounces.rows.most_common(MAX_PEERS // 2)
                self._forget_peers({peer for peer, _ in persistent})
            standing = self._judge(*self._address_of(peer))
            if standing is None:
                return None
            self._watched[peer] = standing
        return self._watched[peer]

    def _forget_peers(self, kept: AbstractSet[Peer] = frozenset()) -> None:
        """Judge everybody anew, except who is `kept`."""
        tables: Sequence[dict[Peer, Any]] = (self._marks, self._watched, self._watched_marks)
        for table in (*tables, self._bounces.rows):
            for peer in table.keys() - kept:
                del table[peer]

    def _judge(self, address: str, port: int) -> Standing:
        ip = plain(address)
        objection = self._rules.objection(ip, port)
        if objection is not None:
            return objection
        if self._rules.trusts(ip):
            return None
        if self._trusted_only:
            return "untrusted"
        overhead = IPV4_OVERHEAD if isinstance(ip, IPv4Address) else IPV6_OVERHEAD
        return Unproven(source_of(address), overhead)

    def _drop(self, peer: Peer, reason: str, now: float) -> None:
        """Count it, and warn of its source if that was not done just now."""
        self.dropped[reason] += 1
        address, _ = self._address_of(peer)
        if self._reminder.is_due(address, now):
            self._on_drop(address, reason)


class Ration(Outbox):
    """The outbox for the answer to one datagram of an unproven peer: so many bytes and no more."""

    def __init__(self, out: Outbox, limit: int) -> None:
        self._out = out
        self._limit = limit

    def send(self, payload: bytes, peer: Peer) -> None:
        """See Outbox. What is too long is cut at a character."""
        self._out.send(cut(payload, self._limit), peer)

    def broadcast(self, payload: bytes, peers: Sequence[Peer]) -> None:
        """See Outbox. It goes to members, who have proved their addresses when they joined."""
        self._out.broadcast(payload, peers)
