"""TCP: the server that owns the connections, whoever moves their bytes, from their beginning to their end."""

import socket
from collections.abc import Callable, Sequence

from netechod.reactor.connection import Arrival, Connection, Keep, TcpConnection
from netechod.reactor.counters import TcpCounters
from netechod.reactor.event_log import ConnectionLog
from netechod.reactor.loop import Loop, Timer
from netechod.reactor.models import Model, OnTheLoop
from netechod.reactor.reception import Host, Reception, TcpLimits
from netechod.services.api import StreamSession

BUFFER = 256 * 1024  # bytes read at once, into one buffer for all connections
DRAIN_QUIET = 0.5  # seconds of silence after which a connection counts as served, once we stop


class TcpServer:
    """The connections of one service, over all its listeners."""

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
        self._log = ConnectionLog(loop, "echo-tcp")
        self._sweep_timer: Timer | None = None
        self._draining = False
        self._drained: Callable[[], object] | None = None
        host = Host(self._on_accepted, self._serve, lambda: len(self.connections))
        self._reception = Reception(loop, self.counters, self._model, host)
        self.configure(limits or TcpLimits())
        self._reception.open(listeners)

    @property
    def count(self) -> int:
        """How many connections there are, those that wait for their turn included."""
        return len(self.connections) + self._reception.waiting

    @property
    def hands_over(self) -> bool:
        """Whether connections can be handed over; where they can not, `hand_over` drains."""
        return self._model.hands_over

    def configure(self, limits: TcpLimits) -> None:
        """Change the limits; no open connection is closed for being one too many."""
        self._reception.configure(limits)
        self._sweep()

    def drain(self, drained: Callable[[], object]) -> None:
        """Serve who is connected until each falls silent, accept nobody else, then call `drained`."""
        self._draining = True
        self._reception.stop_accepting()
        self._drained = drained
        self._sweep()

    def hand_over(self, keep: Keep, drained: Callable[[], object]) -> None:
        """Give every connection to `keep` as soon as nothing is owed on it, then call `drained`."""
        if not self.hands_over:
            self.drain(drained)
            return
        self._draining = True
        self._reception.stop_accepting()
        self._drained = drained
        self._invite_the_waiting()
        self.keep = keep
        for connection in [each for each in self.connections if isinstance(each, TcpConnection)]:
            connection.settle()
        self._finish_drain()

    def adopt(self, sock: socket.socket, owed: bytes) -> None:
        """Serve a connection that another process has accepted, and deliver what that still owed."""
        try:
            address, port = sock.getpeername()[:2]
        except OSError:
            sock.close()  # it ended while nobody was there
            return
        self._reception.take_in(Arrival(sock, address, port, self.loop.now, owed))

    def close(self) -> None:
        """Close everything now; what is being handed over goes there, with what is owed."""
        self._invite_the_waiting()
        for connection in tuple(self.connections):
            connection.abandon()
        for connection in tuple(self.connections):
            connection.wait()
        self._model.staff.close()
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()

    def forget(self, connection: Connection, reason: str) -> None:
        """Called by a connection that has closed or been handed over."""
        self.connections.discard(connection)
        self.counters.closed += 1
        self.counters.bytes_in += connection.bytes_in
        self.counters.bytes_out += connection.bytes_out
        if reason:
            self._log.closed(connection, reason)
        self._reception.release(connection.address)
        self._finish_drain()

    def _on_accepted(self, arrival: Arrival) -> None:
        self._log.accepted(arrival, arrival.sock.fileno())

    def _serve(self, arrival: Arrival) -> None:
        """Begin to serve a connection, and keep an eye on it."""
        connection = self._model.staff.serve(self, arrival)
        self.connections.add(connection)
        now, silence = self.loop.now, self._silence
        if self._sweep_timer is None and silence:
            self._sweep_timer = self.loop.call_at(now + silence, self._sweep)
        if self._draining and arrival.since <= now - DRAIN_QUIET:
            connection.retire("drain")  # others wait behind it: what it has sent until now is answered

    def _invite_the_waiting(self) -> None:
        """Let nobody else in, and have those that wait among the connections, which are about to end."""
        self.connections.update(TcpConnection(self, arrival) for arrival in self._reception.close())

    @property
    def _silence(self) -> float:
        """Seconds without a byte after which a connection is over; 0: it never is."""
        return DRAIN_QUIET if self._draining else self._reception.limits.idle_timeout

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
