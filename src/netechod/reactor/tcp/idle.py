"""The idle timeout of connections, and the eviction of silent ones to make room for new ones."""

import heapq
from collections.abc import Collection

from netechod.reactor.loop import Loop, Timer
from netechod.reactor.tcp.api import Connection

LOOKS = 256  # connections checked in one turn; the rest wait one turn
EVICTIONS = 64  # connections closed at once at the limit: to find one costs a check of all of them
GRAIN = 1 / 32  # of the timeout: the shortest time between two checks of all connections


class IdleWatch:
    """Closes those of `connections` that have been silent for too long.

    While the server drains, it closes no connection that has something unsent.
    """

    def __init__(self, loop: Loop, connections: Collection[Connection]) -> None:
        self.draining = False
        self._loop = loop
        self._connections = connections
        self._timeout = 0.0
        self._unchecked: list[Connection] = []  # in the check that goes on
        self._next_due = 0.0  # when the first of those already checked is due
        self._timer: Timer | None = None

    def configure(self, timeout: float) -> None:
        """Close connections that are silent for `timeout` seconds, 0 for never. Check all of them now."""
        self._timeout = timeout
        self._begin()

    def added(self) -> None:
        """Note that there is another connection."""
        if self._timer is None and self._timeout:
            self._timer = self._loop.call_at(self._loop.now + self._timeout, self._begin)

    def close(self) -> None:
        """Stop checking."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def evict(self, silence: float, count: int) -> None:
        """Close up to `count` connections, EVICTIONS at most, the longest silent first.

        It closes only connections that have been silent for `silence` seconds and have nothing unsent.
        """
        silent_since = self._loop.now - silence
        candidates = [
            each for each in self._connections if each.last_active <= silent_since and not each.has_unsent
        ]
        for connection in heapq.nsmallest(
            min(count, EVICTIONS), candidates, key=lambda each: each.last_active
        ):
            connection.retire("idle")

    def _begin(self) -> None:
        """Begin a check of all connections."""
        self.close()
        self._unchecked = list(self._connections) if self._timeout else []
        self._next_due = self._loop.now + self._timeout
        if self._timeout:
            self._look()

    def _look(self) -> None:
        """Check LOOKS connections, and the others in the next turns."""
        now, reason = self._loop.now, "drain" if self.draining else "idle"
        batch = self._unchecked[-LOOKS:]
        del self._unchecked[-LOOKS:]
        for connection in batch:
            due = connection.last_active + self._timeout
            if due > now:
                self._next_due = min(self._next_due, due)
            elif connection in self._connections and not (self.draining and connection.has_unsent):
                connection.retire(reason)
        if self._unchecked:
            self._timer = self._loop.call_at(now, self._look)
        elif self._connections:
            due = max(self._next_due, now + self._timeout * GRAIN)
            self._timer = self._loop.call_at(due, self._begin)
        else:
            self._timer = None
