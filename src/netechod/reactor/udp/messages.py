"""The arrays that recvmmsg(2) and sendmmsg(2) work on, in the layout of the C library."""

import ctypes
import mmap
import socket
import sys
from array import array
from typing import NamedTuple

from netechod.reactor.udp.budget import BATCH
from netechod.reactor.udp.datagram_io import MAX_PAYLOAD

HEADER = 2 * ctypes.sizeof(ctypes.c_size_t)  # bytes of a struct cmsghdr: length, level and type (cmsg(3))

# The room for one payload in each message.
ROOM = memoryview(array("I", [MAX_PAYLOAD] * BATCH))


class _IoVec(ctypes.Structure):
    """struct iovec, readv(2)."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _MsgHdr(ctypes.Structure):
    """struct msghdr, recvmsg(2)."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("iov", ctypes.c_void_p),
        ("iov_length", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _MMsgHdr(ctypes.Structure):
    """struct mmsghdr, recvmmsg(2)."""

    _fields_ = (("header", _MsgHdr), ("length", ctypes.c_uint32))


HEADER_SIZE = ctypes.sizeof(_MMsgHdr)
"""Bytes of the header of one message."""


class PeerLayout(NamedTuple):
    """The layout of the bytes of a peer."""

    name: int  # bytes of the socket address
    control_at: int  # offset of the control message; also the size of a peer that has none
    control: int  # bytes of the control message, 0 for none
    index_at: int  # offset of the interface index in it
    size: int  # bytes in all


LAYOUTS = {
    # struct sockaddr_in is 16 bytes, struct in_pktinfo is index, local address, address asked
    socket.AF_INET: PeerLayout(16, 16, HEADER + 12, 16 + HEADER, 16 + HEADER + 16),
    # struct sockaddr_in6 is 28 bytes and 4 of padding, struct in6_pktinfo is address asked, index
    socket.AF_INET6: PeerLayout(28, 32, HEADER + 20, 32 + HEADER + 16, 32 + HEADER + 24),
}


class Messages:
    """The arrays that one call works on: headers, peers and payload pointers. They are connected once."""

    def __init__(self, layout: PeerLayout, *, shared: bool = False) -> None:
        """With `shared`, all messages point to the payload of the first."""
        self.size = layout.size  # bytes of one peer
        self.peers = mmap.mmap(-1, BATCH * layout.size)
        self._iovecs = (_IoVec * BATCH)()
        self.headers = (_MMsgHdr * BATCH)()
        peers_at, iovecs_at = address_in_memory(self.peers), ctypes.addressof(self._iovecs)
        for index, message in enumerate(self.headers):
            header, peer_at = message.header, peers_at + index * layout.size
            header.name, header.name_length = peer_at, layout.name
            header.iov = iovecs_at if shared else iovecs_at + index * ctypes.sizeof(_IoVec)
            header.iov_length = 1
            if layout.control:
                header.control, header.control_length = peer_at + layout.control_at, layout.control
        self.header_bytes = memoryview(self.headers).cast("B")
        self.lengths = self.header_bytes.cast("I")[
            _MMsgHdr.length.offset // 4 :: ctypes.sizeof(_MMsgHdr) // 4
        ]
        bytes_of_iovecs = memoryview(self._iovecs).cast("B")
        self.iov_bases = bytes_of_iovecs.cast("L")[0::2]
        # The lower half of each length. The other half is always zero.
        self.iov_lengths = bytes_of_iovecs.cast("I")[2 if sys.byteorder == "little" else 3 :: 4]
        # The room for control messages. The kernel writes how much of it a received datagram has used.
        self.control_lengths = self.header_bytes.cast("L")[
            _MMsgHdr.header.offset // 8 + _MsgHdr.control_length.offset // 8 :: ctypes.sizeof(_MMsgHdr) // 8
        ]
        self.interfaces = (
            memoryview(self.peers).cast("I")[layout.index_at // 4 :: layout.size // 4]
            if layout.control
            else None
        )

    def set_payloads(self, start: int, stride: int) -> None:
        """Give every message its own stretch of memory to receive into."""
        self.iov_bases[:] = memoryview(array("L", range(start, start + BATCH * stride, stride)))
        self.iov_lengths[:] = ROOM


def address_in_memory(memory: mmap.mmap) -> int:
    """Return where `memory` begins, as a number for the kernel."""
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))
