"""The queue of accepted connections that wait to be served, and the limits on accepting them."""

import logging
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from netechod.reactor.counters import TcpCounters
from netechod.reactor.loop import Callback, Loop, Timer
from netechod.reactor.tcp.acceptor import PAUSE, Accepted, Acceptor
from netechod.reactor.tcp.api import PendingConnection, StreamService
from netechod.reactor.tcp.connection import AT_ONCE
from netechod.reactor.tcp.models import Model
from netechod.services.admission.log_throttle import LogThrottle
from netechod.services.admission.source_counter import SourceCounter

LAST_LOOK = 64 * 1024  # bytes that are read from a refused client, so that the close is no reset

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TcpLimits:
    """The limits on the connections of a server."""

    connections: int = 10000
    connections_per_source: int = 256
    idle_timeout: float = 0.0  # seconds without a byte either way; 0 for never
    idle_at_limit: float = 300.0  # the same at the limit of connections: the longest silent are closed first
    admits: Callable[[str], bool] = lambda address: True  # returns whether an address may connect at all
    # Whether an address's connections begin with a PROXY header, and whether no line of the log is about it.
    is_proxy: Callable[[str], bool] = lambda address: False
    is_quiet: Callable[[str], bool] = lambda address: False


class AcceptQueue:
    """Accepts connections within the limits, and keeps them until they can be served.

    Connections beyond the limits wait in the backlog. After a lack of descriptors or memory, `on_recovered`
    is called when it is time for another try.
    """

    def __init__(
        self, loop: Loop, service: StreamService, counters: TcpCounters, model: Model, on_recovered: Callback
    ) -> None:
        self._loop = loop
        self._service = service
        self._counters = counters
        self._model = model
        self._on_recovered = on_recovered
        self.waiting: deque[PendingConnection] = deque()  # accepted, and not served yet
        self._sources = SourceCounter()
        self.full = False  # the limit is reached, and new connections wait or are refused
        self._shortage: Timer | None = None  # set during a pause after a lack of descriptors or memory
        self._throttle = LogThrottle()
        self._last_call = False
        self._acceptors: list[Acceptor] = []
        self.configure(TcpLimits())

    def configure(self, limits: TcpLimits) -> None:
        """Change the limits. Call `balance` afterwards."""
        self.limits = limits
        self._set_max_accepted()

    def open(self, listeners: Sequence[socket.socket], accepted: Accepted) -> None:
        """Begin to accept on `listeners`, too. `accepted` is called for each connection."""
        for sock in listeners:
            acceptor = Acceptor(self._loop, sock, self._counters, accepted)
            if self.full and self._waits:
                acceptor.pause()
            self._acceptors.append(acceptor)

    def admit(
        self, sock: socket.socket, peer: object, *, even_if_full: bool = False
    ) -> PendingConnection | None:
        """Put an accepted connection into the queue. Return None if it was refused and closed instead."""
        address, port = peer[:2] if isinstance(peer, tuple) else ("", 0)  # AF_UNIX has no address
        if not self.limits.admits(address):
            self._refuse(sock, self._service.denied)
            return None
        if (self.full and not even_if_full) or not self._has_place(sock, address):
            self._refuse(sock, self._service.busy)
            return None
        pending = PendingConnection(sock, address, port, self._loop.now)
        self.put(pending)
        return pending

    def put(self, pending: PendingConnection) -> None:
        """Put a connection into the queue, and count it."""
        self._counters.accepted += 1
        if pending.address:
            self._sources.add(pending.address)
        self.waiting.append(pending)

    def ready(self, served: int) -> Iterator[PendingConnection]:
        """Take out the connections that can be served now, while `served` are being served already."""
        for _ in range(self._ready_count(served)):
            if self._shortage is not None:
                return
            yield self.waiting.popleft()

    def has_ready(self, served: int) -> bool:
        """Return whether `ready` would return any connection."""
        return self._shortage is None and self._ready_count(served) > 0

    def put_back(self, pending: PendingConnection, reason: str) -> None:
        """Put a connection back that could not be served for lack of resources, and pause."""
        self.waiting.appendleft(pending)
        self._shortage = self._loop.call_at(self._loop.now + PAUSE, self._on_shortage_over)
        if self._throttle.admits(self._loop.now):
            log.error("a connection cannot be served, new ones wait: %s", reason)

    def leave(self, address: str) -> None:
        """Note that a connection from `address` has closed."""
        if address:
            self._sources.remove(address)

    def leave_port(self) -> None:
        """See TcpServer."""
        for acceptor in self._acceptors:
            acceptor.leave_port()

    def stop_accepting(self, served: int) -> None:
        """Accept the connections that wait in the backlog, within the limits. Then close the listeners."""
        self._last_call = True
        self._set_max_accepted()
        self.balance(served)
        for acceptor in self._acceptors:
            acceptor.drain()
        self._acceptors.clear()

    def close(self) -> Sequence[PendingConnection]:
        """Close the listeners. Return the connections that still wait in the queue."""
        for acceptor in self._acceptors:
            acceptor.close()
        self._acceptors.clear()  # a connection that closes later must not resume them
        if self._shortage is not None:
            self._shortage.cancel()
        waiting, self.waiting = tuple(self.waiting), deque()
        return waiting

    def balance(self, served: int) -> None:
        """Stop accepting at the limit. Resume when a sixteenth of the limit is free again."""
        limit, count = self._max_accepted, served + len(self.waiting)
        short = self._shortage is not None
        if not self.full and not short and count < limit:
            return  # nearly always
        if not self.full:
            self.full = True
            waits = self._waits
            for acceptor in self._acceptors if waits else ():
                acceptor.pause()
            is_meant_to_be = self._model.max_accepted == 1  # iterative
            if not short and not is_meant_to_be and self._throttle.admits(self._loop.now):
                fields = {"event": "full", "service": self._service.name}
                fate = "wait" if waits else "are refused"
                log.warning("connections at the limit of %d, new ones %s", limit, fate, extra=fields)
        elif not short and count <= limit - max(1, limit // 16):
            self.full = False
            for acceptor in self._acceptors:
                acceptor.resume()

    @property
    def _waits(self) -> bool:
        """Whether new connections wait in the backlog when there is no room for them."""
        return self._shortage is not None or not self._service.busy

    def _set_max_accepted(self) -> None:
        """Set the number of connections that may be open. The model has no say in the last call."""
        by_model = None if self._last_call else self._model.max_accepted
        limit = self.limits.connections
        self._max_accepted = limit if by_model is None else min(limit, by_model)

    def _has_place(self, sock: socket.socket, address: str) -> bool:
        """Return whether the source and the site of `address` may have one more connection.

        The selector must also be able to watch it.
        """
        fd_limit, limits = self._loop.descriptor_limit, self.limits
        if fd_limit is not None and sock.fileno() >= fd_limit:
            return False
        return not address or self._sources.has_place(
            address, per_source=limits.connections_per_source, places=limits.connections
        )

    def _refuse(self, sock: socket.socket, text: bytes) -> None:
        """Close a connection. Send `text` before, if there is any."""
        self._counters.refused += 1
        with suppress(OSError):  # the client has gone already
            if text:
                sock.send(text, AT_ONCE)
                sock.shutdown(socket.SHUT_WR)
                sock.recv(LAST_LOOK, AT_ONCE)  # with unread input the close would be a reset
        sock.close()

    def _ready_count(self, served: int) -> int:
        """Return how many connections of the queue can be served in this turn."""
        model, count = self._model, len(self.waiting)
        if model.max_active is not None:
            count = min(count, model.max_active - served)
        return count if model.starts_per_turn is None else min(count, model.starts_per_turn)

    def _on_shortage_over(self) -> None:
        self._shortage = None
        self._on_recovered()
