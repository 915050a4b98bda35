"""One log line per event, with a limit on their number: they must not fill the disk."""

import logging
from typing import Protocol

from netechod.reactor.loop import Loop
from netechod.services.admission.log_throttle import LogThrottle

BUSY = 100  # lines of one kind in a second; more are DEBUG, and a summary of the second follows
LONG_TERM = 3000  # lines of one kind in an hour; more are DEBUG, and a summary of each minute follows
HOUR, MINUTE, SECOND = 3600.0, 60.0, 1.0

log = logging.getLogger(__name__)


class Named(Protocol):
    """A connection that can be named. The name takes time, so it is made only for a line that is written."""

    @property
    def name(self) -> str:
        """The peer, `ip--port`."""
        ...


class Summed(Named, Protocol):
    """A connection whose figures can be summed up, as late."""

    def summary(self, reason: str) -> str:
        """Return its figures and the reason of its end, as `key=value` words."""
        ...


class EventLog:
    """Write the lines of one service about its peers.

    `kinds` are the service's events, each with its word in a summary.
    """

    def __init__(self, loop: Loop, service: str, **kinds: str) -> None:
        self._loop = loop
        self._service = service
        self._kinds = kinds
        self._hours = {kind: LogThrottle(HOUR, LONG_TERM) for kind in kinds}
        self._counts = dict.fromkeys(kinds, 0)  # events of the period that is being counted
        self._period = SECOND
        self._until = 0.0  # the end of the period
        self._busy = False  # the period has had more events than lines

    def noted(self, event: str) -> int:
        """Count an event. Return the level of its line, or 0 if that level is not logged."""
        if self._loop.now >= self._until:
            self._begin_period()
        self._counts[event] = count = self._counts[event] + 1
        has_line = count <= BUSY and self._hours[event].admits(self._loop.now)
        if not has_line and not self._busy:
            self._busy = True  # the timer writes the summary even if there is no further event
            self._loop.call_at(self._until, self._sum_up)
        level = logging.INFO if has_line else logging.DEBUG
        return level if log.isEnabledFor(level) else 0

    def say(self, level: int, event: str, peer: str, text: str, *arguments: object) -> None:
        """Write one line about `peer`, `ip--port`."""
        fields = {"event": event, "service": self._service, "peer": peer}
        log.log(level, text, *arguments, extra=fields)

    def _sum_up(self) -> None:
        if self._loop.now >= self._until:
            self._begin_period()

    def _begin_period(self) -> None:
        """Write a summary of the last period, if it was busy. The next is a minute if the hour is used up."""
        if self._busy:
            counted = " and ".join(f"{word} {self._counts[kind]}" for kind, word in self._kinds.items())
            log.info("busy: %s in one %s", counted, "second" if self._period == SECOND else "minute")
        now = self._loop.now
        is_spent = any(hour.is_spent(now) for hour in self._hours.values())
        self._period = MINUTE if is_spent else SECOND
        self._until = now + self._period
        self._counts = dict.fromkeys(self._kinds, 0)
        self._busy = False


class ConnectionLog(EventLog):
    """The lines about connections."""

    def __init__(self, loop: Loop, service: str) -> None:
        super().__init__(loop, service, accept="accepted", close="closed")

    def accepted(self, connection: Named, fd: int) -> None:
        """Log a new connection, with its descriptor."""
        if level := self.noted("accept"):
            peer = connection.name
            self.say(level, "accept", peer, "accept %s fd=%d", peer, fd)

    def closed(self, connection: Summed, reason: str) -> None:
        """Log the end of a connection, with its figures."""
        if level := self.noted("close"):
            peer = connection.name
            self.say(level, "close", peer, "close %s %s", peer, connection.summary(reason))


class ChatLog(EventLog):
    """The lines about members of the chat."""

    def __init__(self, loop: Loop, service: str) -> None:
        super().__init__(loop, service, online="online", offline="offline")

    def online(self, name: str) -> None:
        """Tell that `name`, `ip--port`, has joined."""
        if level := self.noted("online"):
            self.say(level, "online", name, "chat online %s", name)

    def offline(self, name: str, reason: str) -> None:
        """Tell that `name` has left, and why."""
        if level := self.noted("offline"):
            self.say(level, "offline", name, "chat offline %s reason=%s", name, reason)
