"""One service on two sockets: each peer hears the answer from the address that it has spoken to."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import pytest
from support.looping import FakeClock, receive, settle, turn

from netechod.reactor.loop import Loop
from netechod.reactor.udp.budget import SEND_LIMIT
from netechod.reactor.udp.mmsg import BatchMemory, MmsgDatagramIO
from netechod.reactor.udp.socket_group import SocketGroup, group_address_of
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
    """A room with two sockets, and its callers."""

    def __init__(self, loop: Loop, resources: ExitStack) -> None:
        self._resources = resources
        self.room = Room()
        self.socks = [self._socket(), self._socket()]
        memory = BatchMemory()
        self.group = SocketGroup(loop, self.room)
        for sock in self.socks:
            self.group.add(sock, MmsgDatagramIO(sock, memory), None)
        for endpoint in self.group.endpoints:
            resources.callback(endpoint.close)

    def caller(self, number: int) -> socket.socket:
        """A client that hears only the socket that it speaks to."""
        sock = self._socket()
        sock.connect(self.socks[number].getsockname())
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


def test_an_answer_leaves_from_the_socket_that_was_asked(bench: Bench, loop: Loop) -> None:
    for number in (0, 1):
        caller = bench.caller(number)
        caller.send(b"hello")
        assert receive(loop, caller) == b"hello"


def test_a_peer_is_known_by_its_socket_and_has_an_address(bench: Bench, loop: Loop) -> None:
    caller = bench.caller(1)
    caller.send(b"hello")
    receive(loop, caller)
    [peer] = bench.room.peers
    assert group_address_of(MmsgDatagramIO.address_of)(peer) == caller.getsockname()


def test_a_broadcast_reaches_each_peer_from_its_own_socket(bench: Bench, loop: Loop) -> None:
    callers = [bench.caller(number) for number in (0, 1, 0)]
    for caller in callers:
        caller.send(b"hello")
        assert receive(loop, caller) == b"hello"
    callers[0].send(b"all")
    assert [receive(loop, caller) for caller in callers] == [b"all"] * 3


def test_a_socket_without_peers_sends_nothing(bench: Bench, loop: Loop) -> None:
    caller = bench.caller(1)
    caller.send(b"all")
    assert receive(loop, caller) == b"all"
    assert [endpoint.counters.sent for endpoint in bench.group.endpoints] == [0, 1]


def test_a_deadline_is_kept_once_for_all_sockets(bench: Bench, loop: Loop, clock: FakeClock) -> None:
    callers = [bench.caller(number) for number in (0, 1)]
    for caller in callers:
        caller.send(b"all")
        receive(loop, caller)
    assert receive(loop, callers[0]) == b"all", "the second caller's"
    clock.advance(60.0)
    turn(loop)
    assert [receive(loop, caller) for caller in callers] == [b"a minute has passed"] * 2
    clock.advance(60.0)
    turn(loop, 2)
    assert sum(endpoint.counters.sent for endpoint in bench.group.endpoints) == 5


def test_while_many_answers_of_one_socket_wait_no_socket_receives(bench: Bench, loop: Loop) -> None:
    callers = [bench.caller(number) for number in (0, 1)]
    for caller in callers:
        caller.send(b"hello")
        assert receive(loop, caller) == b"hello"
    first = next(peer for peer in bench.room.peers if isinstance(peer, tuple) and peer[0] == 0)
    bench.group.broadcast(b"news", [first] * (3 * SEND_LIMIT))
    for caller in callers:
        caller.send(b"a question")
    settle()
    received = [endpoint.counters.received for endpoint in bench.group.endpoints]
    turn(loop, 2)
    assert [endpoint.counters.received for endpoint in bench.group.endpoints] == received
    turn(loop, 2)
    assert [endpoint.counters.received for endpoint in bench.group.endpoints] == [
        number + 1 for number in received
    ]
