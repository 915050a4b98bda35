"""The loop's side of a connection that a worker drives, be it a thread or a process."""

import fcntl
import socket
import sys
import termios
from contextlib import suppress

from netechod.reactor.tcp.api import Connection, PendingConnection, Server
from netechod.reactor.tcp.blocking import Outcome, TransferCounters


class WorkerConnection(Connection):
    """A connection whose bytes a worker moves. The loop reads the ledger and keeps the socket open.

    With the socket, the loop can end the connection whatever call blocks the worker. Only the loop closes it:
    a second close could hit another connection that has got the same number by then.
    """

    __slots__ = ("_counters", "_outcome", "_reason")

    def __init__(self, server: Server, pending: PendingConnection, counters: TransferCounters) -> None:
        super().__init__(server, pending)
        pending.sock.setblocking(True)
        self._counters = counters
        self._outcome: Outcome = "error"  # until the worker tells another one
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
        """See Connection: the worker has begun already."""

    def retire(self, reason: str) -> None:
        """See Connection. The worker finds the end of the stream, or a broken pipe when it owes something.

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
        """Bytes that the worker has yet to read. To try recv(2) would take a reset away from the worker."""
        return int.from_bytes(fcntl.ioctl(self._sock, termios.FIONREAD, bytes(4)), sys.byteorder)

    def _end(self, reason: str, how: int) -> None:
        self._reason = reason
        with suppress(OSError):  # the peer has reset it: the worker knows already
            self._sock.shutdown(how)

    def _ended(self) -> None:
        """Close, as the worker has gone. Called twice when the daemon stops before the loop hears of that."""
        if self in self._server.connections:
            self._finish(self._reason or self._outcome)
