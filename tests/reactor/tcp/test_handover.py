"""From one process to the next: connections are handed over whole, and adopted as if nothing had been."""

import logging
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from support.looping import (
    SMALL,
    FakeClock,
    TcpBench,
    owed,
    receive,
    receive_exactly,
    receive_rest,
    run_until,
    settle,
    turn,
)

from netechod.reactor.loop import Loop
from netechod.reactor.tcp.accept_queue import TcpLimits
from netechod.reactor.tcp.api import StreamService
from netechod.reactor.tcp.connection import LOW_WATER
from netechod.reactor.tcp.server import TcpServer
from netechod.services.api import Chunk, StreamSession

RESET = b"\1\0\0\0\0\0\0\0"  # struct linger of on and 0 seconds: close() resets the connection (socket(7))


class Heir:
    """The process that takes the connections over."""

    def __init__(self) -> None:
        self.connections: list[tuple[socket.socket, bytes]] = []
        self.drained = 0

    def inherit_from(self, server: TcpServer) -> None:
        server.hand_over(self.keep, self._on_drained)

    def keep(self, sock: socket.socket, owed: bytes) -> None:
        self.connections.append((sock, owed))

    def leave_to(self, server: TcpServer) -> None:
        while self.connections:
            server.adopt(*self.connections.pop())

    def close(self) -> None:
        for sock, _ in self.connections:
            sock.close()

    def _on_drained(self) -> None:
        self.drained += 1


@pytest.fixture
def heir() -> Iterator[Heir]:
    heir = Heir()
    yield heir
    heir.close()


@pytest.fixture(autouse=True)
def _log_everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "netechod.reactor")


def slow_reader(tcp: TcpBench, server: TcpServer) -> tuple[socket.socket, bytes]:
    """A client that has sent, without reading anything, until it is owed a lot; and what it has sent."""
    client = tcp.connected(server, buffers=SMALL)
    [connection] = server.connections
    sent = bytearray()

    def send() -> None:
        data = bytes([len(sent) % 251]) * 4096
        sent.extend(data[: client.send(data)])

    tcp.loop.watch(client.fileno(), None, send)
    run_until(tcp.loop, lambda: owed(connection) > LOW_WATER)
    tcp.loop.unwatch(client.fileno())
    return client, bytes(sent)


def test_quiet_connections_go_at_once_and_are_not_closed(
    loop: Loop, tcp: TcpBench, heir: Heir, caplog: pytest.LogCaptureFixture
) -> None:
    server = tcp.serve()
    clients = [tcp.connected(server) for _ in range(3)]
    heir.inherit_from(server)
    assert {sock.getpeername() for sock, _ in heir.connections} == {
        client.getsockname() for client in clients
    }
    assert [owed for _, owed in heir.connections] == [b""] * 3
    assert not server.connections
    assert not [line for line in caplog.messages if line.startswith("close")]


def test_the_end_is_told_once_but_not_within_the_call(loop: Loop, tcp: TcpBench, heir: Heir) -> None:
    server = tcp.serve()
    tcp.connected(server)
    heir.inherit_from(server)
    assert heir.drained == 0
    turn(loop, 5)
    assert heir.drained == 1
    server.close()
    turn(loop, 5)
    assert heir.drained == 1


def test_a_server_without_connections_has_nothing_to_hand_over(loop: Loop, tcp: TcpBench, heir: Heir) -> None:
    heir.inherit_from(tcp.serve())
    turn(loop, 5)
    assert (heir.drained, heir.connections) == (1, [])


def test_nobody_new_can_connect(tcp: TcpBench, heir: Heir) -> None:
    address = tcp.listener.getsockname()
    heir.inherit_from(tcp.serve())
    with socket.socket() as late, pytest.raises(ConnectionRefusedError):
        late.connect(address)


def test_who_waits_in_the_backlog_is_handed_over_too(loop: Loop, tcp: TcpBench, heir: Heir) -> None:
    server = tcp.serve()
    clients = [tcp.connect() for _ in range(3)]
    heir.inherit_from(server)
    assert len(heir.connections) == len(clients)
    turn(loop, 5)
    assert heir.drained == 1


def test_an_adopted_connection_is_served(loop: Loop, tcp: TcpBench, heir: Heir) -> None:
    server = tcp.serve()
    client = tcp.connected(server)
    client.send(b"before")
    assert receive(loop, client) == b"before"
    heir.inherit_from(server)
    heir.leave_to(tcp.serve(listeners=[tcp.listen()]))
    client.send(b"after")
    assert receive(loop, client) == b"after"
    client.shutdown(socket.SHUT_WR)
    assert receive(loop, client) == b""


def test_what_has_arrived_but_was_not_read_is_answered_by_the_next(
    loop: Loop, tcp: TcpBench, heir: Heir
) -> None:
    server = tcp.serve()
    client = tcp.connected(server)
    client.send(b"hello")
    settle()
    heir.inherit_from(server)
    heir.leave_to(tcp.serve(listeners=[tcp.listen()]))
    assert receive(loop, client) == b"hello"


def test_who_is_owed_something_is_handed_over_when_it_has_it_all(
    loop: Loop, tcp: TcpBench, heir: Heir
) -> None:
    tcp.listener = tcp.listen(SMALL)
    server = tcp.serve()
    client, sent = slow_reader(tcp, server)
    [connection] = server.connections
    read = connection.bytes_in
    heir.inherit_from(server)
    turn(loop, 5)
    assert (heir.drained, heir.connections) == (0, [])
    assert receive_exactly(loop, client, read) == sent[:read]
    run_until(loop, lambda: heir.drained)
    assert [owed for _, owed in heir.connections] == [b""]
    assert connection.bytes_in == read, "it went on reading, and could have been owed something for ever"
    heir.leave_to(tcp.serve(listeners=[tcp.listen()]))
    assert receive_exactly(loop, client, len(sent) - read) == sent[read:]


def test_the_end_of_the_patience_hands_over_what_is_owed_as_well(
    loop: Loop, tcp: TcpBench, heir: Heir
) -> None:
    tcp.listener = tcp.listen(SMALL)
    server = tcp.serve()
    client, sent = slow_reader(tcp, server)
    [connection] = server.connections
    heir.inherit_from(server)
    server.close()
    turn(loop, 5)
    assert heir.drained == 1
    assert [len(rest) for _, rest in heir.connections] == [owed(connection)]
    heir.leave_to(tcp.serve(listeners=[tcp.listen()]))
    assert receive_exactly(loop, client, len(sent)) == sent
    client.send(b"still served")
    assert receive(loop, client) == b"still served"


def test_the_end_of_a_stream_goes_over_with_what_is_owed(loop: Loop, tcp: TcpBench, heir: Heir) -> None:
    tcp.listener = tcp.listen(SMALL)
    server = tcp.serve()
    client, sent = slow_reader(tcp, server)
    client.shutdown(socket.SHUT_WR)
    heir.inherit_from(server)
    server.close()
    heir.leave_to(tcp.serve(listeners=[tcp.listen()]))
    assert receive_rest(loop, client) == sent


def test_who_has_said_everything_is_closed_instead_of_handed_over(
    loop: Loop, tcp: TcpBench, heir: Heir, caplog: pytest.LogCaptureFixture
) -> None:
    tcp.listener = tcp.listen(SMALL)
    server = tcp.serve()
    client = tcp.connected(server, buffers=SMALL)
    [connection] = server.connections
    sent = 0

    def send() -> None:
        nonlocal sent
        sent += client.send(bytes(4096))

    loop.watch(client.fileno(), None, send)
    run_until(loop, lambda: connection.has_unsent)
    loop.unwatch(client.fileno())
    client.shutdown(socket.SHUT_WR)
    run_until(loop, lambda: connection.bytes_in == sent)
    turn(loop)  # now it knows that there is no more to come
    heir.inherit_from(server)
    assert receive_rest(loop, client) == bytes(sent)
    turn(loop, 5)
    assert (heir.drained, heir.connections) == (1, [])
    assert caplog.messages[-1].endswith("reason=eof")


def test_a_peer_that_resets_while_it_is_owed_something_is_not_waited_for(
    loop: Loop, tcp: TcpBench, heir: Heir
) -> None:
    tcp.listener = tcp.listen(SMALL)
    server = tcp.serve()
    client, _ = slow_reader(tcp, server)
    heir.inherit_from(server)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.close()
    run_until(loop, lambda: heir.drained)
    assert heir.connections == []


def test_a_connection_that_has_ended_meanwhile_is_closed(
    tcp: TcpBench, heir: Heir, resources: ExitStack
) -> None:
    server = tcp.serve()
    client = tcp.connected(server)
    heir.inherit_from(server)
    [(sock, _)] = heir.connections
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.close()
    settle()
    following = tcp.serve(listeners=[tcp.listen()])
    heir.leave_to(following)
    assert sock.fileno() == -1
    assert not following.connections


def test_the_adopted_count_among_the_connections_of_their_source(
    loop: Loop, tcp: TcpBench, heir: Heir
) -> None:
    server = tcp.serve()
    tcp.connected(server)
    heir.inherit_from(server)
    tcp.listener = tcp.listen()
    following = tcp.serve(TcpLimits(connections_per_source=1))
    heir.leave_to(following)
    assert receive(loop, tcp.connect()) == b""
    assert following.counters.refused == 1


def test_the_adopted_fall_idle_like_any_other(
    loop: Loop, clock: FakeClock, tcp: TcpBench, heir: Heir
) -> None:
    server = tcp.serve()
    client = tcp.connected(server)
    heir.inherit_from(server)
    heir.leave_to(tcp.serve(TcpLimits(idle_timeout=60.0), listeners=[tcp.listen()]))
    clock.advance(60.0)
    turn(loop)
    assert receive(loop, client) == b""


class Talkative(StreamSession):
    """Says more than the kernel takes at once."""

    ended = False
    pieces = 200

    def data_received(self, data: memoryview) -> Chunk:
        """Say nothing."""
        return b""

    def more(self) -> Chunk | None:
        """Return the next of many pieces."""
        self.pieces -= 1
        return bytes(SMALL) if self.pieces >= 0 else None

    def eof_received(self) -> Chunk:
        """Say nothing."""
        return b""


def test_a_session_that_has_more_to_say_is_served_to_its_end_and_not_handed_over(
    loop: Loop, tcp: TcpBench, heir: Heir
) -> None:
    tcp.listener = tcp.listen(SMALL)
    service = StreamService("talk", lambda wake: Talkative())
    server = tcp.serve(service=service)
    client = tcp.connected(server, buffers=SMALL)
    [connection] = server.connections
    run_until(loop, lambda: connection.bytes_out)
    assert connection.has_unsent
    heir.inherit_from(server)
    assert receive_exactly(loop, client, 200 * SMALL) == bytes(200 * SMALL)
    client.close()
    run_until(loop, lambda: heir.drained)
    assert heir.connections == []
