"""One service behind several sockets: a peer is known together with the line that it came in on."""

from collections.abc import Sequence

from netechod.reactor.datagram_io import DatagramIO
from netechod.reactor.udp import UdpEndpoint
from netechod.services.api import Datagram, DatagramService, Outbox, Peer


class Switchboard(Outbox):
    """The outbox that answers on the line where each peer is at home: a peer is (line number, peer there)."""

    def __init__(self, ios: Sequence[DatagramIO]) -> None:
        self._ios = ios
        self.endpoints: list[UdpEndpoint] = []  # by line number, filled when they exist

    def address_of(self, peer: Peer) -> tuple[str, int]:
        """The peer's address, as text, and its port."""
        line, inner = _parts(peer)
        return self._ios[line].address_of(inner)

    def send(self, payload: bytes, peer: Peer) -> None:
        """See Outbox."""
        line, inner = _parts(peer)
        self.endpoints[line].send(payload, inner)

    def broadcast(self, payload: bytes, peers: Sequence[Peer]) -> None:
        """See Outbox."""
        by_line: list[list[Peer]] = [[] for _ in self.endpoints]
        for peer in peers:
            line, inner = _parts(peer)
            by_line[line].append(inner)
        for endpoint, inners in zip(self.endpoints, by_line, strict=True):
            if inners:
                endpoint.broadcast(payload, inners)


class Line:
    """The service as one endpoint sees it: peers are marked with the line on their way in."""

    def __init__(self, board: Switchboard, number: int, service: DatagramService) -> None:
        self._board = board
        self._number = number
        self._service = service
        self.next_deadline = service.next_deadline  # every line keeps the time; the first to reach it acts

    def datagrams_received(self, batch: Sequence[Datagram], now: float, out: Outbox) -> None:
        """See DatagramService."""
        number = self._number
        marked = [(payload, (number, peer)) for payload, peer in batch]
        self._service.datagrams_received(marked, now, self._board)

    def deadline_reached(self, now: float, out: Outbox) -> None:
        """See DatagramService."""
        self._service.deadline_reached(now, self._board)


def _parts(peer: Peer) -> tuple[int, Peer]:
    assert isinstance(peer, tuple)  # noqa: S101 (for the type checker: every peer here was made by a Line)
    return peer[0], peer[1]
