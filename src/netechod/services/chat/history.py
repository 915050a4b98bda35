"""The latest lines of the room, for members that come back.

A member gets them when it has proved its address by a cookie. So nobody can have them sent to somebody else.
"""

from collections import deque
from itertools import islice

from netechod.services.api import Outbox
from netechod.services.chat.members import Members
from netechod.services.wire import NICK, earlier_line

MOST_BYTES = 1 << 20  # of all lines together; beyond it the oldest are dropped
PIECE = 16  # lines that one call sends, to all receivers together
PAUSE = 0.05  # seconds between two calls: the socket of a client holds some hundred lines


class History:
    """The latest lines, and how far each receiver has got. `now` is the loop's clock, in seconds."""

    def __init__(self) -> None:
        self.deadline: float | None = None  # when `send_piece` is due
        self._limit = 0
        self._lines: deque[tuple[float, bytes]] = deque()  # with the times at which they were said
        self._bytes = 0
        self._first = 0  # the number of the first line that is kept
        # The numbers of the next line and of the end, by receiver. The one to be served next comes first.
        self._receivers: dict[str, tuple[int, int]] = {}

    @property
    def is_kept(self) -> bool:
        """Whether lines are kept at all."""
        return self._limit > 0

    def configure(self, limit: int) -> None:
        """Keep so many lines from now on."""
        self._limit = limit
        self._trim()

    def add(self, line: bytes, now: float) -> None:
        """Keep a line. A name that a member only repeats, for a newcomer, is no news."""
        if self._limit and not self._repeats_name(line):
            self._lines.append((now, line))
            self._bytes += len(line)
            self._trim()

    def _trim(self) -> None:
        while len(self._lines) > self._limit or self._bytes > MOST_BYTES:
            self._bytes -= len(self._lines.popleft()[1])
            self._first += 1

    def _repeats_name(self, line: bytes) -> bool:
        member, _, text = line.partition(b"#")
        if not text.startswith(NICK):
            return False
        naming = member + b"#" + NICK
        return line == next((other for _, other in reversed(self._lines) if other.startswith(naming)), None)

    def promise(self, key: str, members: Members, now: float) -> None:
        """Send the lines of now to a member, piece by piece, once as long as it is online."""
        member = members[key]
        if self._lines and not member.has_history:
            member.has_history = True
            self._receivers[key] = (self._first, self._first + len(self._lines))
            self.deadline = now if self.deadline is None else self.deadline

    def send_piece(self, now: float, out: Outbox, members: Members) -> None:
        """Send some lines, if it is time. Those who have left get no more."""
        if self.deadline is None or now < self.deadline:
            return
        room = PIECE
        while room and self._receivers:
            key = next(iter(self._receivers))
            start, end = self._receivers.pop(key)
            start = max(start, self._first)  # older ones have been dropped meanwhile
            if key not in members or start >= end:
                continue
            stop = min(end, start + room)
            room -= stop - start
            for said, line in islice(self._lines, start - self._first, stop - self._first):
                out.send(earlier_line(now - said, line), members[key].peer)
            self._receivers[key] = (stop, end)  # to the end: the others have their turn
        self.deadline = now + PAUSE if self._receivers else None
