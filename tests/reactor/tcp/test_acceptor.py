"""The acceptor: its limit per turn, and its answers to failures of accept(2)."""

import errno
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from support.looping import FakeClock, TcpBench, run_until, turn, waiting_turn
from support.shortage import no_descriptor_left

from netechod.reactor.counters import TcpCounters
from netechod.reactor.loop import Loop
from netechod.reactor.selectors import SelectSelector
from netechod.reactor.tcp.acceptor import ACCEPTS_PER_TURN, PAUSE, Acceptor
from netechod.services.admission.log_throttle import TROUBLE_INTERVAL

COMPLAINT = "accept failed, new connections wait: Too many open files"


class Listener(socket.socket):
    """A listening socket whose next calls of accept fail as the test says."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(fileno=os.dup(sock.fileno()))
        self.failures: list[int] = []

    def accept(self) -> tuple[socket.socket, Any]:
        """Fail with the next errno, or accept."""
        if self.failures:
            number = self.failures.pop(0)
            raise OSError(number, os.strerror(number))
        return super().accept()


class Bench:
    """An acceptor, and what it has handed on."""

    def __init__(self, loop: Loop, tcp: TcpBench, resources: ExitStack) -> None:
        self.listener = resources.enter_context(Listener(tcp.listener))
        self.counters = TcpCounters()
        self.names: list[tuple[str, int]] = []
        self._resources = resources
        self.acceptor = Acceptor(loop, self.listener, self.counters, self._accepted)

    def _accepted(self, sock: socket.socket, address: tuple[str, int]) -> None:
        self._resources.enter_context(sock)
        self.names.append(address)


@pytest.fixture
def bench(loop: Loop, tcp: TcpBench) -> Iterator[Bench]:
    with ExitStack() as resources:
        bench = Bench(loop, tcp, resources)
        yield bench
        if bench.listener.fileno() != -1:
            bench.acceptor.close()


def test_a_connection_is_handed_on_with_the_address_of_its_peer(
    bench: Bench, loop: Loop, tcp: TcpBench
) -> None:
    client = tcp.connect()
    run_until(loop, lambda: bench.names)
    assert bench.names == [client.getsockname()]


def test_a_crowd_is_accepted_in_parts_so_that_others_have_their_turn(
    bench: Bench, loop: Loop, tcp: TcpBench
) -> None:
    for _ in range(ACCEPTS_PER_TURN + 10):
        tcp.connect()
    turn(loop)
    assert len(bench.names) == ACCEPTS_PER_TURN
    turn(loop)
    assert len(bench.names) == ACCEPTS_PER_TURN + 10


def test_while_it_is_paused_newcomers_wait(bench: Bench, loop: Loop, tcp: TcpBench) -> None:
    bench.acceptor.pause()
    tcp.connect()
    turn(loop, 3)
    assert not bench.names
    bench.acceptor.resume()
    run_until(loop, lambda: bench.names)


def test_a_pause_in_the_middle_of_a_crowd_is_immediate(loop: Loop, tcp: TcpBench) -> None:
    with ExitStack() as resources:
        accepted: list[int] = []

        def take_one(sock: socket.socket, address: tuple[str, int]) -> None:
            resources.enter_context(sock)
            accepted.append(address[1])
            acceptor.pause()

        acceptor = Acceptor(loop, tcp.listener, TcpCounters(), take_one)
        for _ in range(3):
            tcp.connect()
        turn(loop, 3)
        assert len(accepted) == 1
        acceptor.close()


@pytest.mark.parametrize("number", [errno.ECONNABORTED, errno.EPROTO, errno.EPERM])
def test_a_client_that_is_gone_already_is_counted_and_passed_over(
    bench: Bench, loop: Loop, tcp: TcpBench, number: int
) -> None:
    bench.listener.failures = [number, number]
    client = tcp.connect()
    turn(loop)
    assert bench.names == [client.getsockname()]
    assert bench.counters.accept_errors == 2


def test_without_descriptors_it_looks_away_and_recovers(
    bench: Bench, loop: Loop, clock: FakeClock, tcp: TcpBench
) -> None:
    client = tcp.connect()
    with no_descriptor_left():
        turn(loop, 50)
        assert bench.counters.accept_errors == 1
        clock.advance(PAUSE)
        turn(loop, 50)
        assert bench.counters.accept_errors == 2
    turn(loop, 50)
    assert not bench.names
    clock.advance(PAUSE)
    turn(loop, 2)
    assert bench.names == [client.getsockname()]


def test_a_loop_without_descriptors_sleeps_and_does_not_spin(bench: Bench, loop: Loop, tcp: TcpBench) -> None:
    tcp.connect()
    with no_descriptor_left():
        turn(loop)
        began = time.monotonic()
        waiting_turn(loop)
    assert time.monotonic() - began >= PAUSE * 0.99
    assert bench.counters.accept_errors == 1


def test_a_shortage_is_told_once_in_ten_seconds(
    bench: Bench, loop: Loop, clock: FakeClock, tcp: TcpBench, caplog: pytest.LogCaptureFixture
) -> None:
    tcp.connect()
    with no_descriptor_left():
        for _ in range(3 * int(TROUBLE_INTERVAL / PAUSE)):
            turn(loop, 2)
            clock.advance(PAUSE)
    assert bench.counters.accept_errors > 100
    assert [(record.levelno, record.message) for record in caplog.records] == [(logging.ERROR, COMPLAINT)] * 3


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ENOSPC])
def test_every_kind_of_shortage_pauses(
    bench: Bench, loop: Loop, clock: FakeClock, tcp: TcpBench, number: int
) -> None:
    bench.listener.failures = [number]
    tcp.connect()
    turn(loop, 3)
    assert not bench.names
    clock.advance(PAUSE)
    turn(loop, 2)
    assert len(bench.names) == 1


def test_where_a_whole_turn_brings_nothing_but_errors_it_looks_away(
    bench: Bench, loop: Loop, clock: FakeClock, tcp: TcpBench
) -> None:
    bench.listener.failures = [errno.EACCES] * (ACCEPTS_PER_TURN + 1)
    tcp.connect()
    turn(loop, 5)
    assert bench.counters.accept_errors == ACCEPTS_PER_TURN
    clock.advance(PAUSE)
    turn(loop, 2)
    assert len(bench.names) == 1


def test_a_connection_that_nobody_can_watch_is_closed_and_the_next_one_waits(
    loop: Loop, clock: FakeClock, tcp: TcpBench
) -> None:
    troubles = [OSError(errno.ENOSPC, "no room in epoll(7)")]
    with ExitStack() as resources:
        taken: list[int] = []

        def take(sock: socket.socket, address: tuple[str, int]) -> None:
            if troubles:
                raise troubles.pop()
            resources.enter_context(sock)
            taken.append(address[1])

        counters = TcpCounters()
        acceptor = Acceptor(loop, tcp.listener, counters, take)
        unlucky, lucky = tcp.connect(), tcp.connect()
        turn(loop, 3)
        assert (unlucky.recv(1), taken, counters.accept_errors) == (b"", [], 1)
        clock.advance(PAUSE)
        turn(loop, 2)
        assert taken == [lucky.getsockname()[1]]
        acceptor.close()


class FullSelector(SelectSelector):
    """A selector with no room for another descriptor for now."""

    full = False

    def register(self, fd: int, mask: int) -> None:
        """See Selector."""
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().register(fd, mask)


def test_a_listener_that_cannot_be_watched_now_is_watched_later(
    clock: FakeClock, tcp: TcpBench, resources: ExitStack
) -> None:
    selector = FullSelector()
    loop = Loop(selector, clock)
    resources.callback(loop.close)
    selector.full = True
    bench = Bench(loop, tcp, resources)
    tcp.connect()
    turn(loop, 2)
    assert not bench.names
    selector.full = False
    clock.advance(PAUSE)
    turn(loop, 2)
    assert len(bench.names) == 1
    bench.acceptor.close()


def test_a_pause_during_a_shortage_outlasts_it(
    bench: Bench, loop: Loop, clock: FakeClock, tcp: TcpBench
) -> None:
    bench.listener.failures = [errno.EMFILE]
    tcp.connect()
    turn(loop)
    bench.acceptor.pause()
    clock.advance(PAUSE)
    turn(loop, 3)
    assert not bench.names
    bench.acceptor.resume()
    turn(loop)
    assert len(bench.names) == 1


def test_resuming_during_a_shortage_waits_for_its_end(
    bench: Bench, loop: Loop, clock: FakeClock, tcp: TcpBench
) -> None:
    bench.listener.failures = [errno.EMFILE]
    tcp.connect()
    turn(loop)
    bench.acceptor.pause()
    bench.acceptor.resume()
    turn(loop, 3)
    assert not bench.names
    clock.advance(PAUSE)
    turn(loop, 2)
    assert len(bench.names) == 1


def test_draining_takes_everybody_who_waits_in_the_backlog(bench: Bench, loop: Loop, tcp: TcpBench) -> None:
    for _ in range(ACCEPTS_PER_TURN + 10):
        tcp.connect()
    bench.acceptor.drain()
    assert len(bench.names) == ACCEPTS_PER_TURN + 10
    assert bench.listener.fileno() == -1
    turn(loop)


def test_draining_during_a_shortage_takes_nobody(
    bench: Bench, loop: Loop, clock: FakeClock, tcp: TcpBench
) -> None:
    bench.listener.failures = [errno.EMFILE]
    tcp.connect()
    turn(loop)
    bench.acceptor.drain()
    clock.advance(PAUSE)
    turn(loop, 2)
    assert not bench.names
    assert bench.listener.fileno() == -1


def test_pausing_what_is_closed_is_harmless(bench: Bench, loop: Loop, tcp: TcpBench) -> None:
    bench.acceptor.close()
    bench.acceptor.pause()
    turn(loop)


def test_a_connection_without_memory_is_closed_and_the_next_one_waits(
    loop: Loop, clock: FakeClock, tcp: TcpBench, caplog: pytest.LogCaptureFixture
) -> None:
    with ExitStack() as resources:
        taken: list[int] = []

        def take(sock: socket.socket, address: tuple[str, int]) -> None:
            if not taken:
                taken.append(0)
                raise MemoryError
            resources.enter_context(sock)
            taken.append(address[1])

        acceptor = Acceptor(loop, tcp.listener, TcpCounters(), take)
        unlucky, lucky = tcp.connect(), tcp.connect()
        turn(loop, 3)
        assert (unlucky.recv(1), taken) == (b"", [0])
        assert caplog.messages == ["accept failed, new connections wait: Cannot allocate memory"]
        clock.advance(PAUSE)
        turn(loop, 2)
        assert taken == [0, lucky.getsockname()[1]]
        acceptor.close()
