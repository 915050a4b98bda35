"""One line per event, until there are so many that the lines would be the attack."""

import logging

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

    def say(self, event: str, peer: str, text: str, *arguments: object) -> None:
        """Write one line about `peer`, `ip--port`."""
        self._roll()
        self._counts[event] += 1
        level = self._level(self._counts[event])
        if log.isEnabledFor(level):
            fields = {"event": event, "service": self._service, "peer": peer}
            log.log(level, text, *arguments, extra=fields)

    def _level(self, lines: int) -> int:
        """The level of the line that makes it so many; the first one too many brings the summary."""
        if lines == BUSY + 1:
            self._loop.call_at(self._until, self._roll)
        return logging.INFO if lines <= BUSY else logging.DEBUG

    def _roll(self) -> None:
        """Begin a new second when the last one is over, and sum up a busy one."""
        if self._loop.now < self._until:
            return
        if any(count > BUSY for count in self._counts.values()):
            counted = " and ".join(f"{word} {self._counts[kind]}" for kind, word in self._kinds.items())
            log.info("busy: %s in one second", counted)
        self._until = self._loop.now + 1.0
        self._counts = dict.fromkeys(self._kinds, 0)


class ConnectionLog(EventLog):
    """The lines of connections that come and go."""

    def __init__(self, loop: Loop, service: str) -> None:
        super().__init__(loop, service, accept="accepted", close="closed")

    def accepted(self, name: str, fd: int) -> None:
        """A connection from `name`, `ip--port`, came as descriptor `fd`."""
        self.say("accept", name, "accept %s fd=%d", name, fd)

    def closed(self, name: str, summary: str) -> None:
        """It went; `summary` says how, as `key=value` words."""
        self.say("close", name, "close %s %s", name, summary)


class ChatLog(EventLog):
    """The lines of members that come and go."""

    def __init__(self, loop: Loop, service: str) -> None:
        super().__init__(loop, service, online="online", offline="offline")

    def online(self, name: str) -> None:
        """`name`, `ip--port`, has joined."""
        self.say("online", name, "chat online %s", name)

    def offline(self, name: str, reason: str) -> None:
        """It has left, and why."""
        self.say("offline", name, "chat offline %s reason=%s", name, reason)
