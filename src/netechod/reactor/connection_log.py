"""One line per connection that comes and goes, until there are so many that the lines would be the attack."""

import logging

from netechod.reactor.loop import Loop

BUSY = 100  # lines a second of either kind; beyond them they are DEBUG, and one summary stands for them

log = logging.getLogger(__name__)


class ConnectionLog:
    """Writes the `accept` and `close` lines of one service, and counts the second it is in."""

    def __init__(self, loop: Loop, service: str) -> None:
        self._loop = loop
        self._service = service
        self._until = 0.0  # when the second being counted ends
        self._accepted = 0
        self._closed = 0

    def accepted(self, name: str, fd: int) -> None:
        """A connection from `name`, `ip--port`, came as descriptor `fd`."""
        self._roll()
        self._accepted += 1
        level = self._level(self._accepted)
        if log.isEnabledFor(level):
            log.log(level, "accept %s fd=%d", name, fd, extra=self._fields("accept", name))

    def closed(self, name: str, summary: str) -> None:
        """It went; `summary` says how, as `key=value` words."""
        self._roll()
        self._closed += 1
        level = self._level(self._closed)
        if log.isEnabledFor(level):
            log.log(level, "close %s %s", name, summary, extra=self._fields("close", name))

    def _fields(self, event: str, name: str) -> dict[str, str]:
        return {"event": event, "service": self._service, "peer": name}

    def _level(self, lines: int) -> int:
        """The level of the line that makes it so many; the first one too many brings the summary."""
        if lines == BUSY + 1:
            self._loop.call_at(self._until, self._roll)
        return logging.INFO if lines <= BUSY else logging.DEBUG

    def _roll(self) -> None:
        """Begin a new second when the last one is over, and sum up a busy one."""
        if self._loop.now < self._until:
            return
        if self._accepted > BUSY or self._closed > BUSY:
            log.info("busy: accepted %d and closed %d in one second", self._accepted, self._closed)
        self._until = self._loop.now + 1.0
        self._accepted = self._closed = 0
