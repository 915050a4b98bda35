"""What the members here are still to be told of others: a queue that leaves at a pace."""

from collections import deque
from collections.abc import Callable, Iterable

PACE = 1000.0  # lines a second
BURST = 256  # lines at once: about as many as the receive buffer of a member holds
PAUSE = 0.01  # seconds between two looks at a queue that could not leave


class Telling:
    """Lines for all members of this node. While some of them wait, nothing is read from the log.

    So the queue holds the lines of one entry at most, and a line for each member of a node that is lost.
    """

    def __init__(self, tell: Callable[[bytes], object], has_room: Callable[[], bool]) -> None:
        self._tell = tell
        self._has_room = has_room
        self._lines: deque[bytes] = deque()
        self._tokens = float(BURST)
        self._when = 0.0  # when the tokens were counted

    def __bool__(self) -> bool:
        return bool(self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    def lines(self) -> Iterable[bytes]:
        """Return the lines that wait."""
        return iter(self._lines)

    def add(self, line: bytes) -> None:
        """Queue a line."""
        self._lines.append(line)

    def drain(self, now: float) -> None:
        """Tell as many lines as the pace and the outbox allow."""
        self._tokens = min(BURST, self._tokens + (now - self._when) * PACE)
        self._when = now
        while self._lines and self._tokens >= 1 and self._has_room():
            self._tokens -= 1
            self._tell(self._lines.popleft())

    def next_deadline(self) -> float | None:
        """Return the time for the next `drain`; None: nothing waits."""
        return self._when + PAUSE if self._lines else None
