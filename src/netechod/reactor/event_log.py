"""One line per event, until there are so many that the lines would be the attack."""

import logging
from typing import Protocol

from netechod.reactor.loop import Loop

BUSY = 100  # lines a second of one kind; beyond them they are DEBUG, and one summary stands for them

log = logging.getLogger(__name__)


class EventLog:
    """Writes the lines of one service about its peers, and counts the second it is in.

    `kinds` are the events that it has, each with the word that a summary has for it.
    """

    def __init__(self, loop: Loop, service: str, **kinds: str) -> None:
        self._loop = loop
        self._service = service
        self._kinds = kinds
        self._counts = dict.fromkeys(kinds, 0)
        self._until = 0.0  # when the second being counted ends

    def noted(self, event: str) -> int:
        """Count it; returns the level of its line, and 0 where nobody wants one: it need not be made then."""
        if self._loop.now >= self._until:
            self._begin_second()
        self._counts[event] = count = self._counts[event] + 1
        if count == BUSY + 1:  # the first one too many brings the summary
            self._loop.call_at(self._until, self._sum_up)
        level = logging.INFO if count <= BUSY else logging.DEBUG
        return level if log.isEnabledFor(level) else 0

    def say(self, level: int, event: str, peer: str, text: str, *arguments: object) -> None:
        """Write one line about `peer`, `ip--port`."""
        fields = {"event": event, "service": self._service, "peer": peer}
        log.log(level, text, *arguments, extra=fields)

    def _sum_up(self) -> None:
        if self._loop.now >= self._until:
            self._begin_second()

    def _begin_second(self) -> None:
        """Sum up the last one if it was busy."""
        if any(count > BUSY for count in self._counts.values()):
            counted = " and ".join(f"{word} {self._counts[kind]}" for kind, word in self._kinds.items())
            log.info("busy: %s in one second", counted)
        self._until = self._loop.now + 1.0
        self._counts = dict.fromkeys(self._kinds, 0)


class Comer(Protocol):
    """Who comes."""

    @property
    def name(self) -> str:
        """`ip--port`."""
        ...


class Goer(Comer, Protocol):
    """Who goes."""

    def summary(self, reason: str) -> str:
        """How it went, as `key=value` words."""
        ...


class ConnectionLog(EventLog):
    """The lines of connections that come and go."""

    def __init__(self, loop: Loop, service: str) -> None:
        super().__init__(loop, service, accept="accepted", close="closed")

    def accepted(self, who: Comer, fd: int) -> None:
        """A connection came, as descriptor `fd`."""
        if level := self.noted("accept"):
            self.say(level, "accept", who.name, "accept %s fd=%d", who.name, fd)

    def closed(self, who: Goer, reason: str) -> None:
        """It went."""
        if level := self.noted("close"):
            self.say(level, "close", who.name, "close %s %s", who.name, who.summary(reason))


class ChatLog(EventLog):
    """The lines of members that come and go."""

    def __init__(self, loop: Loop, service: str) -> None:
        super().__init__(loop, service, online="online", offline="offline")

    def online(self, name: str) -> None:
        """`name`, `ip--port`, has joined."""
        if level := self.noted("online"):
            self.say(level, "online", name, "chat online %s", name)

    def offline(self, name: str, reason: str) -> None:
        """It has left, and why."""
        if level := self.noted("offline"):
            self.say(level, "offline", name, "chat offline %s reason=%s", name, reason)
