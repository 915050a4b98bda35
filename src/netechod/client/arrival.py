"""When a datagram arrived, by the kernel's clock: a program that paints its screen reads it later."""

import socket
import struct
import time

_SO_TIMESTAMPNS = 35  # socket(7), asm-generic/socket.h; Python has no name for it
_TIMESPEC = struct.Struct("@ll")
_OLDEST = 10.0  # seconds; an older stamp tells that the clock was set meanwhile


def ask_for_stamps(sock: socket.socket) -> None:
    """Have the kernel note when a datagram comes in, where it can."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    except OSError:
        return  # then datagrams arrive when they are read


def receive(sock: socket.socket, size: int) -> tuple[bytes, float]:
    """A datagram, and when it arrived, by the monotonic clock."""
    payload, ancillary, _, _ = sock.recvmsg(size, socket.CMSG_SPACE(_TIMESPEC.size))
    now, wall = time.monotonic(), time.clock_gettime(time.CLOCK_REALTIME)
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS) and len(data) == _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack(data)
            age = wall - seconds - nanoseconds * 1e-9
            if 0 < age < _OLDEST:
                return payload, now - age
    return payload, now
