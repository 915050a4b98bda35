"""A log in memory as a Redis stream is one, on a virtual clock. It misbehaves when it is told to."""

import heapq
import itertools
from bisect import bisect_right
from collections.abc import Callable, Sequence
from operator import itemgetter
from random import Random

from netechod.services.realm.log import START, EntryId, Found

HISTORY = 400  # entries that the log holds; the oldest are trimmed
EPOCH_MS = 1_700_000_000_000  # the log's clock at the start

Stored = tuple[EntryId, list[bytes]]


class VirtualTime:
    """A clock that jumps from one event to the next."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._order = itertools.count()

    def at(self, when: float, event: Callable[[], object]) -> None:
        """Have something happen at that time."""
        heapq.heappush(self._events, (max(when, self.now), next(self._order), event))

    def after(self, seconds: float, event: Callable[[], object]) -> None:
        """Have something happen in so many seconds."""
        self.at(self.now + seconds, event)

    def run(self, until: float) -> None:
        """Let everything happen that is due until then."""
        while self._events and self._events[0][0] <= until:
            self.now, _, event = heapq.heappop(self._events)
            event()
        self.now = until


class MisbehavingLog:
    """The server: one stream, its connections, and its faults.

    `append` and `read` call back with their result, or never: the asking node has to lose its patience.
    """

    def __init__(self, time: VirtualTime, rng: Random) -> None:
        self.time = time
        self.rng = rng
        self.entries: list[Stored] = []
        self.end = START
        self.skew_ms = 0
        self.down_until = 0.0  # no connection is accepted
        self.frozen_until = 0.0  # nothing is answered
        self.refuses_until = 0.0  # what is appended is refused
        self.lost_replies = 0  # appends to come whose replies are lost
        self.connections: dict[object, Callable[[], object]] = {}  # each is called when it is cut
        self._blocked: list[tuple[EntryId, int, Callable[[Sequence[Stored]], object]]] = []

    @property
    def now_ms(self) -> int:
        """The server's clock."""
        return EPOCH_MS + int(self.time.now * 1000) + self.skew_ms

    @property
    def is_up(self) -> bool:
        """Whether it accepts connections."""
        return self.time.now >= self.down_until

    def later(self, event: Callable[[], object]) -> None:
        """Let a message cross the network, and wait while the server is frozen."""
        when = self.time.now + self.rng.uniform(0.0002, 0.01)
        self.time.at(max(when, self.frozen_until), event)

    def found(self, last: EntryId | None, mine: EntryId | None) -> Found:
        """Answer the questions of a new connection."""
        ids = {at for at, _ in self.entries}
        first = self.entries[0][0] if self.entries else None
        return Found(self.now_ms, first, self.end, last in ids, mine in ids)

    def append(self, fields: list[bytes], reply: Callable[[EntryId | None], object]) -> None:
        """Append an entry, and reply with its id, or with None for an error."""
        self.later(lambda: self._append(fields, reply))

    def _append(self, fields: list[bytes], reply: Callable[[EntryId | None], object]) -> None:
        if self.time.now < self.refuses_until:
            self.later(lambda: reply(None))
            return
        self.put(fields)
        at = self.end
        if self.lost_replies:
            self.lost_replies -= 1
        else:
            self.later(lambda: reply(at))

    def put(self, fields: list[bytes]) -> None:
        """Store an entry, and answer the readers that wait for one."""
        ms = self.now_ms
        self.end = EntryId(ms) if ms > self.end.ms else EntryId(self.end.ms, self.end.sequence + 1)
        self.entries.append((self.end, fields))
        del self.entries[:-HISTORY]
        blocked, self._blocked = self._blocked, []
        for after, count, reply in blocked:
            self._read(after, count, reply)

    def read(self, after: EntryId, count: int, reply: Callable[[Sequence[Stored]], object]) -> None:
        """Reply with the entries behind an id, at most `count`. If there is none, wait for one."""
        self.later(lambda: self._read(after, count, reply))

    def _read(self, after: EntryId, count: int, reply: Callable[[Sequence[Stored]], object]) -> None:
        begin = bisect_right(self.entries, after, key=itemgetter(0))
        found = self.entries[begin : begin + count]
        if found:
            self.later(lambda: reply(found))
        else:
            self._blocked.append((after, count, reply))

    # Faults

    def cut(self) -> None:
        """Cut all connections."""
        for cut in list(self.connections.values()):
            cut()

    def go_down(self, seconds: float) -> None:
        """Be away for a while."""
        self.down_until = self.time.now + seconds
        self.cut()

    def lose(self, count: int) -> None:
        """Fail over to a replica that never got the last entries."""
        if count:
            del self.entries[-count:]
        self.end = self.entries[-1][0] if self.entries else START
        self.cut()

    def wipe(self) -> None:
        """Lose the key."""
        self.entries.clear()
        self.end = START

    def trim(self, count: int) -> None:
        """Keep some entries only."""
        del self.entries[: max(0, len(self.entries) - count)]
