"""Datagrams in batches, by recvmmsg(2) and sendmmsg(2) through ctypes: no compiler is needed to install it.

One system call moves up to BATCH datagrams. The arrays that it works on are filled and read column by
column: a datagram costs no Python statement but those that make its payload and its peer.

A peer is the kernel's own bytes. They hold the socket address and, on a wildcard socket, the control
message that says which of our addresses was asked, side by side as the kernel wants them back. So the
header of an answer is a copy of its peer.
"""

import ctypes
import errno
import mmap
import os
import socket
import struct
import sys
from array import array
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple, NoReturn, cast

from netechod.reactor.udp.budget import BATCH
from netechod.reactor.udp.datagram_io import MAX_PAYLOAD, FanOut, ask_for_local_address, is_wildcard
from netechod.services.api import Datagram, Peer

_libc = ctypes.CDLL(None, use_errno=True)

_AT_ONCE = int(
    socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
)  # as enumerations they would cost a microsecond a call
RECENT = 256  # peers whose address is remembered as text

_STRIDE = MAX_PAYLOAD + 64  # bytes between two payloads: not a power of two, or all would share a cache set


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


class _PeerLayout(NamedTuple):
    """What lies where in the bytes of a peer."""

    name: int  # bytes of the socket address
    control_at: int  # offset of the control message; also the size of a peer that has none
    control: int  # bytes of the control message, 0 for none
    index_at: int  # offset of the interface index in it
    size: int  # bytes in all


_HEADER = 2 * ctypes.sizeof(ctypes.c_size_t)  # struct cmsghdr: length, level and type (cmsg(3))
_LAYOUTS = {
    # struct sockaddr_in is 16 bytes, struct in_pktinfo is index, local address, address asked
    socket.AF_INET: _PeerLayout(16, 16, _HEADER + 12, 16 + _HEADER, 16 + _HEADER + 16),
    # struct sockaddr_in6 is 28 bytes and 4 of padding, struct in6_pktinfo is address asked, index
    socket.AF_INET6: _PeerLayout(28, 32, _HEADER + 20, 32 + _HEADER + 16, 32 + _HEADER + 24),
}


class BatchMemory:
    """Room for the payloads of one batch each way. All sockets of a loop share it, one batch at a time.

    It is anonymous memory (mmap(2)): pages that nobody has used take no room, and a slice is a bytes object.
    """

    def __init__(self) -> None:
        self.received = mmap.mmap(-1, BATCH * _STRIDE)
        self.sent = mmap.mmap(-1, BATCH * MAX_PAYLOAD)
        # The socket whose batch lies in `received`, and that batch.
        self.holds: tuple[object, Sequence[Datagram]] = (None, ())


class MmsgDatagramIO:
    """A socket whose datagrams move in batches.

    Three kinds of batches need no whole layout of the arrays: a single datagram, one payload for many
    peers, and the batch that was received last, which is sent from where it lies.
    """

    def __init__(self, sock: socket.socket, memory: BatchMemory) -> None:
        self._fd = sock.fileno()
        self._memory = memory
        layout = _LAYOUTS[sock.family]
        if is_wildcard(sock):
            ask_for_local_address(sock)
        else:
            layout = layout._replace(control=0, size=layout.control_at)
        self._layout = layout
        self.peer_size = layout.size
        self._in = _Messages(layout)
        self._in.set_payloads(_address(memory.received), _STRIDE)
        self._fresh = bytes(self._in.headers)  # the lengths that the kernel overwrites at each call
        self._out = _Messages(layout)
        self._out.iov_bases[0] = _address(memory.sent)
        self._fan = _Messages(layout, shared=True)
        self._fan.iov_bases[0] = _address(memory.sent)

    def receive(self) -> Sequence[Datagram]:
        """See DatagramIO."""
        messages, payloads, size = self._in, self._memory.received, self._layout.size
        self._memory.holds = (None, ())  # this call overwrites it, whatever it returns
        messages.header_bytes[:] = self._fresh
        count = _libc.recvmmsg(self._fd, messages.headers, BATCH, _AT_ONCE, None)
        if count < 0:
            if ctypes.get_errno() in (errno.EAGAIN, errno.EINTR):
                return ()
            _raise_errno()
        if messages.interfaces is not None:  # answers name no interface: the routing table decides
            messages.interfaces[:count] = _ZEROS[:count]
        batch: list[Datagram]
        if count == 1:
            batch = [(payloads[: messages.lengths[0]], messages.peers[:size])]
        else:
            peers = struct.iter_unpack(f"{size}s", messages.peers[: count * size])
            batch = [
                (payloads[start : start + length], peer)
                for start, length, (peer,) in zip(
                    _STARTS, messages.lengths[:count].tolist(), peers, strict=False
                )
            ]
        self._memory.holds = (self, batch)
        return batch

    def send(self, datagrams: Sequence[Datagram]) -> int:
        """See DatagramIO."""
        if isinstance(datagrams, FanOut):
            return self._fan_out(datagrams)
        messages, size = self._out, self._layout.size
        if len(datagrams) == 1:
            [(payload, peer)] = datagrams
            messages.peers[:size] = cast(bytes, peer)
            self._memory.sent[: len(payload)] = payload
            messages.iov_lengths[0] = len(payload)
            return self._call(messages, 1)
        payloads, peers = zip(*datagrams, strict=True)
        count = len(payloads)
        messages.peers[: count * size] = b"".join(peers)
        data = b"".join(payloads)
        self._memory.sent[: len(data)] = data
        lengths = array("I", map(len, payloads))
        messages.iov_lengths[:count] = memoryview(lengths)
        starts = array("L", accumulate(lengths, initial=messages.iov_bases[0]))
        messages.iov_bases[:count] = memoryview(starts)[:count]
        return self._call(messages, count)

    def send_back(self, batch: Sequence[Datagram]) -> int:
        """See DatagramIO. The batch is sent from where it lies, if nothing has been received since."""
        holder, held = self._memory.holds
        if holder is not self or held is not batch:
            return self.send(batch)
        messages, count = self._in, len(batch)
        messages.iov_lengths[:count] = messages.lengths[:count]
        try:
            return self._call(messages, count)
        finally:
            messages.iov_lengths[:count] = _ROOM[:count]

    def _fan_out(self, datagrams: FanOut) -> int:
        """Send one payload to many peers: every header points to the same payload already."""
        messages, payload, count = self._fan, datagrams.payload, len(datagrams)
        messages.peers[: count * self._layout.size] = b"".join(cast(Sequence[bytes], datagrams.peers))
        self._memory.sent[: len(payload)] = payload
        messages.iov_lengths[0] = len(payload)
        return self._call(messages, count)

    def _call(self, messages: "_Messages", count: int) -> int:
        sent: int = _libc.sendmmsg(self._fd, messages.headers, count, _AT_ONCE)
        if sent < 0:
            _raise_errno()
        return sent

    @staticmethod
    def address_of(peer: Peer) -> tuple[str, int]:
        """See DatagramIO."""
        return _address_of(cast(bytes, peer))


class _Messages:
    """The arrays that one call works on: headers, peers and payload pointers. They are connected once."""

    def __init__(self, layout: _PeerLayout, *, shared: bool = False) -> None:
        """With `shared`, all messages have the payload of the first."""
        self.peers = mmap.mmap(-1, BATCH * layout.size)
        self._iovecs = (_IoVec * BATCH)()
        self.headers = (_MMsgHdr * BATCH)()
        peers_at, iovecs_at = _address(self.peers), ctypes.addressof(self._iovecs)
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
        # The lower half of each length: the other half is always zero, and the kernel's answers have 32 bits.
        self.iov_lengths = bytes_of_iovecs.cast("I")[2 if sys.byteorder == "little" else 3 :: 4]
        self.interfaces = (
            memoryview(self.peers).cast("I")[layout.index_at // 4 :: layout.size // 4]
            if layout.control
            else None
        )

    def set_payloads(self, start: int, stride: int) -> None:
        """Give every message its own stretch of memory to receive into."""
        self.iov_bases[:] = memoryview(array("L", range(start, start + BATCH * stride, stride)))
        self.iov_lengths[:] = _ROOM


_STARTS = range(0, BATCH * _STRIDE, _STRIDE)
_ZEROS = memoryview(array("I", bytes(4 * BATCH)))
_ROOM = memoryview(array("I", [MAX_PAYLOAD] * BATCH))  # for a payload, each


@lru_cache(RECENT)
def _address_of(peer: bytes) -> tuple[str, int]:
    """Read address and port out of a struct sockaddr_in or sockaddr_in6 (ip(7), ipv6(7)).

    The kernel gives link-local addresses alone a scope, which is the number of the interface.
    """
    port = int.from_bytes(peer[2:4], "big")
    if int.from_bytes(peer[:2], sys.byteorder) == socket.AF_INET:
        return socket.inet_ntop(socket.AF_INET, peer[4:8]), port
    address, scope = socket.inet_ntop(socket.AF_INET6, peer[8:24]), int.from_bytes(peer[24:28], sys.byteorder)
    return (f"{address}%{scope}" if scope else address), port


def _address(memory: mmap.mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


def _raise_errno() -> NoReturn:
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))
