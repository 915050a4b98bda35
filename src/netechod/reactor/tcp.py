"""TCP on the loop: the server that owns the connections, and the limits that they share."""

import logging
import socket
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from netechod.reactor.acceptor import Acceptor
from netechod.reactor.connection import Keep, TcpConnection
from netechod.reactor.counters import TcpCounters
from netechod.reactor.event_log import ConnectionLog
from netechod.reactor.loop import Loop, Timer
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
    ) -> None:
        self.loop = loop
        self.new_session = new_session
        self.buffer = memoryview(bytearray(BUFFER))
        self.connections: set[TcpConnection] = set()
        self.counters = TcpCounters()
        self.keep: Keep | None = None
        self._limits = limits or TcpLimits()
        self._log = ConnectionLog(loop, "echo-tcp")
        self._sources: dict[Hashable, int] = {}  # connections by source
        self._full = False
        self._complained = -COMPLAINT_INTERVAL
        self._sweep_timer: Timer | None = None
        self._drained: Callable[[], object] | None = None
        self._acceptors = [Acceptor(loop, sock, self.counters, self._on_accepted) for sock in listeners]

    def configure(self, limits: TcpLimits) -> None:
        """Change the limits; no open connection is closed for being one too many."""
        self._limits = limits
        self._sweep()
        self._check_room()

    def drain(self, drained: Callable[[], object]) -> None:
        """Serve who is connected until each falls silent, accept nobody else, then call `drained`."""
        for acceptor in self._acceptors:
            acceptor.drain()
        self._acceptors.clear()
        self._drained = drained
        self._sweep()

    def hand_over(self, keep: Keep, drained: Callable[[], object]) -> None:
        """Give every connection to `keep` as soon as nothing is owed on it, then call `drained`."""
        for acceptor in self._acceptors:
            acceptor.drain()
        self._acceptors.clear()
        self._drained = drained
        self.keep = keep
        for connection in tuple(self.connections):
            connection.settle()
        self._finish_drain()

    def adopt(self, sock: socket.socket, owed: bytes) -> None:
        """Serve a connection that another process has accepted, and deliver what that still owed."""
        try:
            address, port = sock.getpeername()[:2]
            connection = self._serve(sock, address, port)
        except OSError:
            sock.close()  # it ended while nobody was there
            return
        self.counters.accepted += 1
        connection.adopt(owed)
        self._check_room()

    def close(self) -> None:
        """Close everything now; what is being handed over goes there, with what is owed."""
        for acceptor in self._acceptors:
            acceptor.close()
        self._acceptors.clear()  # or the first connection to close would make room, and they would resume
        for connection in tuple(self.connections):
            if self.keep is None:
                connection.close("drain")
            else:
                connection.hand_over(self.keep)
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()

    def forget(self, connection: TcpConnection, summary: str) -> None:
        """Called by a connection that has closed or been handed over."""
        self.connections.discard(connection)
        source = source_of(connection.address)
        self._sources[source] -= 1
        if not self._sources[source]:
            del self._sources[source]
        self.counters.closed += 1
        self.counters.bytes_in += connection.bytes_in
        self.counters.bytes_out += connection.bytes_out
        if summary:
            self._log.closed(connection.name, summary)
        if self._full:
            self._check_room()
        self._finish_drain()

    def _on_accepted(self, sock: socket.socket, peer: tuple[str, int]) -> None:
        address, port = peer[:2]
        source = source_of(address)
        if not self._admits(sock, address, source):
            self.counters.refused += 1
            sock.close()
            return
        connection = self._serve(sock, address, port)
        self.counters.accepted += 1
        self._log.accepted(connection.name, sock.fileno())
        self._check_room()

    def _serve(self, sock: socket.socket, address: str, port: int) -> TcpConnection:
        """Begin to serve an accepted connection."""
        sock.setblocking(False)
        source = source_of(address)
        connection = TcpConnection(self, sock, address, port)
        self._sources[source] = self._sources.get(source, 0) + 1
        self.connections.add(connection)
        if self._sweep_timer is None and self._limits.idle_timeout:
            self._sweep_timer = self.loop.call_at(self.loop.now + self._limits.idle_timeout, self._sweep)
        return connection

    def _admits(self, sock: socket.socket, address: str, source: Hashable) -> bool:
        """Whether the newcomer is allowed, not one too many of its source, and watchable by the selector."""
        fd_limit = self.loop.descriptor_limit
        return (
            self._limits.admits(address)
            and self._sources.get(source, 0) < self._limits.connections_per_source
            and (fd_limit is None or sock.fileno() < fd_limit)
        )

    def _check_room(self) -> None:
        """At the limit newcomers wait in the backlog until a sixteenth of the places is free again."""
        limit = self._limits.connections
        count = len(self.connections)
        if not self._full and count >= limit:
            self._full = True
            for acceptor in self._acceptors:
                acceptor.pause()
            if self.loop.now - self._complained >= COMPLAINT_INTERVAL:
                self._complained = self.loop.now
                log.warning("connections at the limit of %d, new ones wait", limit)
        elif self._full and count <= limit - max(1, limit // 16):
            self._full = False
            for acceptor in self._acceptors:
                acceptor.resume()

    def _sweep(self) -> None:
        """Close who has been silent too long, and come back when the next one will have been."""
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
            self._sweep_timer = None
        draining = self._drained is not None
        silence = DRAIN_QUIET if draining else self._limits.idle_timeout
        if not silence:
            return
        now = self.loop.now
        for connection in tuple(self.connections):
            if connection.heard <= now - silence and not (draining and connection.owes):
                connection.retire("drain" if draining else "idle")
        if self.connections:
            due = min(connection.heard for connection in self.connections) + silence
            self._sweep_timer = self.loop.call_at(due if due > now else now + silence, self._sweep)
        self._finish_drain()

    def _finish_drain(self) -> None:
        """Tell, once, that the last connection has gone."""
        if self._drained is not None and not self.connections:
            self.loop.call_soon(self._drained)
            self._drained = None
