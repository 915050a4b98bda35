"""The lines of this node: waiting for the log, in flight, and kept in case that the log loses them."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from netechod.services.realm.entry import BEGINS, BODY, ENDS, there

WAITING_LINES = 4096  # lines that may wait; beyond it the oldest is lost
WAITING_BYTES = 4 << 20  # bytes of lines that may wait; beyond it the oldest is lost
KEPT_LINES = 16384  # lines that are kept after the log has taken them; beyond it the oldest is forgotten
KEPT_BYTES = 4 << 20  # bytes of lines that are kept


class Origin(NamedTuple):
    """The name and the epoch under which a line goes to the log. It keeps them when it goes again."""

    node: str
    epoch: str


class Waiting(NamedTuple):
    """A line that was never sent. It has no number yet."""

    when: float  # it was said
    text: bytes


class Sent(NamedTuple):
    """A line that was sent. If it goes again, it has the same number and origin."""

    number: int
    when: float  # it was said
    text: bytes
    origin: Origin


class _Snapshot(NamedTuple):
    """The members at one moment. It becomes lines when its turn comes."""

    when: float
    names: Sequence[str]


class Sending:
    """Gives numbers to lines, and keeps each until a lease after it was said.

    Lines that are lost here have their numbers, too. So every other node notices that they are missing.
    """

    def __init__(self, lease: float, lost: Counter[str]) -> None:
        self._lease = lease
        self._lost = lost
        self._told: Counter[str] = Counter()
        self.number = 0  # of the next line that is sent for the first time
        self.again: deque[Sent] = deque()  # lines that go again, before those that wait
        self.kept: deque[Sent] = deque()
        self._kept_size = 0
        self._waiting: deque[Waiting | _Snapshot] = deque()
        self._waiting_size = 0
        self._snapshot_waits = False
        self._snapshot: deque[Waiting] = (
            deque()
        )  # lines of the names whose turn has come, before those that wait
        self._flight: list[Sent] = []

    def __len__(self) -> int:
        return len(self._flight) + len(self.again) + len(self._snapshot) + len(self._waiting)

    def waiting(self) -> list[Waiting]:
        """Return the lines that were never sent."""
        return [item for item in (*self._snapshot, *self._waiting) if isinstance(item, Waiting)]

    def unsure(self) -> list[Sent]:
        """Return the lines that were sent, but perhaps not taken."""
        return [*self._flight, *self.again]

    def restore(
        self, number: int, waiting: Iterable[Waiting], again: Iterable[Sent], kept: Iterable[Sent]
    ) -> None:
        """Take back the lines of the process before this one, before those that were said since."""
        said_since = list(self._waiting)
        self.number = number
        self.again.extend(again)
        self.kept.extend(kept)
        self._kept_size = sum(len(line.text) for line in self.kept)
        self._waiting = deque([*waiting, *said_since])
        self._waiting_size = sum(map(_size, self._waiting))

    def add(self, text: bytes, now: float) -> None:
        """Queue a line."""
        self._waiting.append(Waiting(now, text))
        self._waiting_size += len(text)
        while len(self._waiting) > WAITING_LINES or self._waiting_size > WAITING_BYTES:
            self._lose("overflow")

    def add_snapshot(self, names: Sequence[str], now: float) -> None:
        """Queue the members' names, unless some wait already: changes since then are behind them."""
        if not self._snapshot_waits:
            self._snapshot_waits = True
            self._waiting.append(_Snapshot(now, names))

    def next(self, origin: Origin, now: float) -> Sequence[Sent]:
        """Put the next lines in flight: those that have one origin and whose numbers follow one another."""
        self.expire(now)
        size = 0
        flight: list[Sent] = []
        while (line := self._front(origin)) is not None:
            size += len(line.text) + 1
            follows = not flight or (line.number, line.origin) == (flight[-1].number + 1, flight[-1].origin)
            if flight and (size > BODY or not follows):
                break
            flight.append(line)
            self._pop_front()
        self._flight = flight
        return flight

    def _front(self, origin: Origin) -> Sent | None:
        """Return the line that is next; None: there is none."""
        if self.again:
            return self.again[0]
        if not self._snapshot and self._waiting and isinstance(self._waiting[0], _Snapshot):
            self._begin_snapshot(self._waiting[0])
        for queue in (self._snapshot, self._waiting):
            if queue and isinstance(line := queue[0], Waiting):
                return Sent(self.number, line.when, line.text, origin)
        return None

    def _begin_snapshot(self, snapshot: _Snapshot) -> None:
        self._waiting.popleft()
        self._snapshot_waits = False
        lines = [BEGINS, *map(there, snapshot.names), ENDS]
        self._snapshot.extend(Waiting(snapshot.when, text) for text in lines)

    def _pop_front(self) -> None:
        if self.again:
            self.again.popleft()
            return
        self.number += 1
        if self._snapshot:
            self._snapshot.popleft()
        else:
            self._waiting_size -= _size(self._waiting.popleft())

    def taken(self) -> int:
        """Keep the lines in flight: the log has taken them. Return their number."""
        count = len(self._flight)
        self.kept.extend(self._flight)
        self._kept_size += sum(len(line.text) for line in self._flight)
        self._flight = []
        while len(self.kept) > KEPT_LINES or self._kept_size > KEPT_BYTES:
            self._forget()
        return count

    def not_taken(self) -> None:
        """Let the lines in flight go again."""
        self.again.extendleft(reversed(self._flight))
        self._flight = []

    def repeat_kept(self) -> None:
        """Let the kept lines go again: the log has lost some of them."""
        self.again.extendleft(reversed(self.kept))
        self.kept.clear()
        self._kept_size = 0

    def expire(self, now: float) -> None:
        """Lose the waiting lines that were said more than a lease ago, and forget the kept ones."""
        before = now - self._lease
        while self.kept and self.kept[0].when < before:
            self._forget()
        while self.again and self.again[0].when < before:
            self.again.popleft()
            self._lost["too old"] += 1
        while self._snapshot and self._snapshot[0].when < before:
            self._snapshot.popleft()
            self._note_lost("too old")
        while self._waiting and self._waiting[0].when < before:
            self._lose("too old")

    def losses(self) -> Mapping[str, int]:
        """Return how many lines were lost since the last call, by reason."""
        losses = self._lost - self._told
        self._told = self._lost.copy()
        return losses

    def _forget(self) -> None:
        self._kept_size -= len(self.kept.popleft().text)

    def _lose(self, why: str) -> None:
        """Lose the line that has waited longest. Names are no loss: who needs them asks again."""
        item = self._waiting.popleft()
        self._waiting_size -= _size(item)
        if isinstance(item, Waiting):
            self._note_lost(why)
        else:
            self._snapshot_waits = False

    def _note_lost(self, why: str) -> None:
        self.number += 1
        self._lost[why] += 1


def _size(item: Waiting | _Snapshot) -> int:
    return len(item.text) if isinstance(item, Waiting) else 0
