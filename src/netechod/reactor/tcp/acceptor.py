"""The acceptor: takes connections from a listening socket and hands them on."""

import errno
import logging
import os
import socket
from collections.abc import Callable
from typing import Any, TypeAlias

from netechod.reactor.counters import TcpCounters
from netechod.reactor.loop import Loop, Timer
from netechod.services.admission.log_throttle import LogThrottle

ACCEPTS_PER_TURN = 64  # connections taken from one listener per turn; the rest wait one turn
BACKLOG = 4096  # connections that can wait to be taken when we stop (listen(2), somaxconn)
PAUSE = 0.2  # seconds without accepting when nobody can be taken: no descriptor, no memory

Accepted: TypeAlias = Callable[[socket.socket, Any], object]
"""Takes a connection and the address of its peer. If it raises OSError or MemoryError, that one is closed."""

# What the process or the system is short of; ENOSPC: connections that can be watched (epoll_ctl(2)).
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ENOSPC}

log = logging.getLogger(__name__)


class Acceptor:
    """Takes connections from a listening socket, a bounded number per turn, and hands them on.

    Their urgent data stays in the stream (RFC 9293, 3.8.5): connections inherit that from the listener.
    """

    def __init__(self, loop: Loop, sock: socket.socket, counters: TcpCounters, accepted: Accepted) -> None:
        self._loop = loop
        self._sock = sock
        self._counters = counters
        self._accepted = accepted
        self._shortage: Timer | None = None  # set while we wait for the system to recover
        self._throttle = LogThrottle()
        self._open = False
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        self.resume()

    def resume(self) -> None:
        """Accept, unless the system is still short."""
        self._open = True
        if self._shortage is not None:
            return
        try:
            self._loop.watch(self._sock.fileno(), self._on_readable)
        except OSError as error:
            self._wait_for_the_system(error)

    def pause(self) -> None:
        """Leave newcomers in the backlog. Does nothing once it is closed."""
        if self._open:
            self._open = False
            self._loop.unwatch(self._sock.fileno())

    def drain(self) -> None:
        """Take the connections that wait already, then close."""
        if self._shortage is None:
            self._take(BACKLOG)
        self.close()

    def close(self) -> None:
        """Refuse newcomers from now on."""
        self.pause()
        if self._shortage is not None:
            self._shortage.cancel()
        self._sock.close()

    def _on_readable(self) -> None:
        self._take(ACCEPTS_PER_TURN)

    def _take(self, limit: int) -> None:
        """Hand on up to `limit` connections."""
        failures = 0
        for _ in range(limit):
            if not self._open:
                break
            try:
                self._take_one()
            except BlockingIOError:
                break
            except OSError as error:
                # Most often this client has gone already (accept(2), "Error handling"), and others have not.
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
        """Stop watching for a while: the listener stays readable, and the loop would spin."""
        self._loop.unwatch(self._sock.fileno())
        self._shortage = self._loop.call_at(self._loop.now + PAUSE, self._on_shortage_over)
        if self._throttle.admits(self._loop.now):
            log.error("accept failed, new connections wait: %s", error.strerror)

    def _on_shortage_over(self) -> None:
        self._shortage = None
        if self._open:
            self.resume()
