"""TCP: the server that owns the connections, whoever moves their bytes, and the limits that they share."""

import logging
import socket
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from netechod.reactor.acceptor import PAUSE, Acceptor
from netechod.reactor.connection import Arrival, Connection, Keep, TcpConnection
from netechod.reactor.counters import TcpCounters
from netechod.reactor.event_log import ConnectionLog
from netechod.reactor.loop import Loop, Timer
from netechod.reactor.models import Model, OnTheLoop
from netechod.services.api import StreamSession
from netechod.services.sources import source_of

BUFFER = 256 * 1024  # bytes read at once, into one buffer for all connections
DRAIN_QUIET = 0.5  # seconds of silence after which a connection counts as served, once we stop
COMPLAINT_INTERVAL = 10.0  # seconds between two log lines about the same limit

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TcpLimits:
    """What a server allows."""

    connections: int = 10000
    connections_per_source: int = 256
    idle_timeout: float = 0.0  # seconds without a byte either way; 0 for never
    admits: Callable[[str], bool] = lambda address: True  # whether an address may connect at all


class TcpServer:
    """The connections of one service, over all its listeners, and the limits that they share."""

    def __init__(
        self,
        loop: Loop,
        listeners: Sequence[socket.socket],
        new_session: Callable[[], StreamSession],
        limits: TcpLimits | None = None,
        model: Model | None = None,
    ) -> None:
        self.loop = loop
        self.new_session = new_session
        self.buffer = memoryview(bytearray(BUFFER))
        self.connections: set[Connection] = set()
        self.counters = TcpCounters()
        self.keep: Keep | None = None
        self._model = model or Model(OnTheLoop())
        self._limits = limits or TcpLimits()
        self._log = ConnectionLog(loop, "echo-tcp")
        self._waiting: deque[Arrival] = deque()  # accepted, and served when there is a place for them
        self._to_serve = False  # soon
        self._sources: dict[Hashable, int] = {}  # connections by source
        self._full = False
        self._shortage: Timer | None = None  # set while we wait for the system to recover
        self._complained = -COMPLAINT_INTERVAL
        self._sweep_timer: Timer | None = None
        self._draining = False
        self._drained: Callable[[], object] | None = None
        self._acceptors = [Acceptor(loop, sock, self.counters, self._on_accepted) for sock in listeners]

    @property
    def count(self) -> int:
        """How many connections there are, those that wait for their turn included."""
        return len(self.connections) + len(self._waiting)

    @property
    def hands_over(self) -> bool:
        """Whether connections can be handed over; where they can not, `hand_over` drains."""
        return self._model.hands_over

    def configure(self, limits: TcpLimits) -> None:
        """Change the limits; no open connection is closed for being one too many."""
        self._limits = limits
        self._sweep()
        self._check_room()

    def drain(self, drained: Callable[[], object]) -> None:
        """Serve who is connected until each falls silent, accept nobody else, then call `drained`."""
        self._stop_accepting()
        self._drained = drained
        self._sweep()

    def hand_over(self, keep: Keep, drained: Callable[[], object]) -> None:
        """Give every connection to `keep` as soon as nothing is owed on it, then call `drained`."""
        if not self.hands_over:
            self.drain(drained)
            return
        self._stop_accepting()
        self._drained = drained
        connections = [TcpConnection(self, arrival) for arrival in self._waiting]
        connections += [
            connection for connection in self.connections if isinstance(connection, TcpConnection)
        ]
        self._waiting.clear()
        self.connections.update(connections)
        self.keep = keep
        for connection in connections:
            connection.settle()
        self._finish_drain()

    def adopt(self, sock: socket.socket, owed: bytes) -> None:
        """Serve a connection that another process has accepted, and deliver what that still owed."""
        try:
            address, port = sock.getpeername()[:2]
        except OSError:
            sock.close()  # it ended while nobody was there
            return
        self._take_in(Arrival(sock, address, port, self.loop.now, owed))

    def close(self) -> None:
        """Close everything now; what is being handed over goes there, with what is owed."""
        for acceptor in self._acceptors:
            acceptor.close()
        self._acceptors.clear()  # or the first connection to close would make room, and they would resume
        self.connections.update(TcpConnection(self, arrival) for arrival in self._waiting)
        self._waiting.clear()
        for connection in tuple(self.connections):
            connection.abandon()
        for connection in tuple(self.connections):
            connection.wait()
        self._model.staff.close()
        for timer in (self._sweep_timer, self._shortage):
            if timer is not None:
                timer.cancel()

    def forget(self, connection: Connection, reason: str) -> None:
        """Called by a connection that has closed or been handed over."""
        self.connections.discard(connection)
        source = source_of(connection.address)
        self._sources[source] -= 1
        if not self._sources[source]:
            del self._sources[source]
        self.counters.closed += 1
        self.counters.bytes_in += connection.bytes_in
        self.counters.bytes_out += connection.bytes_out
        if reason:
            self._log.closed(connection, reason)
        if self._waiting:
            self._serve_soon()
        elif self._full:
            self._check_room()
        self._finish_drain()

    def _on_accepted(self, sock: socket.socket, peer: tuple[str, int]) -> None:
        address, port = peer[:2]
        if not self._admits(sock, address):
            self.counters.refused += 1
            sock.close()
            return
        arrival = Arrival(sock, address, port, self.loop.now)
        self._log.accepted(arrival, sock.fileno())
        self._take_in(arrival)

    def _admits(self, sock: socket.socket, address: str) -> bool:
        """Whether the newcomer is allowed, not one too many of its source, and watchable by the selector."""
        fd_limit = self.loop.descriptor_limit
        return (
            self._limits.admits(address)
            and self._sources.get(source_of(address), 0) < self._limits.connections_per_source
            and (fd_limit is None or sock.fileno() < fd_limit)
        )

    def _take_in(self, arrival: Arrival) -> None:
        """It is ours from now on, be it that it has to wait for its turn."""
        self.counters.accepted += 1
        source = source_of(arrival.address)
        self._sources[source] = self._sources.get(source, 0) + 1
        self._waiting.append(arrival)
        if self._model.starts is None:
            self._serve_waiting()
        else:
            self._serve_soon()
            self._check_room()

    def _serve_soon(self) -> None:
        """Have `_serve_waiting` called, once, at the end of this turn."""
        if not self._to_serve:
            self._to_serve = True
            self.loop.call_soon(self._serve_waiting)

    def _serve_waiting(self) -> None:
        """Begin to serve who waits, as far as the system lets us, and for a bounded time."""
        self._to_serve = False
        starts = self._model.starts or len(self._waiting)
        while starts and self._has_place():
            starts -= 1
            arrival = self._waiting.popleft()
            try:
                connection = self._model.staff.serve(self, arrival)
            except OSError as error:  # no process or thread to be had
                self._waiting.appendleft(arrival)
                self._wait_for_the_system(error)
            else:
                self._begin(connection, arrival)
        if self._has_place():
            self._serve_soon()
        self._check_room()

    def _has_place(self) -> bool:
        """Whether somebody waits who could be served."""
        places = self._model.places
        return bool(
            self._waiting and not self._shortage and (places is None or len(self.connections) < places)
        )

    def _begin(self, connection: Connection, arrival: Arrival) -> None:
        """Keep an eye on a connection that is being served."""
        self.connections.add(connection)
        now, silence = self.loop.now, self._silence
        if self._sweep_timer is None and silence:
            self._sweep_timer = self.loop.call_at(now + silence, self._sweep)
        if self._draining and arrival.since <= now - DRAIN_QUIET:
            connection.retire("drain")  # others wait behind it: what it has sent until now is answered

    def _wait_for_the_system(self, error: OSError) -> None:
        """Let everybody wait for a moment: who cannot be served need not be accepted either."""
        self._shortage = self.loop.call_at(self.loop.now + PAUSE, self._on_shortage_over)
        if self._may_complain():
            log.error("a connection cannot be served, new ones wait: %s", error.strerror)

    def _on_shortage_over(self) -> None:
        self._shortage = None
        self._serve_waiting()

    def _stop_accepting(self) -> None:
        """Take everybody who has connected already, within the limit, then close the listeners."""
        self._draining = True
        self._check_room()
        for acceptor in self._acceptors:
            acceptor.drain()
        self._acceptors.clear()

    @property
    def _room(self) -> int:
        """How many connections are accepted; once we drain, no model leaves anybody in the backlog."""
        room = None if self._draining else self._model.room
        return self._limits.connections if room is None else min(self._limits.connections, room)

    def _check_room(self) -> None:
        """At the limit newcomers wait in the backlog until a sixteenth of the places is free again."""
        limit, count, short = self._room, self.count, self._shortage is not None
        if not self._full and (short or count >= limit):
            self._full = True
            for acceptor in self._acceptors:
                acceptor.pause()
            if not short and self._model.room != 1 and self._may_complain():  # iterative is meant to be full
                log.warning("connections at the limit of %d, new ones wait", limit)
        elif self._full and not short and count <= limit - max(1, limit // 16):
            self._full = False
            for acceptor in self._acceptors:
                acceptor.resume()

    def _may_complain(self) -> bool:
        """Whether the last complaint is old enough."""
        if self.loop.now - self._complained < COMPLAINT_INTERVAL:
            return False
        self._complained = self.loop.now
        return True

    @property
    def _silence(self) -> float:
        """Seconds without a byte after which a connection is over; 0: it never is."""
        return DRAIN_QUIET if self._draining else self._limits.idle_timeout

    def _sweep(self) -> None:
        """Close who has been silent too long, and come back when the next one will have been."""
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
            self._sweep_timer = None
        silence = self._silence
        if not silence:
            return
        now = self.loop.now
        next_due = now + silence
        for connection in tuple(self.connections):
            due = connection.heard + silence
            if due > now:
                next_due = min(next_due, due)
            elif not (self._draining and connection.owes):
                connection.retire("drain" if self._draining else "idle")
        if self.connections:
            self._sweep_timer = self.loop.call_at(next_due, self._sweep)
        self._finish_drain()

    def _finish_drain(self) -> None:
        """Tell, once, that the last connection has gone."""
        if self._drained is not None and not self.count:
            self.loop.call_soon(self._drained)
            self._drained = None
