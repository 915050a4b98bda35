"""The loop's side of a connection that a worker drives, be it a thread or a process."""

import fcntl
import socket
import sys
import termios
from contextlib import suppress

from netechod.reactor.connection import Arrival, Connection, Server
from netechod.reactor.drive import Ledger, Outcome


class WorkerConnection(Connection):
    """A connection whose bytes a worker moves. The loop reads its ledger, and holds the socket to the end.

    Holding it, the loop can end the connection whatever the worker is blocked in; and it alone closes it, so
    that the number can not be a stranger's connection by the time that somebody closes it a second time.
    """

    __slots__ = ("_ledger", "_outcome", "_reason")

    def __init__(self, server: Server, arrival: Arrival, ledger: Ledger) -> None:
        super().__init__(server, arrival)
        arrival.sock.setblocking(True)
        self._ledger = ledger
        self._outcome: Outcome = "error"  # what a worker that can say nothing has come to
        self._reason = ""  # why the loop has ended it, if it has

    @property
    def bytes_in(self) -> int:
        """See Connection."""
        return self._ledger.bytes_in

    @property
    def bytes_out(self) -> int:
        """See Connection."""
        return self._ledger.bytes_out

    @property
    def heard(self) -> float:
        """See Connection."""
        return self._ledger.heard

    @property
    def owes(self) -> bool:
        """See Connection."""
        return self._ledger.owes

    def retire(self, reason: str) -> None:
        """See Connection. The worker finds the end of the stream, or a broken pipe when it owes something.

        Where something has arrived it is only the worker's turn that has not: who has many must wait for it.
        """
        if self.owes:
            self._end(reason, socket.SHUT_RDWR)
        elif not self._unread():
            self._end(reason, socket.SHUT_RD)

    def abandon(self) -> None:
        """See Connection."""
        self._end("drain", socket.SHUT_RDWR)

    def _unread(self) -> int:
        """Bytes that the worker has yet to read. A look by recv(2) would take a reset away from it."""
        return int.from_bytes(fcntl.ioctl(self._sock, termios.FIONREAD, bytes(4)), sys.byteorder)

    def _end(self, reason: str, how: int) -> None:
        self._reason = reason
        with suppress(OSError):  # the peer has reset it: the worker knows already
            self._sock.shutdown(how)

    def _ended(self) -> None:
        """The worker has gone. Called twice when the daemon stops before the loop could hear of it."""
        if self in self._server.connections:
            self._gone(self._reason or self._outcome)
