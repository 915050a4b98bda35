"""Who gets in: the limits on that, the listeners that keep to them, and the queue of those that wait."""

import logging
import socket
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from netechod.reactor.acceptor import PAUSE, Acceptor
from netechod.reactor.connection import Arrival
from netechod.reactor.counters import TcpCounters
from netechod.reactor.loop import Loop, Timer
from netechod.reactor.models import Model
from netechod.services.log_throttle import LogThrottle
from netechod.services.sources import source_of

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TcpLimits:
    """What a server allows."""

    connections: int = 10000
    connections_per_source: int = 256
    idle_timeout: float = 0.0  # seconds without a byte either way; 0 for never
    admits: Callable[[str], bool] = lambda address: True  # whether an address may connect at all


@dataclass(frozen=True, slots=True)
class Host:
    """What the reception asks of the server behind it."""

    accepted: Callable[[Arrival], object]  # told of who has come in from a listener
    serve: Callable[[Arrival], object]  # raises OSError when the system has nothing to do it with
    served: Callable[[], int]  # how many are being served


class Reception:
    """Lets connections in as far as there is room, and has them served as far as there are places."""

    def __init__(self, loop: Loop, counters: TcpCounters, model: Model, host: Host) -> None:
        self.limits = TcpLimits()
        self._loop = loop
        self._counters = counters
        self._model = model
        self._host = host
        self._waiting: deque[Arrival] = deque()  # ours, and served when there is a place for them
        self._sources: dict[Hashable, int] = {}  # connections by source
        self._to_serve = False  # soon
        self._full = False
        self._shortage: Timer | None = None  # set while we wait for the system to recover
        self._throttle = LogThrottle()
        self._last_call = False
        self._acceptors: list[Acceptor] = []

    def open(self, listeners: Sequence[socket.socket]) -> None:
        """Begin to accept."""
        self._acceptors = [
            Acceptor(self._loop, sock, self._counters, self._on_accepted) for sock in listeners
        ]

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self._waiting)

    def configure(self, limits: TcpLimits) -> None:
        """Change the limits; nobody is sent away for being one too many."""
        self.limits = limits
        self._check_room()

    def take_in(self, arrival: Arrival) -> None:
        """It is ours from now on, be it that it has to wait for its turn."""
        self._counters.accepted += 1
        source = source_of(arrival.address)
        self._sources[source] = self._sources.get(source, 0) + 1
        self._waiting.append(arrival)
        if self._model.starts is None:
            self._serve_waiting()
        else:
            self._serve_soon()
            self._check_room()

    def release(self, address: str) -> None:
        """One of this address has gone: somebody else may have its place."""
        source = source_of(address)
        self._sources[source] -= 1
        if not self._sources[source]:
            del self._sources[source]
        if self._waiting:
            self._serve_soon()
        elif self._full:
            self._check_room()

    def stop_accepting(self) -> None:
        """Take everybody who has connected already, within the limits, then close the listeners."""
        self._last_call = True
        self._check_room()
        for acceptor in self._acceptors:
            acceptor.drain()
        self._acceptors.clear()

    def close(self) -> Sequence[Arrival]:
        """Close the listeners, and give away who still waits."""
        for acceptor in self._acceptors:
            acceptor.close()
        self._acceptors.clear()  # or the first connection to close would make room, and they would resume
        if self._shortage is not None:
            self._shortage.cancel()
        waiting, self._waiting = tuple(self._waiting), deque()
        return waiting

    def _on_accepted(self, sock: socket.socket, peer: tuple[str, int]) -> None:
        address, port = peer[:2]
        if not self._admits(sock, address):
            self._counters.refused += 1
            sock.close()
            return
        arrival = Arrival(sock, address, port, self._loop.now)
        self._host.accepted(arrival)
        self.take_in(arrival)

    def _admits(self, sock: socket.socket, address: str) -> bool:
        """Whether the newcomer is allowed, not one too many of its source, and watchable by the selector."""
        fd_limit = self._loop.descriptor_limit
        return (
            self.limits.admits(address)
            and self._sources.get(source_of(address), 0) < self.limits.connections_per_source
            and (fd_limit is None or sock.fileno() < fd_limit)
        )

    def _serve_soon(self) -> None:
        """Have `_serve_waiting` called, once, at the end of this turn."""
        if not self._to_serve:
            self._to_serve = True
            self._loop.call_soon(self._serve_waiting)

    def _serve_waiting(self) -> None:
        """Have served who waits, as far as the system lets us, and for a bounded time."""
        self._to_serve = False
        starts = self._model.starts or len(self._waiting)
        while starts and self._has_place():
            starts -= 1
            arrival = self._waiting.popleft()
            try:
                self._host.serve(arrival)
            except OSError as error:  # no process or thread to be had
                self._waiting.appendleft(arrival)
                self._wait_for_the_system(error)
        if self._has_place():
            self._serve_soon()
        self._check_room()

    def _has_place(self) -> bool:
        """Whether somebody waits who could be served."""
        places = self._model.places
        has_place = places is None or self._host.served() < places
        return bool(self._waiting) and self._shortage is None and has_place

    def _wait_for_the_system(self, error: OSError) -> None:
        """Let everybody wait for a moment: who cannot be served need not be accepted either."""
        self._shortage = self._loop.call_at(self._loop.now + PAUSE, self._on_shortage_over)
        if self._throttle.admits(self._loop.now):
            log.error("a connection cannot be served, new ones wait: %s", error.strerror)

    def _on_shortage_over(self) -> None:
        self._shortage = None
        self._serve_waiting()

    @property
    def _room(self) -> int:
        """How many connections we take; at the last call, no model leaves anybody in the backlog."""
        room = None if self._last_call else self._model.room
        return self.limits.connections if room is None else min(self.limits.connections, room)

    def _check_room(self) -> None:
        """At the limit newcomers wait in the backlog until a sixteenth of the places is free again."""
        limit, count = self._room, self._host.served() + len(self._waiting)
        short = self._shortage is not None
        if not self._full and (short or count >= limit):
            self._full = True
            for acceptor in self._acceptors:
                acceptor.pause()
            is_meant_to_be = self._model.room == 1  # iterative
            if not short and not is_meant_to_be and self._throttle.admits(self._loop.now):
                log.warning("connections at the limit of %d, new ones wait", limit)
        elif self._full and not short and count <= limit - max(1, limit // 16):
            self._full = False
            for acceptor in self._acceptors:
                acceptor.resume()
