"""A connection driven by calls that block: the twin of the connections on the loop, for a thread or process.

Nothing here knows a loop. The worker writes down what it does in the ledger, and the loop reads that. To end
the connection, the loop calls shutdown(2) on the socket: a blocked `recv` then sees the end of the stream, a
blocked `send` a broken pipe. A session can be pulled here, but not woken: it must need no `wake`.
"""

import select
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from mmap import mmap
from typing import Literal, TypeAlias

from netechod.reactor.tcp.connection import HIGH_WATER
from netechod.reactor.tcp.talking import LINGER
from netechod.services.api import Chunk, StreamSession

Outcome: TypeAlias = Literal["eof", "reset", "error", "ended"]


class TransferCounters:
    """What a worker has moved, and when: the worker alone writes it, the loop reads it at any time.

    The memory may be shared with another process. It holds numbers of eight bytes each, aligned, which no
    processor writes by halves.
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
    def last_active(self) -> float:
        """When a byte has moved last, either way."""
        return self._cells[2]

    @property
    def has_unsent(self) -> bool:
        """Whether the worker waits for the peer to take something."""
        return self._cells[3] > 0

    def received(self, size: int) -> None:
        """Note that `size` bytes came."""
        self._cells[0] += size
        self._cells[2] = self._clock()

    def sent(self, size: int, rest: int) -> None:
        """Note that `size` bytes went and `rest` bytes of the same piece are left."""
        if size:
            self._cells[1] += size
            self._cells[2] = self._clock()
        self._cells[3] = rest


def drive(
    sock: socket.socket, session: StreamSession, counters: TransferCounters, unsent: bytes = b""
) -> Outcome:
    """Serve a connection to the end of its stream, or of its session, or to a failure.

    Nothing is read while something has yet to be sent: so the memory of a connection is bounded.
    """
    buffer = memoryview(bytearray(HIGH_WATER))
    try:
        _deliver(sock, unsent, counters)
        if session.more is not None:
            _say(sock, session, session.opened(), counters)
        while not session.ended and (size := sock.recv_into(buffer)):
            counters.received(size)
            _say(sock, session, session.data_received(buffer[:size]), counters)
        if session.ended:
            _linger(sock, buffer)
            return "ended"
        _say(sock, session, session.eof_received(), counters)
    except ConnectionError:
        return "reset"
    except (OSError, MemoryError):
        return "error"
    with suppress(OSError):  # reset in this moment
        sock.shutdown(socket.SHUT_WR)  # the loop holds the socket too: a close here would end nothing
    return "eof"


def _say(
    sock: socket.socket, session: StreamSession, piece: Chunk | None, counters: TransferCounters
) -> None:
    """Send a piece, and then all that the session has more to say."""
    pull = session.more
    while piece is not None:
        _deliver(sock, piece, counters)
        piece = None if pull is None or session.ended else pull()


def _linger(sock: socket.socket, buffer: memoryview) -> None:
    """End the stream, and read what is still under way: a close would answer that with a reset."""
    sock.shutdown(socket.SHUT_WR)
    sock.settimeout(LINGER)
    ends = time.monotonic() + LINGER
    with suppress(TimeoutError):
        while sock.recv_into(buffer) and time.monotonic() < ends:
            pass


def _deliver(sock: socket.socket, data: Chunk, counters: TransferCounters) -> None:
    """Send all of it. `sendall` would do that too, but the ledger could not tell how far it is."""
    rest = memoryview(data)
    while rest:
        try:
            sent = sock.send(rest, socket.MSG_DONTWAIT)
        except BlockingIOError:
            sent = 0
        rest = rest[sent:]
        counters.sent(sent, len(rest))
        if rest:
            _wait_until_writable(sock)


def _wait_until_writable(sock: socket.socket) -> None:
    """Wait by poll(2), which takes any descriptor; select(2) refuses those from 1024 on."""
    poll = select.poll()
    poll.register(sock, select.POLLOUT)
    poll.poll()
