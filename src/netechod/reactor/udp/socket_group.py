"""Several sockets of one service that may send to any of its peers at any time, such as a chat room."""

import socket
from collections.abc import Callable, Sequence

from netechod.reactor.loop import Loop
from netechod.reactor.udp.datagram_io import DatagramIO
from netechod.reactor.udp.endpoint import UdpEndpoint
from netechod.reactor.udp.error_queue import ErrorQueue
from netechod.reactor.udp.outbox import ServiceOutbox
from netechod.services.api import Datagram, DatagramService, Outbox, Peer

AddressOf = Callable[[Peer], tuple[str, int]]


class SocketGroup(ServiceOutbox):
    """The outbox of such a service. A peer is (number of the socket, the socket's own peer)."""

    def __init__(self, loop: Loop, service: DatagramService) -> None:
        self._loop = loop
        self._service = service
        self._turn = -1
        self._is_full = False
        self.endpoints: list[UdpEndpoint] = []

    def add(self, sock: socket.socket, io: DatagramIO, errors: ErrorQueue | None) -> UdpEndpoint:
        """Add a socket. Returns its endpoint."""
        service = _Numbered(self._service, len(self.endpoints))
        endpoint = UdpEndpoint(self._loop, sock, io, service, errors)
        endpoint.out = self
        self.endpoints.append(endpoint)
        return endpoint

    @property
    def is_full(self) -> bool:
        """See ServiceOutbox. It holds for a whole turn: otherwise the first socket could block the others."""
        if self._turn != self._loop.turns:
            self._turn = self._loop.turns
            self._is_full = any(endpoint.is_full for endpoint in self.endpoints)
        return self._is_full

    @property
    def may_have_more(self) -> bool:
        """See ServiceOutbox."""
        return any(endpoint.may_have_more for endpoint in self.endpoints)

    def send(self, payload: bytes, peer: Peer) -> None:
        """See Outbox."""
        number, own = parts(peer)
        self.endpoints[number].send(payload, own)

    def broadcast(self, payload: bytes, peers: Sequence[Peer]) -> None:
        """See Outbox."""
        by_socket: list[list[Peer]] = [[] for _ in self.endpoints]
        for peer in peers:
            number, own = parts(peer)
            by_socket[number].append(own)
        for endpoint, owns in zip(self.endpoints, by_socket, strict=True):
            if owns:
                endpoint.broadcast(payload, owns)


class _Numbered:
    """The service as one endpoint sees it. It adds the number of the socket to the peers of a batch."""

    def __init__(self, service: DatagramService, number: int) -> None:
        self._service = service
        self._number = number
        self.next_deadline = service.next_deadline  # each endpoint has a timer; the first one acts
        self.deadline_reached = service.deadline_reached

    def datagrams_received(self, batch: Sequence[Datagram], now: float, out: Outbox) -> None:
        """See DatagramService."""
        number = self._number
        self._service.datagrams_received([(payload, (number, peer)) for payload, peer in batch], now, out)


def parts(peer: Peer) -> tuple[int, Peer]:
    """Take a peer of a group apart: the number of the socket, and the socket's own peer."""
    assert isinstance(peer, tuple)  # noqa: S101 (for the type checker: every peer of a group is made above)
    return peer[0], peer[1]


def group_address_of(address_of: AddressOf) -> AddressOf:
    """Return the `address_of` for peers of a group, given the one for peers of a single socket."""
    return lambda peer: address_of(parts(peer)[1])
