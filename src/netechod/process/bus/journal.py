"""The log lines about the bus. Of a kind of warning, there is one a minute, with the sum of the events."""

import logging
from collections.abc import Callable

from netechod.reactor.loop import Loop
from netechod.services.realm.events import Event

INTERVAL = 60.0  # seconds between two warnings of a kind
MAX_KINDS = 1000  # kinds that are told apart: a hostile writer can invent nodes

_DOWN = "bus down: %s, the chat goes on alone"
_NODE = "chat node %s %s members=%d"
_NODE_LOST = "chat node %s lost members=%d reason=%s"

log = logging.getLogger(__name__)


class BusJournal:
    """Writes the lines. `waiting` returns the number of lines that wait for the bus."""

    def __init__(self, loop: Loop, waiting: Callable[[], int]) -> None:
        self._loop = loop
        self._waiting = waiting
        self._sums: dict[tuple[str, ...], int] = {}  # of events that no line has told yet, by kind and facts
        self._next: dict[tuple[str, ...], float] = {}  # the time from which a kind may have its next line

    def up(self, server: str, nodes: int, after: float) -> None:
        """Tell that the bus can be used, `after` so many seconds without it."""
        log.info("bus up %s nodes=%d after=%.1f", server, nodes, after, extra=_fields("bus-up"))

    def down(self, why: str, *, is_news: bool) -> None:
        """Tell that the bus cannot be used, or why it still cannot. It is news if it could be before."""
        if is_news:
            self._next.pop(("down", why), None)
        self._warn(("down", why), 1, lambda _: log.warning(_DOWN, why, extra=_fields("bus-down")))

    def refused(self, error: str) -> None:
        """Tell that the server does not take an entry."""

        def say(count: int) -> None:
            text = "bus refuses what we say, %d lines wait: %s"
            log.warning(text, self._waiting(), error, extra=_fields("bus-refused"))

        self._warn(("refused",), 1, say)

    def told(self, event: Event) -> None:
        """Tell of an event of the realm."""
        node, why = event.node, event.why
        match event.kind:
            case "up" | "back":
                log.info(_NODE, node, event.kind, event.number, extra=_fields("node", node))
            case "lost":
                log.info(_NODE_LOST, node, event.number, why, extra=_fields("node", node))
            case "renamed":
                text = "bus: another process calls itself %s, we go on as %s"
                log.error(text, why, node, extra=_fields("bus-renamed", node))
            case "another log":
                log.info("bus: the log is another one than before", extra=_fields("bus-log"))
            case _:
                self._warn((event.kind, node, why), event.number, lambda count: _warn_of(event, count))

    def _warn(self, kind: tuple[str, ...], count: int, say: Callable[[int], object]) -> None:
        """Say it now, or with the sum of a minute when that is over."""
        if kind not in self._next and len(self._next) >= MAX_KINDS:
            kind = (kind[0], "others")
        now = self._loop.now
        due = self._next.get(kind, 0.0)
        waits = kind in self._sums
        self._sums[kind] = self._sums.get(kind, 0) + count
        if now >= due and not waits:
            self._say(kind, say)
        elif not waits:
            self._loop.call_at(due, lambda: self._say(kind, say))

    def _say(self, kind: tuple[str, ...], say: Callable[[int], object]) -> None:
        self._next[kind] = self._loop.now + INTERVAL
        say(self._sums.pop(kind))


def _warn_of(event: Event, count: int) -> None:
    node, why = event.node, event.why
    fields = _fields("bus-lines", node)
    match event.kind:
        case "missed":
            log.warning("bus: %d lines of %s missed (%s)", count, node, why, extra=fields)
        case "not sent":
            log.warning("bus: %d lines of ours were not sent (%s)", count, why, extra=fields)
        case "shared":
            log.warning(
                "bus: %s is online here and on %s: lines of the other one begin with its node (bus.names)",
                *(why, node),
                extra=fields,
            )
        case "version":
            log.warning("bus: some node writes entries of another version, they are skipped", extra=fields)
        case "stopped":
            log.warning("bus: we were stopped for %d s", count, extra=fields)


def _fields(event: str, node: str = "") -> dict[str, str]:
    return {"event": event, "service": "chat", **({"peer": node} if node else {})}
