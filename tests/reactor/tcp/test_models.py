"""The five models over the three selectors: a client gets the same service from each."""

import errno
import logging
import os
import re
import socket
from collections.abc import Callable

import pytest
from support.looping import (
    SMALL,
    Drain,
    Exchange,
    FailingListener,
    FakeClock,
    TcpBench,
    owed,
    push,
    receive,
    receive_exactly,
    receive_rest,
    reset,
    run_until,
    settle,
    turn,
)

from netechod.reactor.loop import Loop
from netechod.reactor.tcp.accept_queue import TcpLimits
from netechod.reactor.tcp.acceptor import PAUSE
from netechod.reactor.tcp.connection import HIGH_WATER
from netechod.reactor.tcp.models import QUEUE, STARTS_PER_TURN, ModelName
from netechod.reactor.tcp.server import DRAIN_QUIET, TcpServer
from netechod.services.echo import TutorialEchoSession

MODELS: tuple[ModelName, ...] = ("select", "iterative", "fork", "thread", "pool")
SEVERAL_AT_ONCE = [model for model in MODELS if model != "iterative"]
ALL_BYTES = bytes(range(256)) * 200  # below the high-water mark: the server reads on to the end


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> ModelName:
    name: ModelName = request.param
    return name


@pytest.fixture(autouse=True)
def _log_everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "netechod.reactor")


def closes(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the lines about closed connections."""
    return [line for line in caplog.messages if line.startswith("close ")]


def reasons(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the reasons of the closed connections."""
    return [line.rpartition("reason=")[2] for line in closes(caplog)]


def all_gone(loop: Loop, server: TcpServer) -> None:
    """Run until the server has seen the end of every connection."""
    run_until(loop, lambda: not server.count)


def time_passes(loop: Loop, clock: FakeClock, seconds: float, condition: Callable[[], object]) -> None:
    """Let `seconds` pass, and again: a worker may have noted its last deed only after the first of them."""
    while not condition():
        clock.advance(seconds)
        turn(loop)


def answers(loop: Loop, client: socket.socket, text: bytes = b"hello") -> bool:
    """Return whether the server echoes."""
    client.send(text)
    return receive_exactly(loop, client, len(text)) == text


def stuff(tcp: TcpBench, server: TcpServer, client: socket.socket) -> bytes:
    """Have the client send, and read nothing, until the server reads no more; returns what it has sent."""
    [connection] = server.connections
    sent = bytearray()

    def send() -> None:
        data = bytes([len(sent) % 251]) * 4096
        sent.extend(data[: client.send(data)])

    tcp.loop.watch(client.fileno(), None, send)
    while not connection.has_unsent or tcp.is_writable(client):
        turn(tcp.loop)
    tcp.loop.unwatch(client.fileno())
    return bytes(sent)


# --- the bytes


def test_all_bytes_come_back_in_order_to_a_slow_reader_that_half_closes(
    loop: Loop, tcp: TcpBench, model: ModelName
) -> None:
    tcp.serve(model=model)
    data = os.urandom(1 << 20) * 4
    exchange = Exchange(loop, tcp.connect(), data)
    run_until(loop, lambda: exchange.ended)
    assert exchange.heard == data


def test_everything_owed_is_delivered_after_the_end_of_the_stream(
    loop: Loop, tcp: TcpBench, model: ModelName, caplog: pytest.LogCaptureFixture
) -> None:
    tcp.listener = tcp.listen(SMALL)
    server = tcp.serve(model=model)
    client = tcp.connected(server, buffers=SMALL)
    push(loop, client, ALL_BYTES)
    client.shutdown(socket.SHUT_WR)
    assert receive_rest(loop, client) == ALL_BYTES
    all_gone(loop, server)
    assert reasons(caplog) == ["eof"]


def test_everybody_is_served_in_the_end_with_the_bytes_that_are_theirs(
    loop: Loop, tcp: TcpBench, model: ModelName
) -> None:
    server = tcp.serve(model=model)
    clients = [tcp.connect() for _ in range(8)]
    for number, client in enumerate(clients):
        client.send(b"%d" % number * 1000)
        client.shutdown(socket.SHUT_WR)
    for number, client in enumerate(clients):
        assert receive_rest(loop, client) == b"%d" % number * 1000
    all_gone(loop, server)
    assert (server.counters.accepted, server.counters.bytes_in, server.counters.bytes_out) == (8, 8000, 8000)


def test_the_tutorials_echo_signs_every_chunk(loop: Loop, tcp: TcpBench, model: ModelName) -> None:
    client = tcp.connected(tcp.serve(model=model, new_session=TutorialEchoSession))
    assert answers(loop, client, b"") is True
    client.send(b"a\0b")
    client.shutdown(socket.SHUT_WR)
    assert receive_rest(loop, client) == b"a\0b[server echo]"


def test_a_connection_that_another_process_has_accepted_gets_what_that_still_owed(
    loop: Loop, tcp: TcpBench, model: ModelName
) -> None:
    server = tcp.serve(model=model)
    other = tcp.listen()
    clients = [tcp.connect(to=other) for _ in range(2)]
    for number in range(2):
        sock, _ = other.accept()
        server.adopt(sock, b"owed %d, " % number)
    for number, client in enumerate(clients):
        client.send(b"new")
        client.shutdown(socket.SHUT_WR)
        assert receive_rest(loop, client) == b"owed %d, new" % number


# --- limits on memory and time


def test_a_peer_that_never_reads_costs_a_bounded_amount_of_memory(
    loop: Loop, tcp: TcpBench, model: ModelName
) -> None:
    tcp.listener = tcp.listen(SMALL)
    server = tcp.serve(model=model)
    client = tcp.connected(server, buffers=SMALL)
    [connection] = server.connections
    sent = stuff(tcp, server, client)
    assert len(sent) > HIGH_WATER / 2
    assert 0 < owed(connection) <= HIGH_WATER
    assert receive_exactly(loop, client, len(sent)) == sent


@pytest.mark.parametrize("model", SEVERAL_AT_ONCE)
def test_a_slow_reader_costs_nobody_else_anything(loop: Loop, tcp: TcpBench, model: ModelName) -> None:
    tcp.listener = tcp.listen(SMALL)
    server = tcp.serve(model=model)
    stuff(tcp, server, tcp.connected(server, buffers=SMALL))
    assert answers(loop, tcp.connected(server))


def test_the_silent_are_closed_after_the_idle_timeout_and_who_talks_is_not(
    loop: Loop, clock: FakeClock, tcp: TcpBench, model: ModelName, caplog: pytest.LogCaptureFixture
) -> None:
    server = tcp.serve(TcpLimits(idle_timeout=60.0), model=model)
    client = tcp.connected(server)
    for _ in range(3):
        clock.advance(40.0)
        assert answers(loop, client)
        turn(loop, 3)
    clock.advance(59.0)
    turn(loop, 3)
    assert server.count == 1
    time_passes(loop, clock, 1.0, lambda: not server.count)
    assert receive(loop, client) == b""
    assert reasons(caplog) == ["idle"]


def test_a_peer_that_is_owed_something_but_never_takes_it_is_idle_too(
    loop: Loop, clock: FakeClock, tcp: TcpBench, model: ModelName, caplog: pytest.LogCaptureFixture
) -> None:
    tcp.listener = tcp.listen(SMALL)
    server = tcp.serve(TcpLimits(idle_timeout=60.0), model=model)
    stuff(tcp, server, tcp.connected(server, buffers=SMALL))
    time_passes(loop, clock, 60.0, lambda: not server.count)
    assert reasons(caplog) == ["idle"]


def test_an_idle_timeout_holds_for_the_connections_that_are_there_already(
    loop: Loop, clock: FakeClock, tcp: TcpBench, model: ModelName, caplog: pytest.LogCaptureFixture
) -> None:
    server = tcp.serve(model=model)
    client = tcp.connected(server)
    clock.advance(600.0)
    turn(loop, 3)
    assert answers(loop, client)
    server.configure(TcpLimits(idle_timeout=60.0))
    assert answers(loop, client)
    time_passes(loop, clock, 60.0, lambda: not server.count)
    assert reasons(caplog) == ["idle"]


# --- limits on numbers


@pytest.mark.parametrize("model", SEVERAL_AT_ONCE)
def test_one_source_has_so_many_connections_and_no_more(loop: Loop, tcp: TcpBench, model: ModelName) -> None:
    server = tcp.serve(TcpLimits(connections_per_source=1), model=model)
    first = tcp.connected(server)
    assert receive(loop, tcp.connect()) == b""
    assert (server.counters.accepted, server.counters.refused) == (1, 1)
    assert answers(loop, tcp.connect(source="127.0.0.2"))
    first.close()
    run_until(loop, lambda: server.counters.closed)
    assert answers(loop, tcp.connect())


def test_an_address_that_is_not_admitted_is_refused(loop: Loop, tcp: TcpBench, model: ModelName) -> None:
    server = tcp.serve(TcpLimits(admits=lambda address: address == "127.0.0.2"), model=model)
    assert receive(loop, tcp.connect()) == b""
    assert answers(loop, tcp.connect(source="127.0.0.2"))
    assert (server.counters.accepted, server.counters.refused) == (1, 1)


@pytest.mark.parametrize("model", SEVERAL_AT_ONCE)
def test_at_the_limit_newcomers_wait_and_are_served_later(
    loop: Loop, tcp: TcpBench, model: ModelName, caplog: pytest.LogCaptureFixture
) -> None:
    server = tcp.serve(TcpLimits(connections=2), model=model)
    clients = [tcp.connected(server) for _ in range(2)]
    waiting = tcp.connect()
    waiting.send(b"hello")
    turn(loop, 5)
    assert server.count == 2
    assert all(answers(loop, client) for client in clients)
    clients[0].close()
    assert receive(loop, waiting) == b"hello"
    assert "connections at the limit of 2, new ones wait" in caplog.messages


def test_iterative_serves_one_client_and_leaves_the_next_in_the_backlog(
    loop: Loop, tcp: TcpBench, caplog: pytest.LogCaptureFixture
) -> None:
    server = tcp.serve(model="iterative")
    first = tcp.connected(server)
    second = tcp.connect()
    second.send(b"hello")
    turn(loop, 5)
    assert answers(loop, first)
    assert server.count == server.counters.accepted == 1
    first.close()
    assert receive(loop, second) == b"hello"
    assert not [record for record in caplog.records if record.levelno > logging.INFO], "that is no trouble"


def test_a_pool_accepts_a_few_more_than_it_serves_and_then_nobody(
    loop: Loop, tcp: TcpBench, caplog: pytest.LogCaptureFixture
) -> None:
    server = tcp.serve(model="pool")
    clients = [tcp.connect() for _ in range(3 + QUEUE + 1)]
    for client in clients:
        client.send(b"hello")
    run_until(loop, lambda: server.count == 3 + QUEUE)
    turn(loop, 5)
    assert (server.count, len(server.connections)) == (3 + QUEUE, 3)
    assert f"connections at the limit of {3 + QUEUE}, new ones wait" in caplog.messages
    for client in clients:
        assert receive(loop, client) == b"hello"
        client.close()
    all_gone(loop, server)


@pytest.mark.parametrize("model", ["fork", "thread"])
def test_a_crowd_is_begun_in_parts_so_that_others_have_their_turn(
    loop: Loop, tcp: TcpBench, model: ModelName
) -> None:
    server = tcp.serve(model=model)
    for _ in range(2 * STARTS_PER_TURN + 1):
        tcp.connect()
    turn(loop)
    assert (server.count, len(server.connections)) == (2 * STARTS_PER_TURN + 1, STARTS_PER_TURN)
    turn(loop)
    assert len(server.connections) == 2 * STARTS_PER_TURN
    turn(loop)
    assert len(server.connections) == 2 * STARTS_PER_TURN + 1


def test_a_client_that_holds_a_thread_of_a_pool_is_what_the_others_wait_for(
    loop: Loop, tcp: TcpBench
) -> None:
    server = tcp.serve(model="pool")
    holders = [tcp.connected(server) for _ in range(3)]
    waiting = tcp.connected(server)
    waiting.send(b"hello")
    assert all(answers(loop, holder) for holder in holders)
    assert [connection.bytes_in for connection in server.connections] == [5, 5, 5]
    holders[1].close()
    assert receive(loop, waiting) == b"hello"


# --- what is told


def test_the_log_tells_who_came_and_how_they_went(
    loop: Loop, clock: FakeClock, tcp: TcpBench, model: ModelName, caplog: pytest.LogCaptureFixture
) -> None:
    server = tcp.serve(model=model)
    client = tcp.connected(server)
    name = f"127.0.0.1--{client.getsockname()[1]}"
    assert answers(loop, client)
    clock.advance(2.5)
    client.close()
    all_gone(loop, server)
    accept, close = caplog.messages
    assert re.fullmatch(rf"accept {name} fd=\d+", accept)
    assert close == f"close {name} in=5 out=5 seconds=2.500 reason=eof"


def test_a_reset_closes_one_connection_and_is_told_from_an_end(
    loop: Loop, tcp: TcpBench, model: ModelName, caplog: pytest.LogCaptureFixture
) -> None:
    server = tcp.serve(model=model)
    client = tcp.connected(server)
    assert answers(loop, client)
    reset(client)
    all_gone(loop, server)
    assert reasons(caplog) == ["reset"]
    assert answers(loop, tcp.connect())


def test_a_reset_by_a_peer_that_is_owed_something_is_noticed(
    loop: Loop, tcp: TcpBench, model: ModelName, caplog: pytest.LogCaptureFixture
) -> None:
    tcp.listener = tcp.listen(SMALL)
    server = tcp.serve(model=model)
    client = tcp.connected(server, buffers=SMALL)
    stuff(tcp, server, client)
    reset(client)
    all_gone(loop, server)
    assert reasons(caplog) == ["reset"]


def test_any_other_failure_closes_the_connection_as_an_error(
    loop: Loop, tcp: TcpBench, model: ModelName, caplog: pytest.LogCaptureFixture
) -> None:
    listener = tcp.resources.enter_context(FailingListener(fileno=os.dup(tcp.listener.fileno())))
    server = tcp.serve(listeners=[listener], model=model)
    tcp.connected(server).send(b"hello")
    run_until(loop, lambda: server.counters.closed)
    assert reasons(caplog) == ["error"]


# --- the end


def test_draining_serves_who_talks_and_closes_who_is_quiet(
    loop: Loop, clock: FakeClock, tcp: TcpBench, model: ModelName, caplog: pytest.LogCaptureFixture
) -> None:
    server = tcp.serve(model=model)
    client = tcp.connected(server)
    drain = Drain(server)
    for _ in range(3):
        assert answers(loop, client)
        clock.advance(DRAIN_QUIET / 2)
        turn(loop, 3)
    assert drain.calls == 0
    time_passes(loop, clock, DRAIN_QUIET, lambda: drain.calls)
    assert receive(loop, client) == b""
    turn(loop, 5)
    assert drain.calls == 1
    assert reasons(caplog) == ["drain"]


def test_draining_answers_what_has_arrived_but_was_not_read_yet(
    loop: Loop, clock: FakeClock, tcp: TcpBench, model: ModelName
) -> None:
    server = tcp.serve(model=model)
    client = tcp.connected(server)
    assert answers(loop, client)
    clock.advance(600.0)
    turn(loop, 3)
    client.send(b"late")
    settle()
    drain = Drain(server)
    assert receive(loop, client) == b"late"
    time_passes(loop, clock, DRAIN_QUIET, lambda: drain.calls)
    assert receive(loop, client) == b""


def test_draining_delivers_what_is_owed_however_slowly(
    loop: Loop, clock: FakeClock, tcp: TcpBench, model: ModelName
) -> None:
    tcp.listener = tcp.listen(SMALL)
    server = tcp.serve(model=model)
    client = tcp.connected(server, buffers=SMALL)
    sent = stuff(tcp, server, client)
    drain = Drain(server)
    heard = bytearray()
    while len(heard) < len(sent):
        clock.advance(DRAIN_QUIET / 8)
        heard += receive(loop, client, 16384)
        assert drain.calls == 0
    assert heard == sent
    time_passes(loop, clock, DRAIN_QUIET, lambda: drain.calls)
    assert receive_rest(loop, client) == b""


@pytest.mark.parametrize("count", [3, 100], ids=["a few", "more than any model serves or one turn takes"])
def test_who_waits_when_the_drain_begins_is_served(
    loop: Loop,
    clock: FakeClock,
    tcp: TcpBench,
    model: ModelName,
    count: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = tcp.serve(model=model)
    clients = [tcp.connect() for _ in range(count)]
    for number, client in enumerate(clients):
        client.send(b"%d" % number)
    turn(loop)  # some are being served, others wait in the server or in the backlog
    drain = Drain(server)
    assert server.count == count
    time_passes(loop, clock, DRAIN_QUIET, lambda: drain.calls)
    for number, client in enumerate(clients):
        assert receive_rest(loop, client) == b"%d" % number
    assert len(reasons(caplog)) == server.counters.closed == count


def test_a_crowd_that_waits_and_says_nothing_does_not_hold_up_the_end(
    loop: Loop, clock: FakeClock, tcp: TcpBench, model: ModelName
) -> None:
    server = tcp.serve(model=model)
    clients = [tcp.connect() for _ in range(50)]
    drain = Drain(server)
    time_passes(loop, clock, DRAIN_QUIET, lambda: drain.calls)
    assert all(receive(loop, client) == b"" for client in clients)


def test_the_end_of_the_patience_ends_everybody_and_tells_it(
    loop: Loop, clock: FakeClock, tcp: TcpBench, model: ModelName, caplog: pytest.LogCaptureFixture
) -> None:
    tcp.listener = tcp.listen(SMALL)
    server = tcp.serve(TcpLimits(idle_timeout=60.0), model=model)
    sent = stuff(tcp, server, tcp.connected(server, buffers=SMALL))
    waiting = [tcp.connect() for _ in range(5)]
    drain = Drain(server)
    clock.advance(2 * DRAIN_QUIET)
    turn(loop, 5)
    assert drain.calls == 0
    server.close()
    turn(loop, 5)
    assert (drain.calls, server.count, server.counters.closed) == (1, 0, 1 + len(waiting))
    assert reasons(caplog) == ["drain"] * (1 + len(waiting))
    assert server.counters.bytes_in <= len(sent)
    server.close()


def test_who_cannot_be_watched_for_now_is_served_later_and_can_be_closed_meanwhile(
    loop: Loop, clock: FakeClock, tcp: TcpBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = tcp.serve()
    clients = [tcp.connect() for _ in range(2)]

    def no_room(fd: int, readable: object, writable: object = None) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(loop, "watch", no_room)
        turn(loop, 2)
        assert (server.count, len(server.connections)) == (1, 0)
    clock.advance(PAUSE)
    assert all(answers(loop, client) for client in clients)
    waiting = tcp.connect()
    with monkeypatch.context() as patch:
        patch.setattr(loop, "watch", no_room)
        turn(loop, 2)
        assert (server.count, len(server.connections)) == (3, 2)
        server.close()
    assert receive(loop, waiting) == b""


def test_a_server_that_waits_for_work_is_closed_at_once(tcp: TcpBench, model: ModelName) -> None:
    server = tcp.serve(model=model)
    server.close()
    assert server.count == 0


def test_handing_over_is_for_those_on_the_loop_and_the_others_drain(
    loop: Loop, clock: FakeClock, tcp: TcpBench, model: ModelName
) -> None:
    server = tcp.serve(model=model)
    tcp.connected(server)
    for _ in range(4):
        tcp.connect()
    kept: list[tuple[socket.socket, bytes]] = []
    ended: list[bool] = []
    server.hand_over(lambda sock, owed: kept.append((sock, owed)), lambda: ended.append(True))
    assert server.hands_over == (model in ("select", "iterative"))
    if server.hands_over:
        assert [owed for _, owed in kept] == [b""] * 5
    time_passes(loop, clock, DRAIN_QUIET, lambda: ended)
    assert (len(kept), server.counters.closed) == (5 if server.hands_over else 0, 5)
    for sock, _ in kept:
        sock.close()


def test_the_loop_turns_whatever_a_client_does(
    loop: Loop, clock: FakeClock, tcp: TcpBench, model: ModelName
) -> None:
    tcp.listener = tcp.listen(SMALL)
    server = tcp.serve(model=model)
    stuff(tcp, server, tcp.connected(server, buffers=SMALL))
    called: list[bool] = []
    loop.call_at(clock.now + 1.0, lambda: called.append(True))
    clock.advance(1.0)
    turn(loop)
    assert called
