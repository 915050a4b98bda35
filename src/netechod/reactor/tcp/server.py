"""A TCP server. It owns the connections of a service from their beginning to their end."""

import errno
import os
import socket
from collections.abc import Callable, Sequence

from netechod.reactor.counters import TcpCounters
from netechod.reactor.event_log import ConnectionLog
from netechod.reactor.loop import Loop, Timer
from netechod.reactor.tcp.accept_queue import AcceptQueue, TcpLimits
from netechod.reactor.tcp.api import Connection, Keep, PendingConnection, StreamService
from netechod.reactor.tcp.connection import TcpConnection
from netechod.reactor.tcp.idle import IdleWatch
from netechod.reactor.tcp.models import Model, OnTheLoop
from netechod.reactor.tcp.proxied import ProxyHeaders
from netechod.reactor.tcp.talking import connection_of
from netechod.reactor.tcp.turns import Turns

DRAIN_QUIET = 0.5  # seconds of silence after which a connection counts as served while the server drains
EVICTION_INTERVAL = 1.0  # seconds, at most, until connections are evicted again after a try without success
MIN_EVICTION_INTERVAL = 0.01  # seconds, at least, until then


class TcpServer:
    """The connections of one service, over all its listeners, TCP or AF_UNIX."""

    def __init__(
        self,
        loop: Loop,
        service: StreamService,
        listeners: Sequence[socket.socket],
        limits: TcpLimits | None = None,
        model: Model | None = None,
    ) -> None:
        self.loop = loop
        self.service = service
        self.buffer = memoryview(bytearray(service.read_size))
        self.turns = Turns(loop)
        self.connections: set[Connection] = set()
        self.counters = TcpCounters()
        self.keep: Keep | None = None
        self._model = model or Model(OnTheLoop())
        self._log = None if service.quiet else ConnectionLog(loop, service.name)
        self._idle = IdleWatch(loop, self.connections)
        self._eviction: Timer | None = None
        self._serves_soon = False
        self._drained: Callable[[], object] | None = None
        self._queue = AcceptQueue(loop, service, self.counters, self._model, self._serve_waiting)
        self._headers = ProxyHeaders(loop, self.counters, self._on_header, self._finish_drain)
        loop.on_no_memory.append(self._shed)
        self.configure(limits or TcpLimits())
        self.listen(listeners)

    def listen(self, listeners: Sequence[socket.socket]) -> None:
        """Accept connections on these sockets, too."""
        self._queue.open(listeners, self._on_accepted)

    @property
    def count(self) -> int:
        """The number of connections, including those that wait to be served."""
        return len(self.connections) + len(self._queue.waiting) + len(self._headers)

    @property
    def hands_over(self) -> bool:
        """Return whether connections can be handed over. If not, `hand_over` drains them."""
        return self._model.hands_over

    def configure(self, limits: TcpLimits) -> None:
        """Change the limits. Open connections stay open even if they are more than a new limit."""
        self._queue.configure(limits)
        self._balance()
        self._idle.configure(limits.idle_timeout)

    def leave_port(self) -> None:
        """Leave connections that have yet to begin to the other listeners on this port."""
        self._queue.leave_port()

    def drain(self, drained: Callable[[], object]) -> None:
        """Accept no more connections, serve each until it falls silent, then call `drained`."""
        self._stop_accepting(drained)
        self._idle.configure(DRAIN_QUIET)
        self._finish_drain()

    def hand_over(self, keep: Keep, drained: Callable[[], object]) -> None:
        """Give every connection to `keep` as soon as it has nothing unsent, then call `drained`.

        Connections whose sessions have a state are drained instead: the state would be lost.
        """
        if not self.hands_over:
            self.drain(drained)
            return
        self._stop_accepting(drained)
        self._invite_the_waiting()
        self.keep = keep
        for connection in [each for each in self.connections if isinstance(each, TcpConnection)]:
            connection.update_interest()
        self._idle.configure(DRAIN_QUIET)
        self._finish_drain()

    def adopt(self, sock: socket.socket, unsent: bytes) -> None:
        """Serve a connection that another process has accepted, and send what that process left unsent."""
        try:
            address, port = sock.getpeername()[:2]
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)  # as Acceptor has it
        except OSError:
            sock.close()  # it ended between the two processes
            return
        self._queue.put(PendingConnection(sock, address, port, self.loop.now, unsent))
        self._serve_newcomer()

    def close(self) -> None:
        """Close everything now. During a handover, hand over all connections with their unsent bytes."""
        if self._shed in self.loop.on_no_memory:
            self.loop.on_no_memory.remove(self._shed)
        self._headers.close()
        self._invite_the_waiting()
        for connection in tuple(self.connections):
            connection.abandon()
        for connection in tuple(self.connections):
            connection.wait()
        self._model.driver.close()
        self._idle.close()
        if self._eviction is not None:
            self._eviction.cancel()

    def forget(self, connection: Connection, reason: str) -> None:
        """See Server."""
        self.connections.discard(connection)
        self.counters.closed += 1
        self.counters.bytes_in += connection.bytes_in
        self.counters.bytes_out += connection.bytes_out
        log = self._log_about(connection.address) if reason else None
        if log is not None:
            log.closed(connection, reason)
        self._queue.leave(connection.address)
        if self._queue.waiting:
            self._serve_soon()
        else:
            self._balance()
        if self._drained is not None:
            self._finish_drain()

    def _on_accepted(self, sock: socket.socket, peer: object) -> None:
        if isinstance(peer, tuple) and self._queue.limits.is_proxy(peer[0]):
            self._headers.expect(sock, peer[:2])
        else:
            self._begin(self._queue.admit(sock, peer))

    def _on_header(self, sock: socket.socket, client: tuple[str, int]) -> None:
        """Serve a connection that was accepted before its header came, even if the limit is reached now."""
        self._begin(self._queue.admit(sock, client, even_if_full=True))

    def _begin(self, pending: PendingConnection | None) -> None:
        """Log a connection that was admitted, and serve it."""
        if pending is None:
            return
        log = self._log_about(pending.address)
        if log is not None:
            log.accepted(pending, pending.sock.fileno())
        self._serve_newcomer()

    def _log_about(self, address: str) -> ConnectionLog | None:
        """Return the log for lines about connections from `address`; None if there are no such lines."""
        return None if self._log is None or self._queue.limits.is_quiet(address) else self._log

    def _serve_newcomer(self) -> None:
        """Serve a connection that was just queued. If that starts a worker, do it at the end of the turn."""
        if self._model.starts_per_turn is None:
            self._serve_waiting()
        else:
            self._serve_soon()
            self._balance()

    def _serve_soon(self) -> None:
        """Have `_serve_waiting` called, once, at the end of this turn."""
        if not self._serves_soon:
            self._serves_soon = True
            self.loop.call_soon(self._serve_waiting)

    def _serve_waiting(self) -> None:
        """Serve a bounded number of the connections in the queue."""
        self._serves_soon = False
        for pending in self._queue.ready(len(self.connections)):
            try:
                self._serve(pending)
            except OSError as error:
                self._queue.put_back(pending, str(error.strerror))
            except MemoryError:
                self._queue.put_back(pending, os.strerror(errno.ENOMEM))
        if self._queue.waiting and self._queue.has_ready(len(self.connections)):
            self._serve_soon()
        self._balance()

    def _serve(self, pending: PendingConnection) -> None:
        """Begin to serve a connection. Raises OSError or MemoryError for lack of resources."""
        connection = self._model.driver.serve(self, pending)
        self.connections.add(connection)
        try:
            connection.start()
        except (OSError, MemoryError):
            self.connections.discard(connection)
            raise
        self._idle.added()
        if self._idle.draining and pending.since <= self.loop.now - DRAIN_QUIET:
            connection.retire("drain")  # it has waited in the queue, and more wait behind it

    def _balance(self) -> None:
        """Evict silent connections near the limit, and stop or resume accepting."""
        queue, served = self._queue, len(self.connections)
        limit = queue.limits.connections
        free = limit - served - len(queue.waiting)
        if self._eviction is None and (free <= 0 or queue.full):
            wanted = max(1, limit // 16)
            if free < wanted:
                self._evict(wanted - free)
                served = len(self.connections)
        queue.balance(served)

    def _evict(self, count: int) -> None:
        """Close up to `count` silent connections. While new ones wait, do it again later."""
        now, before = self.loop.now, self.count
        silence = self._queue.limits.idle_at_limit
        pause = min(max(silence, MIN_EVICTION_INTERVAL), EVICTION_INTERVAL)
        self._eviction = self.loop.call_at(now + pause, self._evict_again)
        self._idle.evict(silence, count)
        if self.count < before:
            self._eviction.cancel()
            self._eviction = self.loop.call_at(now, self._evict_again) if self._queue.full else None

    def _evict_again(self) -> None:
        self._eviction = None
        self._balance()

    def _shed(self) -> None:
        """Free memory: close one connection whose peer does not read what we send."""
        for connection in self.connections:
            if isinstance(connection, TcpConnection) and connection.has_unsent:
                connection.fail(MemoryError())
                return

    def _stop_accepting(self, drained: Callable[[], object]) -> None:
        """Accept only the connections that are in the backlog. Call `drained` when all have closed."""
        self._idle.draining = True
        self._queue.stop_accepting(len(self.connections))
        self._drained = drained

    def _invite_the_waiting(self) -> None:
        """Close the listeners. Make connections of those in the queue: they end with the others."""
        for pending in self._queue.close():
            self.connections.add(connection_of(self, pending))

    def _finish_drain(self) -> None:
        """Call `drained`, once, if the last connection has closed."""
        if self._drained is not None and not self.count:
            self.loop.call_soon(self._drained)
            self._drained = None
