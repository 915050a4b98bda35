"""The limits of a TCP server: connections in all and per source, addresses, descriptors."""

import errno
import fcntl
import logging
import os
import re
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from support.looping import (
    SMALL,
    FakeClock,
    TcpBench,
    receive,
    receive_exactly,
    receive_rest,
    reset,
    run_until,
    settle,
    turn,
    until_readable,
)

from netechod.reactor.loop import Callback, Loop
from netechod.reactor.tcp.accept_queue import TcpLimits
from netechod.reactor.tcp.acceptor import PAUSE
from netechod.reactor.tcp.api import PendingConnection, Waker
from netechod.reactor.tcp.server import EVICTION_INTERVAL, TcpServer
from netechod.services.admission.log_throttle import TROUBLE_INTERVAL
from netechod.services.api import Chunk
from netechod.services.echo import EchoSession

LIMIT = 32  # connections; a sixteenth of them, two, must be free before the next is accepted
FULL = f"connections at the limit of {LIMIT}, new ones wait"


def is_refused(loop: Loop, client: socket.socket) -> bool:
    """Return whether the server has closed the connection without a word."""
    until_readable(loop, client)
    return client.recv(1) == b""


def answers(loop: Loop, client: socket.socket) -> bool:
    """Return whether the server echoes."""
    client.send(b"hello")
    return receive(loop, client) == b"hello"


def close(loop: Loop, server: TcpServer, client: socket.socket) -> None:
    """Close a connection, and let the server see it."""
    closed = server.counters.closed
    client.close()
    run_until(loop, lambda: server.counters.closed > closed)


def test_one_source_has_so_many_connections_and_no_more(loop: Loop, tcp: TcpBench) -> None:
    server = tcp.serve(TcpLimits(connections_per_source=2))
    first, second = tcp.connected(server), tcp.connected(server)
    assert is_refused(loop, tcp.connect())
    assert (server.counters.accepted, server.counters.refused) == (2, 1)
    assert answers(loop, tcp.connect(source="127.0.0.2"))
    assert answers(loop, first)
    close(loop, server, second)
    assert answers(loop, tcp.connect())


def test_a_source_that_has_gone_is_forgotten(loop: Loop, tcp: TcpBench) -> None:
    server = tcp.serve(TcpLimits(connections_per_source=1))
    for _ in range(3):
        client = tcp.connected(server)
        assert answers(loop, client)
        close(loop, server, client)
    assert server.counters.refused == 0
    assert not server._queue._sources._held  # nothing else would show that the whole world is remembered


def test_an_address_that_is_not_admitted_is_refused(loop: Loop, tcp: TcpBench) -> None:
    server = tcp.serve(TcpLimits(admits=lambda address: address == "127.0.0.2"))
    assert is_refused(loop, tcp.connect())
    assert answers(loop, tcp.connect(source="127.0.0.2"))
    assert (server.counters.accepted, server.counters.refused) == (1, 1)


def test_a_full_server_leaves_newcomers_waiting_and_serves_them_later(
    loop: Loop, tcp: TcpBench, caplog: pytest.LogCaptureFixture
) -> None:
    server = tcp.serve(TcpLimits(connections=LIMIT))
    clients = [tcp.connected(server) for _ in range(LIMIT)]
    waiting = tcp.connect()
    waiting.send(b"hello")
    turn(loop, 5)
    assert len(server.connections) == LIMIT
    assert answers(loop, clients[0])
    close(loop, server, clients.pop())
    turn(loop, 5)
    assert len(server.connections) == LIMIT - 1
    close(loop, server, clients.pop())
    assert receive(loop, waiting) == b"hello"
    assert server.counters.refused == 0
    assert [record.message for record in caplog.records if record.levelno == logging.WARNING] == [FULL]


@pytest.mark.parametrize("limit", [1, 2])
def test_a_listener_that_comes_later_has_the_same_limits(loop: Loop, tcp: TcpBench, limit: int) -> None:
    server = tcp.serve(TcpLimits(connections=limit))
    first = tcp.connected(server)
    server.listen([later := tcp.listen()])
    client = tcp.connect(to=later)
    client.send(b"hello")
    turn(loop, 5)
    assert len(server.connections) == limit
    if limit == 1:
        close(loop, server, first)
    assert receive(loop, client) == b"hello"


def test_a_full_server_complains_once_in_ten_seconds(
    loop: Loop, clock: FakeClock, tcp: TcpBench, caplog: pytest.LogCaptureFixture
) -> None:
    server = tcp.serve(TcpLimits(connections=1))
    for seconds in (0.0, 1.0, TROUBLE_INTERVAL):
        clock.advance(seconds)
        close(loop, server, tcp.connected(server))
    assert [record.levelno for record in caplog.records].count(logging.WARNING) == 2


def test_the_limit_of_a_server_counts_over_all_its_listeners(loop: Loop, tcp: TcpBench) -> None:
    listeners = [tcp.listen(), tcp.listen()]
    server = tcp.serve(TcpLimits(connections=2), listeners=listeners)
    clients = [tcp.connect(to=listener) for listener in listeners]
    run_until(loop, lambda: len(server.connections) == 2)
    waiting = [tcp.connect(to=listener) for listener in listeners]
    turn(loop, 5)
    assert len(server.connections) == 2
    for client in clients:
        client.close()
    for client in waiting:
        assert answers(loop, client)


def test_higher_limits_count_at_once(loop: Loop, tcp: TcpBench) -> None:
    server = tcp.serve(TcpLimits(connections=1))
    tcp.connected(server)
    waiting = tcp.connect()
    turn(loop, 3)
    assert len(server.connections) == 1
    server.configure(TcpLimits(connections=LIMIT, connections_per_source=2))
    assert answers(loop, waiting)
    assert is_refused(loop, tcp.connect())


def test_lower_limits_close_nobody_and_admit_nobody(loop: Loop, tcp: TcpBench) -> None:
    server = tcp.serve()
    clients = [tcp.connected(server) for _ in range(3)]
    server.configure(TcpLimits(connections=2))
    waiting = tcp.connect()
    waiting.send(b"hello")
    turn(loop, 3)
    assert all(answers(loop, client) for client in clients)
    assert len(server.connections) == 3
    for client in clients[:2]:
        close(loop, server, client)
    assert receive(loop, waiting) == b"hello"


def test_an_idle_timeout_counts_from_its_configuration_on_and_can_be_taken_back(
    loop: Loop, clock: FakeClock, tcp: TcpBench
) -> None:
    server = tcp.serve()
    tcp.connected(server)
    server.configure(TcpLimits(idle_timeout=60.0))
    clock.advance(30.0)
    server.configure(TcpLimits())
    clock.advance(600.0)
    turn(loop, 2)
    assert len(server.connections) == 1
    server.configure(TcpLimits(idle_timeout=60.0))
    assert not server.connections


def test_closing_a_full_server_opens_nothing_again(loop: Loop, tcp: TcpBench) -> None:
    server = tcp.serve(TcpLimits(connections=2))
    clients = [tcp.connected(server) for _ in range(2)]
    server.close()
    assert not server.connections
    assert all(is_refused(loop, client) for client in clients)


@contextmanager
def low_descriptors_taken() -> Iterator[None]:
    """Let the next descriptor be 1024 or higher."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    with ExitStack() as taken:
        while (fd := fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 0)) < 1024:
            taken.callback(os.close, fd)
        os.close(fd)
        yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_only_select_refuses_a_descriptor_that_it_can_not_watch(
    loop: Loop, tcp: TcpBench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "netechod.reactor")
    server = tcp.serve()
    before, client = tcp.connected(server), tcp.connect()
    with low_descriptors_taken():
        if loop.descriptor_limit is None:
            assert answers(loop, client)
            assert re.search(r"fd=(\d{4,})$", caplog.messages[-1])
        else:
            assert is_refused(loop, client)
        assert server.counters.refused == (loop.descriptor_limit is not None)
        assert answers(loop, before)
    assert answers(loop, tcp.connect())


def test_at_the_limit_the_longest_silent_gives_way(
    loop: Loop, clock: FakeClock, tcp: TcpBench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "netechod.reactor")
    server = tcp.serve(TcpLimits(connections=3, idle_at_limit=300.0))
    oldest = tcp.connected(server)
    clock.advance(1.0)
    turn(loop)
    second, third = tcp.connected(server), tcp.connected(server)
    clock.advance(298.0)
    waiting = tcp.connect()
    turn(loop, 3)
    assert len(server.connections) == 3, "nobody has been silent for long enough"
    clock.advance(1.0)
    assert answers(loop, second)
    assert answers(loop, third)
    assert is_refused(loop, oldest)
    assert answers(loop, waiting)
    assert [line for line in caplog.messages if line.endswith("reason=idle")]
    assert len(server.connections) == 3


def test_below_the_limit_nobody_gives_way(loop: Loop, clock: FakeClock, tcp: TcpBench) -> None:
    server = tcp.serve(TcpLimits(connections=4))
    clients = [tcp.connected(server) for _ in range(3)]
    clock.advance(10.0**6)
    turn(loop, 3)
    assert all(answers(loop, client) for client in clients)


def test_at_the_limit_whoever_has_just_spoken_does_not_give_way(
    loop: Loop, clock: FakeClock, tcp: TcpBench
) -> None:
    server = tcp.serve(TcpLimits(connections=2))
    first = tcp.connected(server)
    clock.advance(1.0)
    turn(loop)
    second = tcp.connected(server)
    clock.advance(600.0)
    first.send(b"hello")
    server.configure(TcpLimits(connections=2, connections_per_source=3))
    assert receive(loop, first) == b"hello"
    clock.advance(EVICTION_INTERVAL)
    assert is_refused(loop, second)
    assert answers(loop, first)


def test_many_give_way_a_few_a_turn(
    loop: Loop, clock: FakeClock, tcp: TcpBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netechod.reactor.tcp.idle.EVICTIONS", 4)
    count = 16 * 6
    server = tcp.serve(TcpLimits(connections=count, connections_per_source=count))
    for _ in range(count):
        tcp.connect()
    run_until(loop, lambda: server.count == count)
    clock.advance(301.0)
    turn(loop)
    assert server.count == count - 4
    turn(loop, 5)
    assert server.count == count - 6


def test_one_ipv6_site_does_not_get_all_places(loop: Loop, tcp: TcpBench) -> None:
    server = tcp.serve(TcpLimits(connections=8, connections_per_source=1))
    for number in range(4):
        sock = tcp.resources.enter_context(socket.socket())
        pending = server._queue.admit(sock, (f"2001:db8:0:{number}::1", 7, 0, 0))
        assert (pending is not None) == (number < 2)


def test_urgent_data_stays_in_the_stream(loop: Loop, tcp: TcpBench) -> None:
    client = tcp.connected(tcp.serve())
    client.send(b"abc")
    client.send(b"X", socket.MSG_OOB)
    client.send(b"def")
    assert receive_exactly(loop, client, 7) == b"abcXdef"


class Hungry(EchoSession):
    """A session for whose answer there is no memory."""

    def data_received(self, data: memoryview) -> Chunk:
        """Fail as any allocation can."""
        raise MemoryError


def test_a_connection_without_memory_for_its_answer_ends_and_the_others_do_not(
    loop: Loop, tcp: TcpBench, caplog: pytest.LogCaptureFixture
) -> None:
    sessions: list[EchoSession] = [EchoSession(), Hungry()]
    caplog.set_level(logging.INFO, "netechod.reactor")
    server = tcp.serve(new_session=sessions.pop)
    unlucky, other = tcp.connected(server), tcp.connected(server)
    unlucky.send(b"x")
    assert is_refused(loop, unlucky)
    assert caplog.messages[-1].endswith("reason=error")
    assert answers(loop, other)


def test_a_newcomer_without_memory_for_its_session_waits(
    loop: Loop, clock: FakeClock, tcp: TcpBench, caplog: pytest.LogCaptureFixture
) -> None:
    troubles = [MemoryError()]

    def new_session() -> EchoSession:
        if troubles:
            raise troubles.pop()
        return EchoSession()

    server = tcp.serve(new_session=new_session)
    client = tcp.connect()
    client.send(b"hello")
    run_until(loop, lambda: server.counters.accepted)
    assert not server.connections
    assert caplog.messages == ["a connection cannot be served, new ones wait: Cannot allocate memory"]
    clock.advance(PAUSE)
    assert receive(loop, client) == b"hello"


def test_a_connection_that_cannot_be_watched_waits(
    loop: Loop, clock: FakeClock, tcp: TcpBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, troubles, watch = tcp.serve(), [OSError(errno.ENOSPC, "no room in epoll(7)")], loop.watch

    def reluctant(fd: int, readable: Callback | None, writable: Callback | None = None) -> None:
        if troubles and fd != tcp.listener.fileno():
            raise troubles.pop()
        watch(fd, readable, writable)

    client = tcp.connect()
    client.send(b"hello")
    monkeypatch.setattr(loop, "watch", reluctant)
    turn(loop, 2)
    assert (server.count, len(server.connections)) == (1, 0)
    clock.advance(PAUSE)
    monkeypatch.undo()
    assert receive(loop, client) == b"hello"


def test_without_memory_to_wait_a_peer_that_takes_nothing_is_given_up(
    loop: Loop, tcp: TcpBench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "netechod.reactor")
    tcp.listener = tcp.listen(SMALL)
    server = tcp.serve()
    tcp.make_it_owe(server, tcp.connected(server, buffers=SMALL))
    other = tcp.connected(server)

    def no_memory(timeout: float | None) -> list[tuple[int, int]]:
        raise MemoryError

    with monkeypatch.context() as short:
        short.setattr(loop._selector, "wait", no_memory)
        turn(loop, 2)
    assert len(server.connections) == 1
    assert caplog.messages[-1].endswith("reason=error")
    assert answers(loop, other)


def test_a_peer_that_ends_its_stream_while_it_is_owed_a_little_gets_it_all(loop: Loop, tcp: TcpBench) -> None:
    tcp.listener = tcp.listen(SMALL)
    server = tcp.serve()
    client = tcp.connected(server, buffers=SMALL)
    [connection] = server.connections
    sent = 0
    while not connection.has_unsent:
        sent += client.send(bytes(1024))
        settle()
        turn(loop)
    client.shutdown(socket.SHUT_WR)
    settle()
    turn(loop)
    assert receive_rest(loop, client) == bytes(sent)


def test_a_peer_that_resets_while_it_is_owed_a_little_is_not_waited_for(loop: Loop, tcp: TcpBench) -> None:
    tcp.listener = tcp.listen(SMALL)
    server = tcp.serve()
    client = tcp.connected(server, buffers=SMALL)
    [connection] = server.connections
    while not connection.has_unsent:
        client.send(bytes(1024))
        settle()
        turn(loop)
    reset(client)
    run_until(loop, lambda: not server.connections)


def test_waking_what_nobody_drives_does_nothing(tcp: TcpBench) -> None:
    Waker(PendingConnection(tcp.listener, "", 0, 0.0))()
