"""Datagrams in batches, by recvmmsg(2) and sendmmsg(2) through ctypes: no compiler is needed to install it.

One system call moves up to BATCH datagrams. Its arrays are filled and read column by column, so a datagram
costs only the Python code that makes its payload and its peer.

A peer is the kernel's own bytes: the socket address, and on a wildcard socket the control message with the
address of ours that was asked. They lie side by side as the kernel takes them back. So the header of an
answer is a copy of its peer.
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
from typing import NoReturn, cast

from netechod.reactor.udp.budget import BATCH
from netechod.reactor.udp.datagram_io import MAX_PAYLOAD, FanOut, ask_for_local_address, is_wildcard
from netechod.reactor.udp.messages import HEADER_SIZE, LAYOUTS, ROOM, Messages, PeerLayout, address_in_memory
from netechod.services.api import Datagram, Peer

_libc = ctypes.CDLL(None, use_errno=True)

# Flags of each call. As an enumeration they would cost a microsecond a call.
_AT_ONCE = int(socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
RECENT = 256  # peers whose address is remembered as text

STRIDE = MAX_PAYLOAD + 64  # bytes between two payloads: not a power of two, or all would share a cache set


class BatchMemory:
    """Memory for the payloads of one batch each way. All sockets of a loop share it, one batch at a time.

    It is anonymous memory (mmap(2)): unused pages take no room, and a slice is a bytes object.
    """

    def __init__(self) -> None:
        self.received = mmap.mmap(-1, BATCH * STRIDE)
        self.sent = mmap.mmap(-1, BATCH * MAX_PAYLOAD)
        # The socket whose batch lies in `received`, and that batch.
        self.holds: tuple[object, Sequence[Datagram]] = (None, ())


class MmsgDatagramIO:
    """A socket whose datagrams move in batches.

    Three kinds of batches have a faster way through the arrays: a single datagram, one payload for many
    peers, and the batch that was received last, which is sent from the memory where it lies.
    """

    def __init__(self, sock: socket.socket, memory: BatchMemory) -> None:
        self._fd = sock.fileno()
        self._memory = memory
        layout = LAYOUTS[sock.family]
        if is_wildcard(sock):
            ask_for_local_address(sock)
        else:
            layout = layout._replace(control=0, size=layout.control_at)
        self._layout = layout
        self.peer_size = layout.size
        self._set_up(layout, layout)
        self._fan = Messages(layout, shared=True)
        self._fan.iov_bases[0] = address_in_memory(memory.sent)

    def _set_up(self, received: PeerLayout, sent: PeerLayout) -> None:
        """Make the arrays for batches in these layouts."""
        self._in = Messages(received)
        self._in.set_payloads(address_in_memory(self._memory.received), STRIDE)
        self._fresh = bytes(self._in.headers)  # the lengths that the kernel overwrites at each call
        self._overwritten = 0  # bytes of the headers that it has overwritten
        self._out = Messages(sent)
        self._out.iov_bases[0] = address_in_memory(self._memory.sent)

    def receive(self) -> Sequence[Datagram]:
        """See DatagramIO."""
        count = self._receive_messages()
        if not count:
            return ()
        messages, payloads, size = self._in, self._memory.received, self._in.size
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
                    STARTS, messages.lengths[:count].tolist(), peers, strict=False
                )
            ]
        self._memory.holds = (self, batch)
        return batch

    def _receive_messages(self) -> int:
        """Have the kernel fill the arrays for received datagrams. Return the number of datagrams."""
        messages = self._in
        self._memory.holds = (None, ())  # the call overwrites it, even if it fails
        messages.header_bytes[: self._overwritten] = self._fresh[: self._overwritten]
        count: int = _libc.recvmmsg(self._fd, messages.headers, BATCH, _AT_ONCE, None)
        if count < 0:
            if ctypes.get_errno() in (errno.EAGAIN, errno.EINTR):
                return 0
            _raise_errno()
        self._overwritten = count * HEADER_SIZE
        return count

    def send(self, datagrams: Sequence[Datagram]) -> int:
        """See DatagramIO."""
        if isinstance(datagrams, FanOut):
            return self._fan_out(datagrams)
        messages = self._out
        size = messages.size
        if len(datagrams) == 1:
            [(payload, peer)] = datagrams
            messages.peers[:size] = cast(bytes, peer)
            return self._send_one(payload)
        payloads, peers = zip(*datagrams, strict=True)
        messages.peers[: len(peers) * size] = b"".join(peers)
        return self._send_payloads(payloads)

    def _send_one(self, payload: bytes) -> int:
        """Send a payload to the first peer in the array."""
        messages = self._out
        self._memory.sent[: len(payload)] = payload
        messages.iov_lengths[0] = len(payload)
        return self._call(messages, 1)

    def _send_payloads(self, payloads: Sequence[bytes]) -> int:
        """Send payloads to the peers in the array."""
        messages, count = self._out, len(payloads)
        data = b"".join(payloads)
        self._memory.sent[: len(data)] = data
        lengths = array("I", map(len, payloads))
        messages.iov_lengths[:count] = memoryview(lengths)
        starts = array("L", accumulate(lengths, initial=messages.iov_bases[0]))
        messages.iov_bases[:count] = memoryview(starts)[:count]
        return self._call(messages, count)

    def send_back(self, batch: Sequence[Datagram]) -> int:
        """See DatagramIO. The batch is sent from the memory where it lies, if it is still there."""
        holder, held = self._memory.holds
        if holder is not self or held is not batch:
            return self.send(batch)
        messages, count = self._in, len(batch)
        messages.iov_lengths[:count] = messages.lengths[:count]
        try:
            return self._call(messages, count)
        finally:
            messages.iov_lengths[:count] = ROOM[:count]

    def _fan_out(self, datagrams: FanOut) -> int:
        """Send one payload to many peers. All headers point to it already."""
        messages, payload, count = self._fan, datagrams.payload, len(datagrams)
        messages.peers[: count * self._layout.size] = b"".join(cast(Sequence[bytes], datagrams.peers))
        self._memory.sent[: len(payload)] = payload
        messages.iov_lengths[0] = len(payload)
        return self._call(messages, count)

    def _call(self, messages: Messages, count: int) -> int:
        sent: int = _libc.sendmmsg(self._fd, messages.headers, count, _AT_ONCE)
        if sent < 0:
            _raise_errno()
        return sent

    def close(self) -> None:
        """See DatagramIO. Another file may get the number of the descriptor."""
        self._fd = -1

    @staticmethod
    def address_of(peer: Peer) -> tuple[str, int]:
        """See DatagramIO."""
        return _address_of(cast(bytes, peer))


STARTS = range(0, BATCH * STRIDE, STRIDE)
_ZEROS = memoryview(array("I", bytes(4 * BATCH)))


@lru_cache(RECENT)
def _address_of(peer: bytes) -> tuple[str, int]:
    """Read address and port out of a struct sockaddr_in or sockaddr_in6 (ip(7), ipv6(7)).

    The kernel sets a scope for link-local addresses only. It is the number of the interface.
    """
    port = int.from_bytes(peer[2:4], "big")
    if int.from_bytes(peer[:2], sys.byteorder) == socket.AF_INET:
        return socket.inet_ntop(socket.AF_INET, peer[4:8]), port
    address, scope = socket.inet_ntop(socket.AF_INET6, peer[8:24]), int.from_bytes(peer[24:28], sys.byteorder)
    return (f"{address}%{scope}" if scope else address), port


def _raise_errno() -> NoReturn:
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))
