"""The interface between endpoints and sockets.

A peer is the source of a datagram. On a wildcard socket it also holds the address of ours that was asked. An
answer must leave from there (RFC 1122, 4.1.3.5): a client with a connected socket gets no other one.
"""

import socket
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any, Protocol, overload

from netechod.linux import IP_PKTINFO
from netechod.services.api import Datagram, Peer

MAX_PAYLOAD = 65536  # bytes: above every UDP payload (65507, or 65527 over IPv6), so nothing is ever cut


class FanOut(Sequence[Datagram]):
    """The same payload for many peers. It can be read as a list of datagrams, and is cheaper to send."""

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
    """Moves batches between the kernel and memory. No call blocks."""

    def receive(self) -> Sequence[Datagram]:
        """Return up to BATCH datagrams; none if there are none. Raises OSError for any other failure."""
        ...

    def send(self, datagrams: Sequence[Datagram]) -> int:
        """Send as many of 1 to BATCH datagrams as the kernel takes at once, and return their number.

        Raises BlockingIOError if the kernel takes none for now. Raises another OSError if it refuses the
        first one.
        """
        ...

    def send_back(self, batch: Sequence[Datagram]) -> int:
        """Send the whole batch that was received last, as `send` does. It may be sent without a copy."""
        ...

    def close(self) -> None:
        """Let go of the socket, before it is closed. Every later call raises OSError."""
        ...

    def address_of(self, peer: Peer) -> tuple[str, int]:
        """Return the peer's address, as text, and its port. A link-local one has a zone: `fe80::1%2`."""
        ...


def zoned(address: tuple[Any, ...]) -> tuple[str, int]:
    """Return address and port of a socket address. The zone, if there is one, is the interface's number.

    >>> zoned(("fe80::1%eth0", 5000, 0, 2))
    ('fe80::1%2', 5000)
    """
    host, port, *rest = address
    host = host.partition("%")[0]
    return (f"{host}%{rest[1]}" if rest and rest[1] else host), port


def is_wildcard(sock: socket.socket) -> bool:
    """Return whether the socket is bound to all addresses of the machine."""
    return sock.getsockname()[0] in ("0.0.0.0", "::")  # noqa: S104 (a comparison, not a bind)


def ask_for_local_address(sock: socket.socket) -> None:
    """Have every datagram come with the address of ours that it was sent to (ip(7), ipv6(7))."""
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
