"""A connection driven by calls that block: the twin of TcpConnection for a thread or process of its own.

Nothing here knows a loop. What the loop wants to know of the worker stands in the ledger; what it wants of it
it does to the socket, by shutdown(2): a blocked `recv` then sees the end of the stream, a blocked `send` a
broken pipe.
"""

import select
import socket
from collections.abc import Callable
from contextlib import suppress
from mmap import mmap
from typing import Literal, TypeAlias

from netechod.reactor.connection import HIGH_WATER
from netechod.services.api import Chunk, StreamSession

Outcome: TypeAlias = Literal["eof", "reset", "error"]


class Ledger:
    """What a worker has moved, and when: written by the worker alone, read by the loop at any time.

    Numbers of eight bytes, side by side, which no processor writes by halves: the memory may be shared with
    another process, and survives it.
    """

    SIZE = 4 * 8

    def __init__(self, clock: Callable[[], float], memory: mmap | bytearray) -> None:
        self._clock = clock
        self._cells = memoryview(memory).cast("d")
        self._cells[2] = clock()

    @property
    def bytes_in(self) -> int:
        """Bytes that the session was given."""
        return int(self._cells[0])

    @property
    def bytes_out(self) -> int:
        """Bytes that the kernel has taken for the peer."""
        return int(self._cells[1])

    @property
    def heard(self) -> float:
        """When a byte has moved last, either way."""
        return self._cells[2]

    @property
    def owes(self) -> bool:
        """Whether the worker waits for the peer to take something."""
        return self._cells[3] > 0

    def received(self, size: int) -> None:
        """So many bytes came."""
        self._cells[0] += size
        self._cells[2] = self._clock()

    def sent(self, size: int, rest: int) -> None:
        """So many bytes went, and so many are left of what was to go."""
        if size:
            self._cells[1] += size
            self._cells[2] = self._clock()
        self._cells[3] = rest


def drive(sock: socket.socket, session: StreamSession, ledger: Ledger, owed: bytes = b"") -> Outcome:
    """Serve a connection to its end: that of its stream, when everything owed is delivered, or a failure.

    What bounds the memory is the order: nothing is read while something has yet to be sent.
    """
    buffer = memoryview(bytearray(HIGH_WATER))
    try:
        _deliver(sock, owed, ledger)
        while size := sock.recv_into(buffer):
            ledger.received(size)
            _deliver(sock, session.data_received(buffer[:size]), ledger)
        _deliver(sock, session.eof_received(), ledger)
    except ConnectionError:
        return "reset"
    except OSError:
        return "error"
    with suppress(OSError):  # reset in this moment
        sock.shutdown(socket.SHUT_WR)  # the socket has another holder, so that closing it would tell nobody
    return "eof"


def _deliver(sock: socket.socket, data: Chunk, ledger: Ledger) -> None:
    """Send all of it. One `sendall` would do that too, and tell nobody until the end how far it is."""
    rest = memoryview(data)
    while rest:
        try:
            sent = sock.send(rest, socket.MSG_DONTWAIT)
        except BlockingIOError:
            sent = 0
        rest = rest[sent:]
        ledger.sent(sent, len(rest))
        if rest:
            _wait_until_writable(sock)


def _wait_until_writable(sock: socket.socket) -> None:
    """By poll(2), which takes any descriptor; select(2) refuses those that a thousand connections have."""
    poll = select.poll()
    poll.register(sock, select.POLLOUT)
    poll.poll()
