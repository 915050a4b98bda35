"""ICMP errors about our datagrams: those about members are reported, and none costs other peers anything."""

import errno
import os
import socket
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from typing import NoReturn

import pytest
from support.looping import FakeClock, receive, run_until, settle, turn

from netechod.linux import IP_RECVERR
from netechod.reactor.loop import Loop
from netechod.reactor.udp.budget import BATCH, ERROR_LIMIT, TURN_LIMIT
from netechod.reactor.udp.datagram_io import DatagramIO
from netechod.reactor.udp.endpoint import UdpEndpoint
from netechod.reactor.udp.error_queue import MUTE_TIME, Destination, ErrorQueue
from netechod.reactor.udp.measuring import MeasuringDatagramIO
from netechod.reactor.udp.mmsg import BatchMemory, MmsgDatagramIO
from netechod.reactor.udp.outbox import TRIES
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

    def __init__(self, loop: Loop, resources: ExitStack, *, host: str, measures: bool) -> None:
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
        self.refused: list[Destination] = []
        self.forgotten: set[Destination] = set()
        self._gone: set[int] = set()  # ports of ghosts; the kernel may give them out again
        self.tellings = 0
        self.guests = Guests()
        io: DatagramIO = (MeasuringDatagramIO if measures else MmsgDatagramIO)(self.sock, BatchMemory())
        self.errors = ErrorQueue(loop, self.sock, self.is_known, self.told)
        self.endpoint = UdpEndpoint(loop, self.sock, io, self.guests, self.errors)
        resources.callback(self.endpoint.close)

    def is_known(self, destination: Destination) -> bool:
        """Count the question; everybody is known but those that the test has forgotten."""
        return destination not in self.forgotten

    def told(self, destinations: Collection[Destination]) -> None:
        """Note which ports were refused."""
        self.refused += destinations
        self.tellings += 1

    def tell(self, payload: bytes, *peers: Peer) -> None:
        """Send, and take no errors yet: they wait in the queue."""
        self.endpoint.broadcast(payload, peers)
        if self.endpoint._queue.size:
            turn(self._loop)

    def guest(self) -> tuple[socket.socket, Peer]:
        """A client that the endpoint knows, and the peer as which it does."""
        sock = self._connected()
        while sock.getsockname()[1] in self._gone:
            sock.close()
            sock = self._connected()
        sock.setblocking(False)
        known = len(self.guests.peers)
        sock.send(b"here")
        run_until(self._loop, lambda: len(self.guests.peers) > known)
        return sock, self.guests.peers[-1]

    def _connected(self) -> socket.socket:
        family = socket.AF_INET6 if self._host == IPV6 else socket.AF_INET
        sock = self._resources.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        sock.connect((IPV6 if self._host == IPV6 else IPV4, self.port))
        return sock

    def ghost(self) -> tuple[Destination, Peer]:
        """Return the destination and the peer of a client that has gone."""
        sock, peer = self.guest()
        port = sock.getsockname()[1]
        sock.close()
        self._gone.add(port)
        return (self._host, port), peer


@pytest.fixture(params=[IPV4, IPV6, MAPPED])
def host(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[False, True], ids=["mmsg", "measuring"])
def bench(loop: Loop, host: str, request: pytest.FixtureRequest) -> Iterator[Bench]:
    with ExitStack() as resources:
        yield Bench(loop, resources, host=host, measures=request.param)


def test_it_is_told_where_nobody_listens(bench: Bench, loop: Loop) -> None:
    destination, peer = bench.ghost()
    bench.tell(b"anybody?", peer)
    run_until(loop, lambda: bench.refused)
    assert bench.refused == [destination]


def test_each_place_is_told_once_a_turn_however_often_it_refuses(bench: Bench, loop: Loop) -> None:
    destination, peer = bench.ghost()
    bench.tell(b"anybody?", *[peer] * 20)
    run_until(loop, lambda: bench.refused)
    assert set(bench.refused) == {destination}
    assert len(bench.refused) == bench.tellings


def test_the_errors_of_the_dead_cost_the_living_nothing(bench: Bench, loop: Loop) -> None:
    living = [bench.guest() for _ in range(5)]
    dead = [bench.ghost() for _ in range(5)]
    mixed = [peer for pair in zip(living, dead, strict=True) for _, peer in pair]
    for news in (b"one", b"two", b"three"):
        bench.tell(news, *mixed)
    for sock, _ in living:
        assert [receive(loop, sock) for _ in range(3)] == [b"one", b"two", b"three"]
    run_until(loop, lambda: set(bench.refused) == {destination for destination, _ in dead})
    assert bench.endpoint.counters.send_errors == 0
    assert bench.endpoint.counters.sent == 30


def test_an_error_that_the_next_batch_of_answers_meets_costs_that_nothing(bench: Bench, loop: Loop) -> None:
    sock, peer = bench.guest()
    destination, gone = bench.ghost()
    bench.tell(b"news", *[peer] * (BATCH - 1), gone, peer)
    assert [receive(loop, sock) for _ in range(BATCH)] == [b"news"] * BATCH
    run_until(loop, lambda: bench.refused)
    assert bench.refused == [destination]
    assert bench.endpoint.counters.send_errors == 0


def test_it_is_told_of_an_error_that_a_later_answer_has_met(bench: Bench, loop: Loop) -> None:
    _, peer = bench.guest()
    destination, gone = bench.ghost()
    bench.tell(b"news", gone, peer)  # the failed call took the error off the socket, but not out of its queue
    run_until(loop, lambda: bench.refused)
    assert bench.refused == [destination]


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
    bench.endpoint.drain(loop.clock() + 1)
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


def test_errors_about_nobody_we_know_are_not_told(bench: Bench, loop: Loop) -> None:
    stranger, peer = bench.ghost()
    destination, gone = bench.ghost()
    bench.forgotten.add(stranger)
    bench.tell(b"anybody?", peer, gone)
    run_until(loop, lambda: bench.refused)
    assert bench.refused == [destination]


def test_a_turn_takes_so_many_errors_and_no_more(bench: Bench, loop: Loop) -> None:
    ghosts = [bench.ghost() for _ in range(4 * ERROR_LIMIT)]
    loop.longest_turn = 0
    for _, gone in ghosts:
        bench.endpoint.send(b"anybody?", gone)
    turn(loop)
    run_until(loop, lambda: set(bench.refused) == {destination for destination, _ in ghosts})
    assert bench.tellings >= 2
    assert loop.longest_turn <= TURN_LIMIT
    assert bench.endpoint.counters.send_errors == 0


def test_a_flood_of_errors_about_nobody_is_switched_off_for_a_moment(
    bench: Bench, loop: Loop, clock: FakeClock
) -> None:
    ghosts = [bench.ghost() for _ in range(ERROR_LIMIT)]
    bench.forgotten.update(destination for destination, _ in ghosts)
    sock, living = bench.guest()
    destination, gone = bench.ghost()
    bench.tell(b"anybody?", *[peer for _, peer in ghosts] * 2)
    turn(loop, 2)
    option = (socket.IPPROTO_IP, IP_RECVERR)
    assert bench.sock.getsockopt(*option) == 0
    bench.tell(b"news", gone, living)
    assert receive(loop, sock) == b"news"
    assert bench.refused == []
    clock.advance(MUTE_TIME)
    turn(loop)
    assert bench.sock.getsockopt(*option) == 1
    bench.tell(b"news", gone, living)
    run_until(loop, lambda: bench.refused)
    assert bench.refused == [destination]
    assert bench.endpoint.counters.send_errors == 0


def test_a_queue_that_is_closed_while_it_is_switched_off_stays_so(
    bench: Bench, loop: Loop, clock: FakeClock
) -> None:
    ghosts = [bench.ghost() for _ in range(ERROR_LIMIT)]
    bench.forgotten.update(destination for destination, _ in ghosts)
    bench.tell(b"anybody?", *[peer for _, peer in ghosts] * 2)
    turn(loop, 2)
    bench.endpoint.close()
    clock.advance(MUTE_TIME)
    turn(loop)


def test_a_queue_that_is_closed_tells_nothing_more(bench: Bench, loop: Loop) -> None:
    _, peer = bench.ghost()
    bench.tell(b"anybody?", peer)
    assert bench.errors.drain()
    bench.endpoint.close()
    turn(loop)
    assert not bench.tellings


def test_a_datagram_that_fails_again_and_again_beside_others_errors_is_given_up(loop: Loop) -> None:
    """As in a flood that puts an error before every call: whose fault it is cannot be told."""

    class Failing(MmsgDatagramIO):
        tries = 0

        def send(self, datagrams: Sequence[Datagram]) -> int:
            self.tries += 1
            raise OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))

        def receive(self) -> Sequence[Datagram]:
            self.tries += 1
            raise OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))

    class Reporting(ErrorQueue):
        def drain(self) -> bool:
            return True

    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock,
        socket.socket(type=socket.SOCK_DGRAM) as other,
    ):
        sock.bind((IPV4, 0))
        errors = Reporting(loop, sock, lambda destination: True, lambda destinations: None)
        io = Failing(sock, BatchMemory())
        endpoint = UdpEndpoint(loop, sock, io, Guests(), errors)
        endpoint.send(b"news", "somebody")
        turn(loop)
        assert (io.tries, endpoint.counters.send_errors) == (TRIES, 1)
        other.sendto(b"hello", sock.getsockname())
        settle()
        turn(loop)
        assert (io.tries, endpoint.counters.receive_errors) == (2 * TRIES, 0)
        endpoint.close()


class Deaf(socket.socket):
    """A socket whose error queue cannot be read."""

    def recvmsg(self, *arguments: int) -> NoReturn:
        raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))


def test_a_queue_that_cannot_be_read_is_no_reason_to_end(loop: Loop) -> None:
    with Deaf(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        assert not ErrorQueue(loop, sock, lambda destination: True, lambda destinations: None).drain()


def test_a_host_that_cannot_be_reached_for_now_is_not_told_as_gone(bench: Bench, loop: Loop) -> None:
    bench.errors._note(errno.EHOSTUNREACH, (IPV4, 5000))
    turn(loop, 2)
    assert bench.refused == []
