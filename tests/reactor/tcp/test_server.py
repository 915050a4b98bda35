"""TCP on the loop: the bytes, the limits on memory and time, and what the log says of each connection."""

import logging
import socket

import pytest
from support.looping import (
    SMALL,
    TcpBench,
    owed,
    receive,
    receive_exactly,
    receive_rest,
    run_until,
    turn,
    until_readable,
)

from netechod.reactor.loop import Loop
from netechod.reactor.tcp.api import READ_SIZE
from netechod.reactor.tcp.connection import HIGH_WATER
from netechod.reactor.tcp.server import TcpServer
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


def test_a_peer_that_never_reads_costs_a_bounded_amount_of_memory(
    loop: Loop, server: TcpServer, tcp: TcpBench
) -> None:
    client = tcp.connected(server, buffers=SMALL)
    connection = tcp.make_it_owe(server, client)
    loop.watch(client.fileno(), None, lambda: client.send(bytes(65536)))
    turn(loop, 100)
    loop.unwatch(client.fileno())
    assert owed(connection) <= READ_SIZE
    assert connection.bytes_in <= 4 * HIGH_WATER, "the server reads on"


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


def reason(caplog: pytest.LogCaptureFixture) -> str:
    """Return why the last connection in the log closed."""
    return caplog.messages[-1].rpartition("reason=")[2]


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
