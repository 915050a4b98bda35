"""One service on two sockets: everybody hears the answer on the line that they called on."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import pytest
from support.looping import FakeClock, receive, turn

from netechod.reactor.datagram_io import PlainDatagramIO
from netechod.reactor.loop import Loop
from netechod.reactor.switchboard import Line, Switchboard
from netechod.reactor.udp import UdpEndpoint
from netechod.services.api import Datagram, Outbox, Peer


class Room:
    """Answers the caller, tells everybody when somebody says `all`, and again a minute later."""

    def __init__(self) -> None:
        self.peers: list[Peer] = []
        self.deadline: float | None = None

    def datagrams_received(self, batch: Sequence[Datagram], now: float, out: Outbox) -> None:
        """See DatagramService."""
        for payload, peer in batch:
            if peer not in self.peers:
                self.peers.append(peer)
            if payload == b"all":
                out.broadcast(payload, self.peers)
                self.deadline = now + 60.0
            else:
                out.send(payload, peer)

    def next_deadline(self) -> float | None:
        """See DatagramService."""
        return self.deadline

    def deadline_reached(self, now: float, out: Outbox) -> None:
        """See DatagramService."""
        if self.deadline is not None and now >= self.deadline:
            self.deadline = None
            out.broadcast(b"a minute has passed", self.peers)


class Bench:
    """A room with two lines, and its callers."""

    def __init__(self, loop: Loop, resources: ExitStack) -> None:
        self._resources = resources
        self.room = Room()
        self.socks = [self._socket(), self._socket()]
        ios = [PlainDatagramIO(sock) for sock in self.socks]
        self.board = Switchboard(ios)
        for number, (sock, io) in enumerate(zip(self.socks, ios, strict=True)):
            endpoint = UdpEndpoint(loop, sock, io, Line(self.board, number, self.room))
            resources.callback(endpoint.close)
            self.board.endpoints.append(endpoint)

    def caller(self, line: int) -> socket.socket:
        """A client that hears only the line it calls on."""
        sock = self._socket()
        sock.connect(self.socks[line].getsockname())
        return sock

    def _socket(self) -> socket.socket:
        sock = self._resources.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        return sock


@pytest.fixture
def bench(loop: Loop) -> Iterator[Bench]:
    with ExitStack() as resources:
        yield Bench(loop, resources)


def test_an_answer_leaves_on_the_line_of_the_question(bench: Bench, loop: Loop) -> None:
    for line in (0, 1):
        caller = bench.caller(line)
        caller.send(b"hello")
        assert receive(loop, caller) == b"hello"


def test_a_peer_is_known_by_its_line_and_has_an_address(bench: Bench, loop: Loop) -> None:
    caller = bench.caller(1)
    caller.send(b"hello")
    receive(loop, caller)
    [peer] = bench.room.peers
    assert bench.board.address_of(peer) == caller.getsockname()


def test_a_broadcast_reaches_everybody_on_their_own_line(bench: Bench, loop: Loop) -> None:
    callers = [bench.caller(line) for line in (0, 1, 0)]
    for caller in callers:
        caller.send(b"hello")
        assert receive(loop, caller) == b"hello"
    callers[0].send(b"all")
    assert [receive(loop, caller) for caller in callers] == [b"all"] * 3


def test_a_line_without_peers_sends_nothing(bench: Bench, loop: Loop) -> None:
    caller = bench.caller(1)
    caller.send(b"all")
    assert receive(loop, caller) == b"all"
    assert [endpoint.counters.sent for endpoint in bench.board.endpoints] == [0, 1]


def test_a_deadline_is_kept_once_for_all_lines(bench: Bench, loop: Loop, clock: FakeClock) -> None:
    callers = [bench.caller(line) for line in (0, 1)]
    for caller in callers:
        caller.send(b"all")
        receive(loop, caller)
    assert receive(loop, callers[0]) == b"all", "the second caller's"
    clock.advance(60.0)
    turn(loop)
    assert [receive(loop, caller) for caller in callers] == [b"a minute has passed"] * 2
    clock.advance(60.0)
    turn(loop, 2)
    assert sum(endpoint.counters.sent for endpoint in bench.board.endpoints) == 5
