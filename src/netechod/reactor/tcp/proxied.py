"""Connections from load balancers: each begins with a header that names the client (the PROXY protocol)."""

import socket
from collections.abc import Callable
from contextlib import suppress

from netechod.reactor.counters import TcpCounters
from netechod.reactor.loop import Loop, Timer
from netechod.reactor.tcp.accept_queue import LAST_LOOK
from netechod.reactor.tcp.connection import AT_ONCE
from netechod.services.proxy_protocol import MAX_BLOCK, MalformedError, parse

PATIENCE = 5.0  # seconds that a load balancer has for its header
MAX_PENDING = 1024  # connections whose header has not come yet; more are closed

Accepted = Callable[[socket.socket, tuple[str, int]], object]
"""Takes a connection and its client's address. If it raises OSError or MemoryError, the socket is closed."""


class ProxyHeaders:
    """Reads the headers of accepted connections, and passes each connection on under its client's address.

    What stands behind a header stays in the kernel. A connection without a right header in time is closed.
    """

    def __init__(
        self, loop: Loop, counters: TcpCounters, accepted: Accepted, gone: Callable[[], object]
    ) -> None:
        """`gone` is called when a connection is not pending any more."""
        self._loop = loop
        self._counters = counters
        self._accepted = accepted
        self._gone = gone
        self._pending: set[_Pending] = set()

    def __len__(self) -> int:
        return len(self._pending)

    def expect(self, sock: socket.socket, peer: tuple[str, int]) -> None:
        """Wait for the header of a connection from `peer`. Raises OSError if the loop cannot watch it."""
        pending = _Pending(self, sock, peer)
        limit = self._loop.descriptor_limit
        if len(self) >= MAX_PENDING or (limit is not None and sock.fileno() >= limit):
            pending.refuse()
            return
        self._loop.watch(sock.fileno(), pending.on_readable)
        pending.timer = self._loop.call_at(self._loop.now + PATIENCE, pending.refuse)
        self._pending.add(pending)

    def close(self) -> None:
        """Close all connections without a header."""
        for pending in tuple(self._pending):
            self._forget(pending)
            pending.sock.close()

    def refused(self, pending: "_Pending", *, is_wrong: bool) -> None:
        """Close a connection. Count it if its header is wrong, or did not come in time."""
        self._counters.proxy_refused += is_wrong
        self._forget(pending)
        pending.sock.close()
        self._gone()

    def passed(self, pending: "_Pending", client: tuple[str, int]) -> None:
        """Pass a connection on."""
        self._forget(pending)
        try:
            self._accepted(pending.sock, client)
        except (OSError, MemoryError):
            pending.sock.close()
        self._gone()

    def _forget(self, pending: "_Pending") -> None:
        self._pending.discard(pending)
        if pending.timer is not None:
            pending.timer.cancel()
        self._loop.unwatch(pending.sock.fileno())


class _Pending:
    """A connection whose header has not come yet."""

    __slots__ = ("_headers", "_heard", "_peer", "sock", "timer")

    def __init__(self, headers: ProxyHeaders, sock: socket.socket, peer: tuple[str, int]) -> None:
        self.sock = sock
        self.timer: Timer | None = None
        self._headers = headers
        self._peer = peer
        self._heard = b""

    def on_readable(self) -> None:
        """Take what belongs to the header, and nothing behind it."""
        try:
            seen = self.sock.recv(MAX_BLOCK, socket.MSG_PEEK | AT_ONCE)
            header = parse(self._heard + seen)
            self.sock.recv(len(seen) if header is None else header.size - len(self._heard), AT_ONCE)
        except BlockingIOError:
            return
        except (MalformedError, OSError, MemoryError):
            self.refuse()
            return
        if header is not None:
            self._headers.passed(self, header.client or self._peer)
        elif seen:
            self._heard += seen
        else:  # a health check connects and leaves, and has no header
            self._headers.refused(self, is_wrong=bool(self._heard))

    def refuse(self) -> None:
        """Close the connection: its header is wrong or late, or there are too many like it."""
        with suppress(OSError):  # the peer has gone already
            self.sock.shutdown(socket.SHUT_WR)
            self.sock.recv(LAST_LOOK, AT_ONCE)  # with unread input the close would be a reset
        self._headers.refused(self, is_wrong=True)
