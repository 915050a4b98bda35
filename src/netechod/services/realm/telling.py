"""What the members here are still to be told of others: a queue that leaves at a pace."""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from netechod.services.realm.names import with_node
from netechod.services.wire import ONLINE, chat_line

PACE = 1000.0  # lines a second
BURST = 256  # lines at once: about as many as the receive buffer of a member holds
PAUSE = 0.01  # seconds between two looks at a queue that could not leave


class News(NamedTuple):
    """A line about a member of another node."""

    node: str
    name: str  # as it is shown here
    text: bytes


class Telling:
    """Lines for all members of this node. While some of them wait, nothing is read from the log.

    So the queue holds the lines of one entry at most, and a line for each member of a node that is lost.
    """

    def __init__(self, tell: Callable[[bytes], object], has_room: Callable[[], bool]) -> None:
        self._tell = tell
        self._has_room = has_room
        self._lines: deque[News] = deque()
        self._tokens = float(BURST)
        self._when = 0.0  # when the tokens were counted

    def __bool__(self) -> bool:
        return bool(self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    def lines(self) -> list[News]:
        """Return the lines that wait."""
        return list(self._lines)

    def add(self, node: str, name: str, text: bytes) -> None:
        """Queue a line about a member of another node."""
        self._lines.append(News(node, name, text))

    def make_way(self, name: str, holder: str | None) -> None:
        """Name the node of each member that is shown by this name: a member of this node has it now.

        `holder` is the node whose member has it, None if there is none. The lines that wait are about it, or
        about members that had the name before.
        """
        first: dict[str, bytes] = {}  # the first line that waits about the member of each node
        for place, news in enumerate(self._lines):
            if news.name == name:
                first.setdefault(news.node, news.text)
                self._lines[place] = news._replace(name=with_node(name, news.node))
        if holder is not None:
            first.setdefault(holder, b"")
        for node, text in first.items():
            if text != ONLINE:
                self._lines.appendleft(News(node, with_node(name, node), ONLINE))

    def drain(self, now: float) -> None:
        """Tell as many lines as the pace and the outbox allow."""
        self._tokens = min(BURST, self._tokens + (now - self._when) * PACE)
        self._when = now
        while self._lines and self._tokens >= 1 and self._has_room():
            self._tokens -= 1
            news = self._lines.popleft()
            self._tell(chat_line(news.name, news.text))

    def next_deadline(self) -> float | None:
        """Return the time for the next `drain`; None: nothing waits."""
        return self._when + PAUSE if self._lines else None
