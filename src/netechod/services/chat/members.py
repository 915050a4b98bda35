"""The members of a chat room, in the order of their silence."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice, takewhile

from netechod.services.admission.source_counter import SourceCounter
from netechod.services.api import Peer
from netechod.services.wire import display_name


class Member:
    """A member: the peer to send to, the time of its joining, and the time of its last datagram."""

    __slots__ = ("has_history", "last_seen", "peer", "since")

    def __init__(self, peer: Peer, since: float, last_seen: float) -> None:
        self.peer = peer
        self.since = since
        self.last_seen = last_seen
        self.has_history = False  # whether it has been promised the room's history


class Members:
    """The members by key. A key is a member's name with the zone of a link-local address."""

    def __init__(self, address_of: Callable[[Peer], tuple[str, int]]) -> None:
        self._address_of = address_of
        self._members: dict[str, Member] = {}  # the most silent come first
        self._peers: tuple[Peer, ...] | None = None  # of all members; None: to be collected
        self.sources = SourceCounter()

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, key: str) -> bool:
        return key in self._members

    def __getitem__(self, key: str) -> Member:
        return self._members[key]

    def items(self) -> Iterator[tuple[str, Member]]:
        """Iterate over keys and members, the most silent first."""
        return iter(self._members.items())

    def peers(self) -> tuple[Peer, ...]:
        """Return the peers of all members."""
        if self._peers is None:
            self._peers = self.peers_after(0)
        return self._peers

    def peers_after(self, count: int) -> tuple[Peer, ...]:
        """Return the peers of all members but the `count` most silent."""
        return tuple([member.peer for member in islice(self._members.values(), count, None)])

    def add(self, peer: Peer, since: float, last_seen: float) -> None:
        """Add a member."""
        address, port = self._address_of(peer)
        self.sources.add(address)
        self._members[display_name(address, port)] = Member(peer, since, last_seen)
        if self._peers is not None:  # many members may join one after the other: collecting is slower
            self._peers = (*self._peers, peer)

    def remove(self, key: str) -> None:
        """Remove a member."""
        member = self._members.pop(key)
        self.sources.remove(self._address_of(member.peer)[0])
        self._peers = None

    def renew(self, key: str, peer: Peer, now: float) -> None:
        """Note that a member has sent a datagram. From now on it is sent to at `peer`."""
        member = self._members.pop(key)
        self._members[key] = member  # to the end: the dict stays in the order of silence
        member.last_seen = now
        if member.peer != peer:
            member.peer = peer
            self._peers = None

    def silent_for(self, seconds: float, now: float) -> Sequence[str]:
        """Return the keys of members that have been silent for `seconds`, the most silent first."""
        items = takewhile(lambda item: item[1].last_seen + seconds <= now, self._members.items())
        return [key for key, _ in items]

    def longest_silence(self) -> float | None:
        """Return the time of the last datagram of the most silent member; None without members."""
        first = next(iter(self._members.values()), None)
        return None if first is None else first.last_seen


def shown(key: str) -> str:
    """Return the name in chat lines, without a zone: the zone has a meaning on this machine only."""
    address, zone, rest = key.partition("%")
    return f"{address}--{rest.rpartition('--')[2]}" if zone else key
