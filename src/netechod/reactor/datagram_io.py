"""Datagrams in and out of a socket: the seam, and the portable way, one datagram a call.

A peer is where a datagram came from and, on a wildcard socket, which of our addresses was asked: the answer
leaves from there (RFC 1122, 4.1.3.5), or clients with connected sockets would never see it.
"""

import socket
import struct
import sys
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any, Protocol, TypeAlias, overload

from netechod.services.api import Datagram, Peer

BATCH = 64  # datagrams taken from one socket per turn; the rest wait one turn
MAX_PAYLOAD = 65536  # bytes: above every UDP payload (65507, or 65527 over IPv6), so nothing is ever cut

# Python 3.11's socket module lacks IP_PKTINFO: Linux's number (ip(7)), and 0 where there is no such thing.
IP_PKTINFO = 8 if sys.platform == "linux" else 0


class FanOut(Sequence[Datagram]):
    """The same payload for many peers: reads as a list of datagrams, and can be sent with less work."""

    __slots__ = ("payload", "peers")

    def __init__(self, payload: bytes, peers: Sequence[Peer]) -> None:
        self.payload = payload
        self.peers = peers

    def __len__(self) -> int:
        return len(self.peers)

    def __iter__(self) -> Iterator[Datagram]:
        return zip(repeat(self.payload), self.peers)

    @overload
    def __getitem__(self, index: int) -> Datagram: ...

    @overload
    def __getitem__(self, index: slice) -> "FanOut": ...

    def __getitem__(self, index: int | slice) -> "Datagram | FanOut":
        if isinstance(index, slice):
            return FanOut(self.payload, self.peers[index])
        return self.payload, self.peers[index]


class DatagramIO(Protocol):
    """Moves batches between the kernel and memory. Both calls return at once."""

    def receive(self) -> Sequence[Datagram]:
        """Up to BATCH datagrams. Raises OSError; a spurious wake-up is an empty batch."""
        ...

    def send(self, datagrams: Sequence[Datagram]) -> int:
        """Send as many of 1 to BATCH datagrams as the kernel takes at once and return their number.

        Raises BlockingIOError when it takes none for now, another OSError when it will never take the
        first one.
        """
        ...

    def address_of(self, peer: Peer) -> tuple[str, int]:
        """The peer's address, as text, and its port."""
        ...


def is_wildcard(sock: socket.socket) -> bool:
    """Whether the socket is bound to every address of the machine."""
    return sock.getsockname()[0] in ("0.0.0.0", "::")  # noqa: S104 (a comparison, not a bind)


def ask_for_local_address(sock: socket.socket) -> None:
    """Have the kernel tell, with every datagram, which of our addresses it was sent to (ip(7), ipv6(7))."""
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)


_Ancillary: TypeAlias = tuple[tuple[int, int, bytes], ...]


class PlainDatagramIO:
    """One datagram a system call, through `recvmsg` and `sendmsg`: for systems without the batched calls.

    A peer is (socket address, ancillary data for the way back).
    """

    peer_size = 0  # bytes of a peer, for who keeps peers over a restart: these are no bytes

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = bytearray(MAX_PAYLOAD)
        self._view = memoryview(self._buffer)
        self._ancillary_size = 0
        if is_wildcard(sock) and (IP_PKTINFO or sock.family == socket.AF_INET6):
            ask_for_local_address(sock)
            self._ancillary_size = socket.CMSG_SPACE(20)  # struct in6_pktinfo, the larger of the two

    def receive(self) -> Sequence[Datagram]:
        """See DatagramIO."""
        batch: list[Datagram] = []
        while len(batch) < BATCH:
            try:
                size, ancillary, _, address = self._sock.recvmsg_into([self._buffer], self._ancillary_size)
            except BlockingIOError:
                break
            except OSError:
                if not batch:
                    raise
                break  # what came before it is not lost; the error was this call's alone
            batch.append((bytes(self._view[:size]), (address, _way_back(ancillary))))
        return batch

    def send(self, datagrams: Sequence[Datagram]) -> int:
        """See DatagramIO."""
        for sent, (payload, peer) in enumerate(datagrams):
            address, ancillary = _parts(peer)
            try:
                self._sock.sendmsg([payload], ancillary, 0, address)
            except OSError:
                if not sent:
                    raise
                return sent
        return len(datagrams)

    def address_of(self, peer: Peer) -> tuple[str, int]:
        """See DatagramIO."""
        address, _ = _parts(peer)
        return address[0], address[1]


def _parts(peer: Peer) -> tuple[Any, _Ancillary]:
    assert isinstance(peer, tuple)  # noqa: S101 (for the type checker: every peer here was made by receive)
    return peer[0], peer[1]


def _way_back(ancillary: Sequence[tuple[int, int, bytes]]) -> _Ancillary:
    """The control message that makes the answer leave from the address that was asked.

    The interface index is cleared: the routing table decides, as for every other packet.
    """
    for level, kind, data in ancillary:
        if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
            return ((level, kind, data[:16] + b"\0\0\0\0"),)
        if (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO):
            return ((level, kind, struct.pack("@i", 0) + data[4:12]),)
    return ()
