"""Threads that serve: their start and end, and the case that the system allows no more."""

import logging
import socket
import threading

import pytest
from support.looping import FakeClock, TcpBench, receive, receive_rest, run_until, turn

from netechod.reactor.loop import Loop
from netechod.reactor.tcp.accept_queue import TcpLimits
from netechod.reactor.tcp.acceptor import PAUSE
from netechod.reactor.tcp.models import model_of
from netechod.reactor.tcp.threads import Pool
from netechod.services.admission.log_throttle import TROUBLE_INTERVAL
from netechod.services.api import Chunk
from netechod.services.echo import EchoSession

SHORTAGE = "a connection cannot be served, new ones wait: Resource temporarily unavailable"


def names() -> list[str]:
    """The threads that there are beside ours."""
    return sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("echo"))


def test_a_connection_has_a_thread_that_ends_with_it(loop: Loop, tcp: TcpBench) -> None:
    server = tcp.serve(model="thread")
    client = tcp.connected(server)
    assert names() == [f"echo-tcp 127.0.0.1--{client.getsockname()[1]}"]
    client.close()
    run_until(loop, lambda: server.counters.closed)
    server.close()
    assert names() == []


def test_closing_waits_for_every_thread(tcp: TcpBench) -> None:
    server = tcp.serve(model="thread")
    for _ in range(20):
        tcp.connected(server)
    server.close()
    assert names() == []
    assert (server.count, server.counters.closed) == (0, 20)


def test_a_pool_has_its_threads_from_the_beginning_to_the_end(tcp: TcpBench) -> None:
    server = tcp.serve(model="pool")
    assert names() == ["echo-tcp-1", "echo-tcp-2", "echo-tcp-3"]
    for _ in range(5):
        tcp.connected(server)
    assert names() == ["echo-tcp-1", "echo-tcp-2", "echo-tcp-3"]
    server.close()
    assert names() == []


def test_a_pool_has_the_size_that_was_asked_for(loop: Loop) -> None:
    model = model_of("pool", loop, "echo-tcp", pool_size=5)
    assert (len(names()), model.max_active) == (5, 5)
    model.driver.close()


class NoThread:
    """Makes every start of a thread fail, as often as asked (pthread_create(3), EAGAIN)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
        self.left = times
        start = threading.Thread.start

        def fail(thread: threading.Thread) -> None:
            if self.left:
                self.left -= 1
                raise RuntimeError("can't start new thread")
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", fail)


def test_where_no_thread_is_to_be_had_everybody_waits_and_nobody_is_lost(
    loop: Loop,
    clock: FakeClock,
    tcp: TcpBench,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = tcp.serve(model="thread")
    shortage = NoThread(monkeypatch, 3)
    clients = [tcp.connect(), tcp.connect()]
    for client in clients:
        client.send(b"hello")
        client.shutdown(socket.SHUT_WR)
    for _ in range(3):
        turn(loop, 5)
        assert (len(server.connections), server.count) == (0, 2)
        clock.advance(PAUSE)
    for client in clients:
        assert receive_rest(loop, client) == b"hello"
    assert shortage.left == 0
    assert [record.message for record in caplog.records if record.levelno == logging.ERROR] == [SHORTAGE]


def test_a_shortage_is_told_once_in_ten_seconds(
    loop: Loop,
    clock: FakeClock,
    tcp: TcpBench,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tcp.serve(model="thread")
    NoThread(monkeypatch, 10**6)
    tcp.connect()
    for _ in range(3 * int(TROUBLE_INTERVAL / PAUSE)):
        turn(loop, 2)
        clock.advance(PAUSE)
    assert [record.message for record in caplog.records] == [SHORTAGE] * 3


def test_a_server_that_is_short_can_be_closed(
    loop: Loop, clock: FakeClock, tcp: TcpBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = tcp.serve(TcpLimits(connections=1), model="thread")
    NoThread(monkeypatch, 10**6)
    client = tcp.connect()
    run_until(loop, lambda: server.count)
    server.close()
    clock.advance(PAUSE)
    turn(loop, 2)
    assert receive(loop, client) == b""
    assert server.counters.closed == 1


def test_a_pool_that_cannot_be_made_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    NoThread(monkeypatch, 1)
    with pytest.raises(BlockingIOError, match="Resource temporarily unavailable"):
        Pool("echo-tcp", 2)


class DefectiveSession(EchoSession):
    """A session with a defect."""

    def data_received(self, data: memoryview) -> Chunk:
        """Fail."""
        raise ZeroDivisionError


def test_a_defect_ends_the_loop_as_it_would_without_threads(loop: Loop, tcp: TcpBench) -> None:
    server = tcp.serve(model="thread", new_session=DefectiveSession)
    tcp.connected(server).send(b"hello")
    with pytest.raises(ZeroDivisionError):
        run_until(loop, lambda: server.counters.closed)
    assert server.counters.closed == 1
