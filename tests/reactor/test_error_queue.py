"""What the network says about datagrams that went nowhere, and whom it must not cost anything."""

import errno
import os
import socket
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from typing import NoReturn

import pytest
from support.looping import receive, run_until, settle, turn

from netechod.reactor.datagram_io import BATCH, DatagramIO, PlainDatagramIO
from netechod.reactor.error_queue import ErrorQueue, Place, error_queue
from netechod.reactor.loop import Loop
from netechod.reactor.mmsg import BatchMemory, MmsgDatagramIO
from netechod.reactor.udp import UdpEndpoint
from netechod.services.api import Datagram, Outbox, Peer
from netechod.services.echo import EchoService

IPV4, IPV6, MAPPED = "127.0.0.1", "::1", "::ffff:127.0.0.1"


class Guests(EchoService):
    """Remembers who has asked, and answers nothing."""

    def __init__(self) -> None:
        self.peers: list[Peer] = []

    def datagrams_received(self, batch: Sequence[Datagram], now: float, out: Outbox) -> None:
        """See DatagramService."""
        self.peers += [peer for _, peer in batch]


class Bench:
    """An endpoint that hears of errors, on a real socket, and its clients."""

    def __init__(self, loop: Loop, resources: ExitStack, *, host: str, portable: bool) -> None:
        self._loop = loop
        self._resources = resources
        self._host = host
        family = socket.AF_INET if host == IPV4 else socket.AF_INET6
        self.sock = resources.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        if host == MAPPED:
            self.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.sock.bind(("::" if host == MAPPED else host, 0))
        self.sock.setblocking(False)
        self.port: int = self.sock.getsockname()[1]
        self.refused: list[Place] = []
        self.tellings = 0
        self.guests = Guests()
        io: DatagramIO = PlainDatagramIO(self.sock) if portable else MmsgDatagramIO(self.sock, BatchMemory())
        self.errors = ErrorQueue(loop, self.sock, self.told)
        self.endpoint = UdpEndpoint(loop, self.sock, io, self.guests, self.errors)
        resources.callback(self.endpoint.close)

    def told(self, places: Collection[Place]) -> None:
        """Note which ports were refused."""
        self.refused += places
        self.tellings += 1

    def tell(self, payload: bytes, *peers: Peer) -> None:
        """Send, and look at nothing yet: errors that come of it wait."""
        self.endpoint.broadcast(payload, peers)
        turn(self._loop)

    def guest(self) -> tuple[socket.socket, Peer]:
        """A client that the endpoint knows, and the peer as which it does."""
        family = socket.AF_INET6 if self._host == IPV6 else socket.AF_INET
        sock = self._resources.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        sock.connect((IPV6 if self._host == IPV6 else IPV4, self.port))
        sock.setblocking(False)
        known = len(self.guests.peers)
        sock.send(b"here")
        run_until(self._loop, lambda: len(self.guests.peers) > known)
        return sock, self.guests.peers[-1]

    def ghost(self) -> tuple[Place, Peer]:
        """Somebody who is gone: the place, and the peer."""
        sock, peer = self.guest()
        port = sock.getsockname()[1]
        sock.close()
        return (self._host, port), peer


@pytest.fixture(params=[IPV4, IPV6, MAPPED])
def host(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[False, True], ids=["mmsg", "portable"])
def bench(loop: Loop, host: str, request: pytest.FixtureRequest) -> Iterator[Bench]:
    with ExitStack() as resources:
        yield Bench(loop, resources, host=host, portable=request.param)


def test_it_is_told_where_nobody_listens(bench: Bench, loop: Loop) -> None:
    place, peer = bench.ghost()
    bench.tell(b"anybody?", peer)
    run_until(loop, lambda: bench.refused)
    assert bench.refused == [place]


def test_each_place_is_told_once_a_turn_however_often_it_refuses(bench: Bench, loop: Loop) -> None:
    place, peer = bench.ghost()
    bench.tell(b"anybody?", *[peer] * 20)
    run_until(loop, lambda: bench.refused)
    assert set(bench.refused) == {place}
    assert len(bench.refused) == bench.tellings


def test_the_errors_of_the_dead_cost_the_living_nothing(bench: Bench, loop: Loop) -> None:
    living = [bench.guest() for _ in range(5)]
    dead = [bench.ghost() for _ in range(5)]
    mixed = [peer for pair in zip(living, dead, strict=True) for _, peer in pair]
    for news in (b"one", b"two", b"three"):
        bench.tell(news, *mixed)
    for sock, _ in living:
        assert [receive(loop, sock) for _ in range(3)] == [b"one", b"two", b"three"]
    run_until(loop, lambda: set(bench.refused) == {place for place, _ in dead})
    assert bench.endpoint.counters.send_errors == 0
    assert bench.endpoint.counters.sent == 30


def test_an_error_that_the_next_batch_of_answers_meets_costs_that_nothing(bench: Bench, loop: Loop) -> None:
    sock, peer = bench.guest()
    place, gone = bench.ghost()
    bench.tell(b"news", *[peer] * (BATCH - 1), gone, peer)
    assert [receive(loop, sock) for _ in range(BATCH)] == [b"news"] * BATCH
    run_until(loop, lambda: bench.refused)
    assert bench.refused == [place]
    assert bench.endpoint.counters.send_errors == 0


def test_it_is_told_of_an_error_that_a_later_answer_has_met(bench: Bench, loop: Loop) -> None:
    _, peer = bench.guest()
    place, gone = bench.ghost()
    bench.tell(b"news", gone, peer)  # the failed call took the error off the socket, but not out of its queue
    run_until(loop, lambda: bench.refused)
    assert bench.refused == [place]


def test_an_error_that_waits_when_somebody_asks_costs_the_question_nothing(bench: Bench, loop: Loop) -> None:
    sock, peer = bench.guest()
    _, gone = bench.ghost()
    bench.tell(b"anybody?", gone)
    sock.send(b"hello?")
    settle()
    known = len(bench.guests.peers)
    turn(loop)
    assert bench.guests.peers[known:] == [peer]
    assert bench.endpoint.counters.receive_errors == 0


def test_what_waits_is_answered_before_the_end_in_spite_of_an_error(bench: Bench, loop: Loop) -> None:
    sock, peer = bench.guest()
    _, gone = bench.ghost()
    bench.tell(b"anybody?", gone)
    sock.send(b"last words")
    settle()
    known = len(bench.guests.peers)
    bench.endpoint.drain()
    assert bench.guests.peers[known:] == [peer]


def test_a_datagram_that_the_kernel_will_never_take_is_dropped_and_not_tried_for_ever(
    bench: Bench, loop: Loop
) -> None:
    sock, peer = bench.guest()
    bench.tell(b"x" * 65530, peer)  # our own kernel queues an error for that too
    bench.tell(b"news", peer)
    assert receive(loop, sock) == b"news"
    assert bench.endpoint.counters.send_errors == 1
    assert bench.refused == []


def test_linux_has_error_queues_and_others_do_without(
    bench: Bench, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(error_queue(loop, bench.sock, bench.told), ErrorQueue)
    monkeypatch.setattr("sys.platform", "freebsd14")
    assert error_queue(loop, bench.sock, bench.told) is None


class Deaf(socket.socket):
    """A socket whose error queue cannot be read."""

    def recvmsg(self, *arguments: int) -> NoReturn:
        raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))


def test_a_queue_that_cannot_be_read_is_no_reason_to_end(loop: Loop) -> None:
    with Deaf(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        assert not ErrorQueue(loop, sock, lambda places: None).drain()
