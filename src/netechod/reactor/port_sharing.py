"""Leaves the sockets of other processes that share a port with ours (SO_REUSEPORT, socket(7)).

The kernel gives each newcomer to one of the sockets. One that is closed takes along what it was given and has
not been read. So a socket first has the kernel choose others, and is closed when it has been read empty.
"""

import ctypes
import socket
import struct
from contextlib import suppress

from netechod.linux import SO_ATTACH_FILTER

SETTLING = 0.25  # seconds in which handshakes under way come to their end, before a listener is closed

_FLAGS_AT, _SYN, _SYN_OR_ACK = 13, 0x02, 0x12  # the octet of the flags in a TCP header (RFC 9293, 3.1)

# struct sock_filter, linux/filter.h: code, jump if true, jump if false, operand.
_DROP_SYN = b"".join(
    struct.pack("@HBBI", *instruction)
    for instruction in (
        (0x30, 0, 0, _FLAGS_AT),  # load the octet at this offset
        (0x54, 0, 0, _SYN_OR_ACK),  # and it with this
        (0x15, 0, 1, _SYN),  # is it a SYN without an ACK?
        (0x06, 0, 0, 0),  # then drop the packet,
        (0x06, 0, 0, 0xFFFFFFFF),  # else keep it
    )
)


def leave_listeners(sock: socket.socket) -> None:
    """Have a listener get no new connections. Handshakes under way end as usual.

    The kernel goes on choosing it. So a filter drops each SYN, and the client sends it again after a second
    (RFC 6298, 2.1), when the listener is closed and another one is chosen.
    """
    program = ctypes.create_string_buffer(_DROP_SYN, len(_DROP_SYN))
    count = len(_DROP_SYN) // struct.calcsize("@HBBI")
    with suppress(OSError):  # a system without filters
        sock.setsockopt(
            socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", count, ctypes.addressof(program))
        )


def leave_datagrams(sock: socket.socket) -> None:
    """Have a UDP socket get no new datagrams. Those that wait in it can still be read and answered.

    A connected socket gets only what its peer sends (udp(7)), and the kernel chooses others for everybody
    else. So the socket is connected to itself.
    """
    host, *rest = sock.getsockname()
    loopback = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (a comparison, not a bind)
    with suppress(OSError):  # a system without loopback
        sock.connect((loopback.get(host, host), *rest))
