"""The orderly end of a TCP server: everything owed is delivered, and then it is over, once."""

import logging
import socket
import time

import pytest
from support.looping import (
    SMALL,
    Drain,
    FakeClock,
    TcpBench,
    owed,
    receive,
    receive_rest,
    run_until,
    settle,
    turn,
    waiting_turn,
)

from netechod.reactor.loop import Loop
from netechod.reactor.tcp.accept_queue import TcpLimits
from netechod.reactor.tcp.connection import LOW_WATER
from netechod.reactor.tcp.server import DRAIN_QUIET


@pytest.fixture(autouse=True)
def _log_everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "netechod.reactor")


def ends(loop: Loop, client: socket.socket) -> bool:
    """Return whether the server has ended the stream properly, with nothing more to say."""
    return receive(loop, client) == b""


def test_a_server_without_connections_is_drained_at_once_but_not_within_the_call(
    loop: Loop, tcp: TcpBench
) -> None:
    drain = Drain(tcp.serve())
    assert drain.calls == 0
    turn(loop, 5)
    assert drain.calls == 1


def test_the_silent_are_closed_at_once(
    loop: Loop, clock: FakeClock, tcp: TcpBench, caplog: pytest.LogCaptureFixture
) -> None:
    server = tcp.serve()
    clients = [tcp.connected(server) for _ in range(3)]
    clock.advance(DRAIN_QUIET)
    turn(loop)
    drain = Drain(server)
    assert not server.connections
    assert all(ends(loop, client) for client in clients)
    turn(loop, 5)
    assert drain.calls == 1
    assert {line.rpartition("reason=")[2] for line in caplog.messages if line.startswith("close")} == {
        "drain"
    }


def test_nobody_new_can_connect(loop: Loop, tcp: TcpBench) -> None:
    server = tcp.serve()
    tcp.connected(server)
    address = tcp.listener.getsockname()
    Drain(server)
    with socket.socket() as late, pytest.raises(ConnectionRefusedError):
        late.connect(address)


def test_who_is_still_talking_is_served_until_quiet(loop: Loop, clock: FakeClock, tcp: TcpBench) -> None:
    server = tcp.serve()
    client = tcp.connected(server)
    drain = Drain(server)
    for _ in range(5):
        client.send(b"hello")
        assert receive(loop, client) == b"hello"
        clock.advance(DRAIN_QUIET / 2)
        turn(loop)
    assert drain.calls == 0
    clock.advance(DRAIN_QUIET / 2)
    turn(loop)
    assert ends(loop, client)
    turn(loop, 5)
    assert drain.calls == 1


def test_what_has_arrived_but_was_not_read_yet_is_answered_before_the_end(
    loop: Loop, clock: FakeClock, tcp: TcpBench
) -> None:
    server = tcp.serve()
    client = tcp.connected(server)
    clock.advance(600.0)
    turn(loop)
    client.send(b"hello")
    settle()
    Drain(server)
    assert receive(loop, client) == b"hello"
    clock.advance(DRAIN_QUIET)
    turn(loop)
    assert ends(loop, client)


def test_a_client_that_leaves_during_the_last_look_is_no_trouble(
    loop: Loop, clock: FakeClock, tcp: TcpBench, caplog: pytest.LogCaptureFixture
) -> None:
    server = tcp.serve()
    client = tcp.connected(server)
    clock.advance(600.0)
    turn(loop)
    client.close()
    settle()
    drain = Drain(server)
    turn(loop, 3)
    assert drain.calls == 1
    assert caplog.messages[-1].endswith("reason=eof")


def test_who_is_owed_something_gets_it_all_however_slowly(
    loop: Loop, clock: FakeClock, tcp: TcpBench
) -> None:
    tcp.listener = tcp.listen(SMALL)
    server = tcp.serve()
    client = tcp.connected(server, buffers=SMALL)
    [connection] = server.connections
    sent = bytearray()

    def send() -> None:
        data = bytes([len(sent) % 251]) * 4096
        sent.extend(data[: client.send(data)])

    loop.watch(client.fileno(), None, send)
    run_until(loop, lambda: owed(connection) > LOW_WATER)
    loop.unwatch(client.fileno())
    drain = Drain(server)
    heard = bytearray()
    while len(heard) < len(sent):
        clock.advance(DRAIN_QUIET)
        heard += receive(loop, client, 16384)
        assert drain.calls == 0
    assert heard == sent
    clock.advance(DRAIN_QUIET)
    assert receive_rest(loop, client) == b""
    turn(loop, 5)
    assert drain.calls == 1


def test_waiting_for_who_is_owed_something_is_no_spin(loop: Loop, clock: FakeClock, tcp: TcpBench) -> None:
    tcp.listener = tcp.listen(SMALL)
    server = tcp.serve()
    tcp.make_it_owe(server, tcp.connected(server, buffers=SMALL))
    Drain(server)
    clock.advance(DRAIN_QUIET)
    turn(loop)

    def seconds_asleep() -> float:
        began = time.monotonic()
        waiting_turn(loop)
        return time.monotonic() - began

    assert any(seconds_asleep() >= 0.9 * DRAIN_QUIET for _ in range(20))


def test_who_never_takes_what_it_is_owed_is_left_to_the_end_of_the_patience(
    loop: Loop, clock: FakeClock, tcp: TcpBench
) -> None:
    tcp.listener = tcp.listen(SMALL)
    server = tcp.serve(TcpLimits(idle_timeout=60.0))
    tcp.make_it_owe(server, tcp.connected(server, buffers=SMALL))
    drain = Drain(server)
    for _ in range(20):
        clock.advance(DRAIN_QUIET)
        turn(loop)
    assert (drain.calls, len(server.connections)) == (0, 1)
    server.close()
    turn(loop, 5)
    assert (drain.calls, len(server.connections)) == (1, 0)


@pytest.mark.parametrize("count", [3, 100], ids=["a few", "more than one turn takes"])
def test_who_waits_in_the_backlog_is_served(loop: Loop, clock: FakeClock, tcp: TcpBench, count: int) -> None:
    server = tcp.serve()
    clients = [tcp.connect() for _ in range(count)]
    for number, client in enumerate(clients):
        client.send(b"%d" % number)
    drain = Drain(server)
    for number, client in enumerate(clients):
        assert receive(loop, client) == b"%d" % number
    clock.advance(DRAIN_QUIET)
    turn(loop)
    assert all(ends(loop, client) for client in clients)
    turn(loop, 5)
    assert drain.calls == 1


def test_a_server_that_gets_full_while_it_drains_is_no_trouble(
    loop: Loop, clock: FakeClock, tcp: TcpBench
) -> None:
    listeners = [tcp.listen(), tcp.listen()]
    server = tcp.serve(TcpLimits(connections=2), listeners=listeners)
    clients = [tcp.connect(to=listeners[0]), tcp.connect(to=listeners[1])]
    drain = Drain(server)
    assert len(server.connections) == 2
    clock.advance(DRAIN_QUIET)
    turn(loop)
    assert all(ends(loop, client) for client in clients)
    turn(loop, 5)
    assert drain.calls == 1


def test_a_full_server_can_be_drained(loop: Loop, clock: FakeClock, tcp: TcpBench) -> None:
    server = tcp.serve(TcpLimits(connections=2))
    clients = [tcp.connected(server) for _ in range(2)]
    drain = Drain(server)
    clients[0].close()
    run_until(loop, lambda: server.counters.closed)
    clock.advance(DRAIN_QUIET)
    turn(loop, 5)
    assert ends(loop, clients[1])
    assert drain.calls == 1
