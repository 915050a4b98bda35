"""The idle timeout of a TCP server closes silent connections, and no others."""

import logging

import pytest
from support.looping import SMALL, FakeClock, TcpBench, receive, run_until, settle, turn

from netechod.reactor.loop import Loop
from netechod.reactor.tcp.accept_queue import TcpLimits
from netechod.reactor.tcp.idle import LOOKS
from netechod.services.api import Chunk
from netechod.services.echo import EchoSession


@pytest.fixture(autouse=True)
def _log_everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "netechod.reactor")


def reason(caplog: pytest.LogCaptureFixture) -> str:
    """Return why the last connection in the log closed."""
    return caplog.messages[-1].rpartition("reason=")[2]


def test_the_silent_are_closed_after_the_idle_timeout_and_the_others_are_not(
    loop: Loop, clock: FakeClock, tcp: TcpBench, caplog: pytest.LogCaptureFixture
) -> None:
    server = tcp.serve(TcpLimits(idle_timeout=60.0))
    silent, talking = tcp.connected(server), tcp.connected(server)
    clock.advance(40.0)
    talking.send(b"hello")
    assert receive(loop, talking) == b"hello"
    clock.advance(19.0)
    turn(loop)
    assert len(server.connections) == 2
    clock.advance(1.0)
    turn(loop)
    assert receive(loop, silent) == b""
    assert reason(caplog) == "idle"
    clock.advance(39.0)
    turn(loop)
    assert len(server.connections) == 1
    clock.advance(1.0)
    turn(loop)
    assert not server.connections


def test_the_idle_timeout_counts_for_those_who_come_after_all_others_have_gone(
    loop: Loop, clock: FakeClock, tcp: TcpBench
) -> None:
    server = tcp.serve(TcpLimits(idle_timeout=60.0))
    for _ in range(2):
        client = tcp.connected(server)
        clock.advance(60.0)
        turn(loop)
        assert receive(loop, client) == b""


def test_a_peer_that_is_owed_something_but_never_takes_it_is_idle_too(
    loop: Loop, clock: FakeClock, tcp: TcpBench, caplog: pytest.LogCaptureFixture
) -> None:
    tcp.listener = tcp.listen(SMALL)
    server = tcp.serve(TcpLimits(idle_timeout=60.0))
    connection = tcp.make_it_owe(server, tcp.connected(server, buffers=SMALL))
    assert connection.has_unsent
    for _ in range(20):  # the kernel may take a little more before it is full for good
        clock.advance(60.0)
        turn(loop)
    assert not server.connections
    assert reason(caplog) == "idle"


class SilentSession(EchoSession):
    """A session that only listens."""

    def data_received(self, data: memoryview) -> Chunk:
        """Answer nothing."""
        return b""


def test_who_talks_is_not_idle_although_nothing_is_answered(
    loop: Loop, clock: FakeClock, tcp: TcpBench
) -> None:
    server = tcp.serve(TcpLimits(idle_timeout=60.0), SilentSession)
    client = tcp.connected(server)
    [connection] = server.connections
    for received in range(1, 4):
        clock.advance(40.0)
        client.send(b"x")
        run_until(loop, lambda received=received: connection.bytes_in == received)  # type: ignore[misc]
    assert server.connections


def test_without_a_timeout_nobody_is_ever_idle(loop: Loop, clock: FakeClock, tcp: TcpBench) -> None:
    server = tcp.serve()
    tcp.connected(server)
    clock.advance(10.0**6)
    turn(loop, 3)
    assert len(server.connections) == 1


def test_whoever_speaks_at_the_last_moment_is_served_and_stays(
    loop: Loop, clock: FakeClock, tcp: TcpBench
) -> None:
    server = tcp.serve()
    client = tcp.connected(server)
    clock.advance(100.0)
    turn(loop)
    client.send(b"hello")
    settle()
    server.configure(TcpLimits(idle_timeout=60.0))
    assert len(server.connections) == 1
    assert receive(loop, client) == b"hello"


def test_closing_cancels_the_idle_timeout(loop: Loop, clock: FakeClock, tcp: TcpBench) -> None:
    server = tcp.serve(TcpLimits(idle_timeout=60.0))
    tcp.connected(server)
    server.close()
    clock.advance(60.0)
    turn(loop, 2)
    assert server.counters.closed == 1


def test_a_crowd_that_has_fallen_silent_is_closed_a_part_a_turn(
    loop: Loop, clock: FakeClock, tcp: TcpBench
) -> None:
    server = tcp.serve(TcpLimits(connections_per_source=1000, idle_timeout=60.0))
    for _ in range(LOOKS + 10):
        tcp.connect()
    run_until(loop, lambda: len(server.connections) == LOOKS + 10)
    clock.advance(60.0)
    turn(loop)
    assert len(server.connections) == 10
    turn(loop)
    assert not server.connections
