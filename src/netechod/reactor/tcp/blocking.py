"""Serve a connection by calls that block, in a thread or process.

This code knows no loop. The worker counts its bytes in the transfer counters, which the loop reads. To end
the connection, the loop calls shutdown(2) on the socket: a blocked `recv` then sees the end of the stream,
and a blocked `send` a broken pipe. Sessions are pulled, but cannot be woken: they must not need `wake`.
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
    """The bytes that a worker has moved, and when. Only the worker writes; the loop reads at any time.

    The memory may be shared with another process. It holds aligned numbers of eight bytes each, which a
    processor always writes as a whole.
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
        """The time of the last byte that moved, either way."""
        return self._cells[2]

    @property
    def has_unsent(self) -> bool:
        """Return whether the worker waits for the kernel to take the rest of a piece."""
        return self._cells[3] > 0

    def received(self, size: int) -> None:
        """Count `size` received bytes."""
        self._cells[0] += size
        self._cells[2] = self._clock()

    def sent(self, size: int, rest: int) -> None:
        """Count `size` sent bytes. `rest` bytes of the same piece are still to be sent."""
        if size:
            self._cells[1] += size
            self._cells[2] = self._clock()
        self._cells[3] = rest


def drive(
    sock: socket.socket, session: StreamSession, counters: TransferCounters, unsent: bytes = b""
) -> Outcome:
    """Serve a connection until its stream ends, its session ends, or a call fails. Return which it was.

    It reads no input while something is unsent. So the memory of a connection is bounded.
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
    with suppress(OSError):  # the peer has reset it just now
        sock.shutdown(socket.SHUT_WR)  # a close would not do: the loop holds the socket, too
    return "eof"


def _say(
    sock: socket.socket, session: StreamSession, piece: Chunk | None, counters: TransferCounters
) -> None:
    """Send a piece, and then all further pieces of the session."""
    pull = session.more
    while piece is not None:
        _deliver(sock, piece, counters)
        piece = None if pull is None or session.ended else pull()


def _linger(sock: socket.socket, buffer: memoryview) -> None:
    """End the stream, and read on: to input behind a close, the kernel would answer with a reset."""
    sock.shutdown(socket.SHUT_WR)
    sock.settimeout(LINGER)
    ends = time.monotonic() + LINGER
    with suppress(TimeoutError):
        while sock.recv_into(buffer) and time.monotonic() < ends:
            pass


def _deliver(sock: socket.socket, data: Chunk, counters: TransferCounters) -> None:
    """Send all of it. `sendall` would not report the progress, which the counters need."""
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
    """Wait by poll(2). Unlike select(2), it accepts descriptors from 1024 on."""
    poll = select.poll()
    poll.register(sock, select.POLLOUT)
    poll.poll()
