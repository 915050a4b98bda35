"""TCP on the loop: the bytes, the limits on memory and time, and what the log says of each connection."""

import errno
import logging
import os
import re
import socket
from typing import Any

import pytest
from support.looping import (
    SMALL,
    Exchange,
    FakeClock,
    TcpBench,
    owed,
    push,
    receive,
    receive_exactly,
    receive_rest,
    reset,
    run_until,
    turn,
    until_readable,
)

from netechod.reactor.connection import HIGH_WATER
from netechod.reactor.loop import Loop
from netechod.reactor.tcp import BUFFER, TcpServer
from netechod.services.api import Chunk
from netechod.services.echo import EchoSession, TutorialEchoSession


@pytest.fixture
def server(tcp: TcpBench) -> TcpServer:
    """An echo whose side of each connection has small buffers."""
    tcp.listener = tcp.listen(SMALL)
    return tcp.serve()


@pytest.fixture(autouse=True)
def _log_everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "netechod.reactor")


def test_all_bytes_come_back_to_a_slow_reader_that_half_closes(loop: Loop, tcp: TcpBench) -> None:
    tcp.serve()
    data = os.urandom(1 << 20) * 8
    exchange = Exchange(loop, tcp.connect(), data)
    run_until(loop, lambda: exchange.ended)
    assert exchange.heard == data


def test_everything_owed_is_delivered_after_the_end_of_the_stream(
    loop: Loop, server: TcpServer, tcp: TcpBench
) -> None:
    client = tcp.connected(server, buffers=SMALL)
    data = bytes(range(256)) * 200  # below the high-water mark: the server reads on to the end
    push(loop, client, data)
    client.shutdown(socket.SHUT_WR)
    assert receive_rest(loop, client) == data
    assert not server.connections


def test_a_peer_that_never_reads_costs_a_bounded_amount_of_memory(
    loop: Loop, server: TcpServer, tcp: TcpBench
) -> None:
    client = tcp.connected(server, buffers=SMALL)
    connection = tcp.make_it_owe(server, client)
    loop.watch(client.fileno(), None, lambda: client.send(bytes(65536)))
    turn(loop, 100)
    loop.unwatch(client.fileno())
    assert owed(connection) <= HIGH_WATER + BUFFER
    assert connection.bytes_in <= 2 * (HIGH_WATER + BUFFER), "the server reads on"


def test_reading_goes_on_once_the_peer_has_read(loop: Loop, server: TcpServer, tcp: TcpBench) -> None:
    client = tcp.connected(server, buffers=SMALL)
    connection = tcp.make_it_owe(server, client)
    while owed(connection):
        receive(loop, client)
        turn(loop)
    before = connection.bytes_in
    client.send(b"more")
    run_until(loop, lambda: connection.bytes_in > before)


def test_a_slow_reader_costs_nobody_else_anything(loop: Loop, server: TcpServer, tcp: TcpBench) -> None:
    slow = tcp.connected(server, buffers=SMALL)
    tcp.make_it_owe(server, slow)
    other = tcp.connected(server)
    other.send(b"hello")
    assert receive(loop, other) == b"hello"


class GreedySession(EchoSession):
    """A session whose client has always sent something more by the time that it is answered."""

    def __init__(self) -> None:
        self.client: socket.socket | None = None
        self.reads = 0

    def data_received(self, data: memoryview) -> Chunk:
        """Have the client send, and answer nothing."""
        self.reads += 1
        assert self.client is not None
        self.client.send(b"more")
        return b""


def test_a_greedy_connection_gets_one_read_a_turn(loop: Loop, tcp: TcpBench) -> None:
    session = GreedySession()
    session.client = tcp.connected(tcp.serve(new_session=lambda: session))
    session.client.send(b"more")
    for reads in range(1, 20):
        run_until(loop, lambda reads=reads: session.reads >= reads)  # type: ignore[misc]
        assert session.reads == reads


class FarewellSession(TutorialEchoSession):
    """A session with a last word."""

    def eof_received(self) -> Chunk:
        """Say goodbye."""
        return b"bye" * 20000


@pytest.mark.parametrize("buffers", [0, SMALL], ids=["at once", "in parts"])
def test_the_last_word_of_a_session_is_delivered_before_the_end(
    loop: Loop, tcp: TcpBench, buffers: int
) -> None:
    tcp.listener = tcp.listen(buffers)
    server = tcp.serve(new_session=FarewellSession)
    client = tcp.connected(server, buffers=buffers)
    client.send(b"hi")
    client.shutdown(socket.SHUT_WR)
    assert receive_rest(loop, client) == b"hi[server echo]" + b"bye" * 20000
    assert not server.connections


def test_the_bytes_of_closed_connections_are_counted(loop: Loop, server: TcpServer, tcp: TcpBench) -> None:
    for _ in range(2):
        client = tcp.connected(server)
        client.send(b"hello")
        receive_exactly(loop, client, 5)
        client.close()
        run_until(loop, lambda: not server.connections)
    counters = server.counters
    assert (counters.accepted, counters.closed, counters.refused) == (2, 2, 0)
    assert (counters.bytes_in, counters.bytes_out) == (10, 10)


def test_the_log_tells_who_came_and_how_they_went(
    loop: Loop, clock: FakeClock, server: TcpServer, tcp: TcpBench, caplog: pytest.LogCaptureFixture
) -> None:
    client = tcp.connected(server)
    name = f"127.0.0.1--{client.getsockname()[1]}"
    client.send(b"hello")
    receive(loop, client)
    clock.advance(2.5)
    client.close()
    run_until(loop, lambda: not server.connections)
    accept, close = caplog.messages
    assert re.fullmatch(rf"accept {name} fd=\d+", accept)
    assert close == f"close {name} in=5 out=5 seconds=2.500 reason=eof"
    assert {record.levelno for record in caplog.records} == {logging.INFO}


def reason(caplog: pytest.LogCaptureFixture) -> str:
    """Why the last connection in the log closed."""
    return caplog.messages[-1].rpartition("reason=")[2]


def test_a_reset_closes_one_connection_and_is_told_from_an_end(
    loop: Loop, server: TcpServer, tcp: TcpBench, caplog: pytest.LogCaptureFixture
) -> None:
    other, client = tcp.connected(server), tcp.connected(server)
    reset(client)
    run_until(loop, lambda: server.counters.closed)
    assert reason(caplog) == "reset"
    other.send(b"hello")
    assert receive(loop, other) == b"hello"


def test_a_reset_by_a_peer_that_is_owed_something_is_met_by_the_writer(
    loop: Loop, server: TcpServer, tcp: TcpBench, caplog: pytest.LogCaptureFixture
) -> None:
    client = tcp.connected(server, buffers=SMALL)
    tcp.make_it_owe(server, client)
    reset(client)
    run_until(loop, lambda: server.counters.closed)
    assert reason(caplog) == "reset"


class FailingSocket(socket.socket):
    """A connection whose network goes away."""

    def recv_into(self, *arguments: object, **options: object) -> int:
        """Fail as tcp(7) says that it can."""
        raise OSError(errno.EHOSTUNREACH, os.strerror(errno.EHOSTUNREACH))


class FailingListener(socket.socket):
    """A listener all of whose connections fail."""

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept as always, and give the connection its fault."""
        sock, address = super().accept()
        return FailingSocket(fileno=sock.detach()), address


def test_any_other_failure_closes_the_connection_as_an_error(
    loop: Loop, tcp: TcpBench, caplog: pytest.LogCaptureFixture
) -> None:
    listener = tcp.resources.enter_context(FailingListener(fileno=os.dup(tcp.listener.fileno())))
    server = tcp.serve(listeners=[listener])
    tcp.connected(server).send(b"hello")
    run_until(loop, lambda: server.counters.closed)
    assert reason(caplog) == "error"


def test_closing_closes_everything_at_once(
    loop: Loop, server: TcpServer, tcp: TcpBench, caplog: pytest.LogCaptureFixture
) -> None:
    clients = [tcp.connected(server) for _ in range(3)]
    address = tcp.listener.getsockname()
    server.close()
    assert not server.connections
    for client in clients:
        until_readable(loop, client)
        assert client.recv(1) == b""
    with socket.socket() as late, pytest.raises(ConnectionRefusedError):
        late.connect(address)
    assert reason(caplog) == "drain"
