"""TCP on the loop: the connection, and the server that owns connections and their limits."""

import logging
import socket
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from netechod.reactor.acceptor import Acceptor
from netechod.reactor.connection_log import ConnectionLog
from netechod.reactor.counters import TcpCounters
from netechod.reactor.loop import Loop, Timer
from netechod.services.api import Chunk, StreamSession
from netechod.services.wire import display_name

BUFFER = 256 * 1024  # bytes read at once, into one buffer for all connections
HIGH_WATER = 64 * 1024  # bytes owed to one connection; above it we stop reading from it
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


def source_of(address: str) -> Hashable:
    """What counts as one source: an IPv4 address, or the /64 of an IPv6 one, which is one customer's."""
    if "." in address:
        return address.removeprefix("::ffff:")
    return socket.inet_pton(socket.AF_INET6, address.partition("%")[0])[:8]


class TcpConnection:
    """Drives one session without blocking: send at once, and wait only for what the kernel did not take."""

    __slots__ = (
        "_eof", "_opened", "_owed", "_server", "_session", "_sock",
        "bytes_in", "bytes_out", "heard", "name", "source",
    )  # fmt: skip

    def __init__(self, server: "TcpServer", sock: socket.socket, name: str, source: Hashable) -> None:
        self._server = server
        self._sock = sock
        self._session = server.new_session()
        self._owed: bytearray | None = None  # what the peer has yet to take
        self._eof = False
        self._opened = self.heard = server.loop.now
        self.name = name
        self.source = source
        self.bytes_in = 0
        self.bytes_out = 0
        self._settle()

    @property
    def owes(self) -> bool:
        """Whether the peer has yet to take something."""
        return self._owed is not None

    def retire(self, reason: str) -> None:
        """Close a silent connection, unless a last look finds that it has just spoken.

        We close first, so nothing may be unread: the kernel would answer it with a reset, which takes
        what we sent last away from the peer (RFC 2525, 2.17).
        """
        bytes_in = self.bytes_in
        if not self.owes:
            self._on_readable()
        if self.bytes_in == bytes_in and self in self._server.connections:
            self.close(reason)

    def close(self, reason: str) -> None:
        """Close now, whatever is owed."""
        loop = self._server.loop
        loop.unwatch(self._sock.fileno())
        self._sock.close()
        seconds = loop.now - self._opened
        summary = f"in={self.bytes_in} out={self.bytes_out} seconds={seconds:.3f} reason={reason}"
        self._server.forget(self, summary)

    def _on_readable(self) -> None:
        """One read per turn: a greedy peer must not keep the others waiting."""
        server = self._server
        try:
            size = self._sock.recv_into(server.buffer)
            if size:
                self.bytes_in += size
                self.heard = server.loop.now
                self._deliver(self._session.data_received(server.buffer[:size]))
            else:
                self._eof = True
                if tail := self._session.eof_received():
                    self._deliver(tail)
                self._settle()
        except BlockingIOError:
            pass  # a spurious wake-up (select(2), BUGS)
        except OSError as error:
            self._fail(error)

    def _on_writable(self) -> None:
        assert self._owed is not None  # noqa: S101 (watched for writing only while something is owed)
        try:
            del self._owed[: self._send(self._owed)]
        except OSError as error:
            self._fail(error)
            return
        if not self._owed:
            self._owed = None
        self._settle()

    def _deliver(self, reply: Chunk) -> None:
        """Send at once when nothing is owed before it; what the kernel does not take is owed."""
        if self._owed is not None:
            self._owed += reply
        else:
            sent = self._send(reply)
            if sent == len(reply):
                return
            self._owed = bytearray(reply[sent:])
        self._settle()

    def _send(self, data: Chunk) -> int:
        """Send what the kernel takes now; returns the bytes."""
        try:
            sent = self._sock.send(data)
        except BlockingIOError:
            return 0
        self.bytes_out += sent
        self.heard = self._server.loop.now
        return sent

    def _settle(self) -> None:
        """Wait for what can come next, or close when everything is said."""
        owed = 0 if self._owed is None else len(self._owed)
        if self._eof and not owed:
            self.close("eof")
            return
        reads = not self._eof and owed <= HIGH_WATER
        self._server.loop.watch(
            self._sock.fileno(), self._on_readable if reads else None, self._on_writable if owed else None
        )

    def _fail(self, error: OSError) -> None:
        self.close("reset" if isinstance(error, ConnectionError) else "error")


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

    def close(self) -> None:
        """Close everything now."""
        for acceptor in self._acceptors:
            acceptor.close()
        self._acceptors.clear()  # or the first connection to close would make room, and they would resume
        for connection in tuple(self.connections):
            connection.close("drain")
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()

    def forget(self, connection: TcpConnection, summary: str) -> None:
        """Called by a connection that has closed."""
        self.connections.discard(connection)
        self._sources[connection.source] -= 1
        if not self._sources[connection.source]:
            del self._sources[connection.source]
        self.counters.closed += 1
        self.counters.bytes_in += connection.bytes_in
        self.counters.bytes_out += connection.bytes_out
        self._log.closed(connection.name, summary)
        if self._full:
            self._check_room()
        self._finish_drain()

    def _on_accepted(self, sock: socket.socket, address: str, port: int) -> None:
        source = source_of(address)
        if not self._admits(sock, address, source):
            self.counters.refused += 1
            sock.close()
            return
        sock.setblocking(False)
        name = display_name(address, port)
        self._sources[source] = self._sources.get(source, 0) + 1
        self.connections.add(TcpConnection(self, sock, name, source))
        self.counters.accepted += 1
        self._log.accepted(name, sock.fileno())
        if self._sweep_timer is None and self._limits.idle_timeout:
            self._sweep_timer = self.loop.call_at(self.loop.now + self._limits.idle_timeout, self._sweep)
        self._check_room()

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
