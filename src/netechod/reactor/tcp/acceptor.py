"""Accept connections on a listening socket."""

import errno
import logging
import os
import socket
from collections.abc import Callable
from typing import Any, TypeAlias

from netechod.reactor.counters import TcpCounters
from netechod.reactor.loop import Loop, Timer
from netechod.reactor.port_sharing import leave_listeners
from netechod.services.admission.log_throttle import LogThrottle

ACCEPTS_PER_TURN = 64  # connections taken from one listener per turn; the rest wait one turn
BACKLOG = 4096  # connections that can wait in the backlog when we stop (listen(2), somaxconn)
PAUSE = 0.2  # seconds without accepting after a lack of descriptors or memory

Accepted: TypeAlias = Callable[[socket.socket, Any], object]
"""Takes a connection and its peer's address. If it raises OSError or MemoryError, the socket is closed."""

# A lack of descriptors, memory, or watches (ENOSPC, epoll_ctl(2)).
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ENOSPC}

log = logging.getLogger(__name__)


class Acceptor:
    """Accepts connections, a bounded number per turn, and hands them to `accepted`.

    Urgent data stays in the stream (RFC 9293, 3.8.5). Connections inherit that option from the listener.
    """

    def __init__(self, loop: Loop, sock: socket.socket, counters: TcpCounters, accepted: Accepted) -> None:
        self._loop = loop
        self._sock = sock
        self._counters = counters
        self._accepted = accepted
        self._shortage: Timer | None = None  # set during a PAUSE
        self._throttle = LogThrottle()
        self._open = False
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        self.resume()

    def resume(self) -> None:
        """Accept connections. During a PAUSE, begin after it."""
        self._open = True
        if self._shortage is not None:
            return
        try:
            self._loop.watch(self._sock.fileno(), self._on_readable)
        except OSError as error:
            self._wait_for_the_system(error)

    def pause(self) -> None:
        """Leave new connections in the backlog. After `close` this does nothing."""
        if self._open:
            self._open = False
            self._loop.unwatch(self._sock.fileno())

    def leave_port(self) -> None:
        """See TcpServer."""
        leave_listeners(self._sock)

    def drain(self) -> None:
        """Accept the connections that wait in the backlog, then close."""
        if self._shortage is None:
            self._take(BACKLOG)
        self.close()

    def close(self) -> None:
        """Close the listening socket. The kernel refuses connections from now on."""
        self.pause()
        if self._shortage is not None:
            self._shortage.cancel()
        self._sock.close()

    def _on_readable(self) -> None:
        self._take(ACCEPTS_PER_TURN)

    def _take(self, limit: int) -> None:
        """Accept up to `limit` connections."""
        failures = 0
        for _ in range(limit):
            if not self._open:
                break
            try:
                self._take_one()
            except BlockingIOError:
                break
            except OSError as error:
                # Most often only this client has gone already (accept(2), "Error handling").
                self._counters.accept_errors += 1
                failures += 1
                if error.errno in _EXHAUSTED or failures == limit:
                    self._wait_for_the_system(error)
                    break

    def _take_one(self) -> None:
        try:
            sock, address = self._sock.accept()
            try:
                self._accepted(sock, address)
            except (OSError, MemoryError):
                sock.close()
                raise
        except MemoryError as error:
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)) from error

    def _wait_for_the_system(self, error: OSError) -> None:
        """Do not watch the listener for a while: it stays readable, and the loop would spin."""
        self._loop.unwatch(self._sock.fileno())
        self._shortage = self._loop.call_at(self._loop.now + PAUSE, self._on_shortage_over)
        if self._throttle.admits(self._loop.now):
            log.error("accept failed, new connections wait: %s", error.strerror)

    def _on_shortage_over(self) -> None:
        self._shortage = None
        if self._open:
            self.resume()
