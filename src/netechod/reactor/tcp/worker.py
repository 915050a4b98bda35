"""The loop's side of a connection that a worker drives. The worker is a thread or a process."""

import fcntl
import socket
import sys
import termios
from contextlib import suppress

from netechod.reactor.tcp.api import Connection, PendingConnection, Server
from netechod.reactor.tcp.blocking import Outcome, TransferCounters


class WorkerConnection(Connection):
    """A connection whose bytes a worker moves. The loop reads its counters and keeps the socket open.

    Through the socket, the loop can end the connection while a call blocks the worker. Only the loop closes
    it: after a second close, another connection with the same descriptor number would be closed.
    """

    __slots__ = ("_counters", "_outcome", "_reason")

    def __init__(self, server: Server, pending: PendingConnection, counters: TransferCounters) -> None:
        super().__init__(server, pending)
        pending.sock.setblocking(True)
        self._counters = counters
        self._outcome: Outcome = "error"  # until the worker reports another one
        self._reason = ""  # why the loop has ended it, if it has

    @property
    def bytes_in(self) -> int:
        """See Connection."""
        return self._counters.bytes_in

    @property
    def bytes_out(self) -> int:
        """See Connection."""
        return self._counters.bytes_out

    @property
    def last_active(self) -> float:
        """See Connection."""
        return self._counters.last_active

    @property
    def has_unsent(self) -> bool:
        """See Connection."""
        return self._counters.has_unsent

    def start(self) -> None:
        """See Connection. The worker has begun already."""

    def retire(self, reason: str) -> None:
        """See Connection. The worker sees the end of the stream, or a broken pipe if it is sending.
        If there is unread input, the connection is not silent: its worker has not been scheduled yet.
        """
        if self.has_unsent:
            self._end(reason, socket.SHUT_RDWR)
        elif not self._unread():
            self._end(reason, socket.SHUT_RD)

    def abandon(self) -> None:
        """See Connection."""
        self._end("drain", socket.SHUT_RDWR)

    def _unread(self) -> int:
        """Return the number of bytes that the worker has not read. A recv(2) here could consume a reset."""
        return int.from_bytes(fcntl.ioctl(self._sock, termios.FIONREAD, bytes(4)), sys.byteorder)

    def _end(self, reason: str, how: int) -> None:
        self._reason = reason
        with suppress(OSError):  # the peer has reset it, and the worker has seen that
            self._sock.shutdown(how)

    def _ended(self) -> None:
        """Close: the worker has ended. This is called twice if the daemon stops at the same time."""
        if self in self._server.connections:
            self._finish(self._reason or self._outcome)
