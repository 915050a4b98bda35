"""Connections from load balancers: their header comes first, and names the client."""

import logging
import socket

import pytest
from support.looping import (
    Drain,
    FakeClock,
    TcpBench,
    receive,
    receive_exactly,
    receive_rest,
    reset,
    run_until,
    settle,
    turn,
)

from netechod.reactor.loop import Loop
from netechod.reactor.tcp import proxied
from netechod.reactor.tcp.accept_queue import TcpLimits
from netechod.reactor.tcp.models import ModelName
from netechod.reactor.tcp.proxied import PATIENCE
from netechod.reactor.tcp.server import TcpServer

HEADER = b"PROXY TCP4 192.0.2.7 192.0.2.1 40000 443\r\n"
LOCAL = b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
PROXY = "127.0.0.2"


def behind(proxy: str = PROXY, **limits: object) -> TcpLimits:
    """Limits under which connections from this address begin with a header."""
    return TcpLimits(is_proxy=lambda address: address == proxy, **limits)  # type: ignore[arg-type]


@pytest.fixture
def server(tcp: TcpBench) -> TcpServer:
    return tcp.serve(behind())


def pending(loop: Loop, tcp: TcpBench, server: TcpServer) -> socket.socket:
    """A client whose header has yet to come."""
    count = server.count
    client = tcp.connect(source=PROXY)
    run_until(loop, lambda: server.count > count)
    return client


@pytest.mark.parametrize("model", ["select", "iterative", "thread", "pool"])
def test_what_stands_behind_the_header_is_the_stream(loop: Loop, tcp: TcpBench, model: ModelName) -> None:
    client = pending(loop, tcp, tcp.serve(behind(), model=model))
    client.send(HEADER + b"hello")
    assert receive_exactly(loop, client, 5) == b"hello"


def test_a_header_may_come_in_pieces(loop: Loop, tcp: TcpBench, server: TcpServer) -> None:
    client = pending(loop, tcp, server)
    for byte in HEADER:
        assert not server.connections
        client.send(bytes([byte]))
        settle()
        turn(loop, 2)
    client.send(b"hello")
    assert receive(loop, client) == b"hello"


def test_the_client_of_the_header_is_logged_and_limited(
    loop: Loop, tcp: TcpBench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "netechod.reactor")
    server = tcp.serve(behind(connections_per_source=1))
    first = pending(loop, tcp, server)
    first.send(HEADER)
    run_until(loop, lambda: server.connections)
    second = pending(loop, tcp, server)
    second.send(HEADER)
    assert receive(loop, second) == b""
    third = pending(loop, tcp, server)
    third.send(HEADER.replace(b"2.7", b"2.8") + b"hello")
    assert receive(loop, third) == b"hello"
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split()[1] for line in lines] == ["192.0.2.7--40000", "192.0.2.8--40000"]
    assert (server.counters.refused, server.counters.proxy_refused) == (1, 0)


def test_a_client_that_may_not_connect_is_refused_behind_a_proxy_too(loop: Loop, tcp: TcpBench) -> None:
    server = tcp.serve(behind(admits=lambda address: address != "192.0.2.7"))
    client = pending(loop, tcp, server)
    client.send(HEADER)
    assert receive_rest(loop, client) == b""
    assert server.counters.refused == 1


def test_a_proxy_may_speak_for_itself(loop: Loop, tcp: TcpBench, server: TcpServer) -> None:
    client = pending(loop, tcp, server)
    client.send(LOCAL + b"hello")
    assert receive(loop, client) == b"hello"
    assert {connection.address for connection in server.connections} == {PROXY}


def test_somebody_else_s_header_is_data(loop: Loop, tcp: TcpBench, server: TcpServer) -> None:
    client = tcp.connected(server)
    client.send(HEADER)
    assert receive(loop, client) == HEADER


@pytest.mark.parametrize(
    "said", [b"hello\n", HEADER.replace(b" 443", b""), b"\r\n\r\n\x00\r\nQUIT\n\x31", b"PROXY " + b"x" * 5000]
)
def test_a_wrong_header_ends_the_connection_and_is_counted(
    loop: Loop, tcp: TcpBench, server: TcpServer, said: bytes
) -> None:
    client = pending(loop, tcp, server)
    client.send(said)
    assert receive_rest(loop, client) == b""
    assert (server.counters.proxy_refused, server.counters.accepted, server.count) == (1, 0, 0)


def test_a_header_has_to_come_in_time(loop: Loop, clock: FakeClock, tcp: TcpBench, server: TcpServer) -> None:
    client = pending(loop, tcp, server)
    client.send(HEADER[:10])
    settle()
    turn(loop, 2)
    clock.advance(PATIENCE - 0.1)
    turn(loop)
    assert server.count == 1
    clock.advance(0.2)
    assert receive_rest(loop, client) == b""
    assert (server.counters.proxy_refused, server.count) == (1, 0)


def test_half_a_header_is_a_wrong_one_and_none_is_a_health_check(
    loop: Loop, tcp: TcpBench, server: TcpServer
) -> None:
    for said, refused in ((b"", 0), (HEADER[:10], 1)):
        client = pending(loop, tcp, server)
        client.send(said)
        client.shutdown(socket.SHUT_WR)
        assert receive_rest(loop, client) == b""
        assert server.counters.proxy_refused == refused


def test_a_connection_that_is_reset_before_its_header_is_counted(
    loop: Loop, tcp: TcpBench, server: TcpServer
) -> None:
    client = pending(loop, tcp, server)
    reset(client)
    run_until(loop, lambda: not server.count)
    assert server.counters.proxy_refused == 1


def test_a_spurious_wake_up_is_waited_out(loop: Loop, tcp: TcpBench, server: TcpServer) -> None:
    client = pending(loop, tcp, server)
    [waiting] = server._headers._pending
    waiting.on_readable()
    client.send(HEADER + b"hello")
    assert receive(loop, client) == b"hello"


def test_only_so_many_connections_wait_for_their_headers(
    loop: Loop, tcp: TcpBench, server: TcpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxied, "MAX_PENDING", 1)
    pending(loop, tcp, server)
    assert receive_rest(loop, tcp.connect(source=PROXY)) == b""
    assert (server.counters.proxy_refused, server.count) == (1, 1)


def test_a_descriptor_beyond_what_the_selector_can_watch_is_refused(
    loop: Loop, tcp: TcpBench, server: TcpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(loop), "descriptor_limit", 1)
    assert receive_rest(loop, tcp.connect(source=PROXY)) == b""
    assert server.counters.proxy_refused == 1


def test_one_that_was_accepted_before_the_limit_was_reached_is_served(loop: Loop, tcp: TcpBench) -> None:
    server = tcp.serve(behind(connections=1))
    early = pending(loop, tcp, server)
    tcp.connected(server)
    early.send(HEADER + b"hello")
    assert receive(loop, early) == b"hello"


def test_a_connection_that_cannot_be_served_is_closed(
    loop: Loop, tcp: TcpBench, server: TcpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    client = pending(loop, tcp, server)
    monkeypatch.setattr(server._headers, "_accepted", fail)
    client.send(HEADER)
    assert receive_rest(loop, client) == b""
    assert server.count == 0


def test_a_drain_waits_for_headers_under_way(loop: Loop, tcp: TcpBench, server: TcpServer) -> None:
    client = pending(loop, tcp, server)
    drain = Drain(server)
    turn(loop, 3)
    assert drain.calls == 0
    client.send(HEADER + b"hello")
    client.shutdown(socket.SHUT_WR)
    assert receive_rest(loop, client) == b"hello"
    run_until(loop, lambda: drain.calls)


def test_a_drain_ends_when_the_last_header_does_not_come(
    loop: Loop, clock: FakeClock, tcp: TcpBench, server: TcpServer
) -> None:
    pending(loop, tcp, server)
    drain = Drain(server)
    turn(loop, 2)
    clock.advance(PATIENCE)
    run_until(loop, lambda: drain.calls)


def test_a_close_ends_connections_without_a_header(loop: Loop, tcp: TcpBench, server: TcpServer) -> None:
    client = pending(loop, tcp, server)
    server.close()
    assert receive_rest(loop, client) == b""


def test_connections_of_quiet_networks_write_no_line_and_are_counted(
    loop: Loop, tcp: TcpBench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "netechod.reactor")
    server = tcp.serve(TcpLimits(is_quiet=lambda address: address == PROXY))
    tcp.connected(server, source=PROXY).close()
    run_until(loop, lambda: server.counters.closed == 1)
    assert caplog.records == []
    tcp.connected(server).close()
    run_until(loop, lambda: server.counters.closed == 2)
    assert [record.getMessage().split()[0] for record in caplog.records] == ["accept", "close"]
