"""Sessions that do more than answer: they speak first, in pieces, unasked or late, and end connections."""

import errno
import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from support.looping import (
    SMALL,
    Drain,
    FakeClock,
    TcpBench,
    receive_exactly,
    receive_rest,
    reset,
    run_until,
    settle,
    turn,
)

from netechod.reactor.loop import Loop
from netechod.reactor.tcp.accept_queue import TcpLimits
from netechod.reactor.tcp.api import StreamService, Waker
from netechod.reactor.tcp.server import DRAIN_QUIET
from netechod.reactor.tcp.talking import LINGER, TalkingConnection
from netechod.services.api import Chunk, StreamSession

PIECE = bytes(range(256)) * 32


class Clerk(StreamSession):
    """Greets, and answers commands of one byte each; a figure asks for so many pieces."""

    ended = False
    waiting = False
    idle = False
    banner = b"hello "

    def __init__(self, wake: Callable[[], object] = lambda: None) -> None:
        self.wake = wake
        self.todo: list[bytes] = []
        self.asked = 0
        self.heard = bytearray()
        self.work: Callable[[], object] = lambda: None  # what each piece takes
        self.waits_at_the_end = False

    def opened(self) -> Chunk:
        return self.banner

    def data_received(self, data: memoryview) -> Chunk:
        self.heard += data
        for command in bytes(data):
            match chr(command):
                case "q":
                    self.todo.append(b"bye")
                case "w":
                    self.waiting = True
                case "L":
                    self.todo.append(20 * PIECE)
                case "?":
                    self.todo.append(b"")
                case digit if digit.isdigit():
                    self.todo += [PIECE] * int(digit)
        return b""

    def more(self) -> Chunk | None:
        self.asked += 1
        self.work()
        if not self.todo:
            return None
        piece = self.todo.pop(0)
        self.ended = piece == b"bye"
        return piece

    def eof_received(self) -> Chunk:
        self.waiting = self.waits_at_the_end
        return b"end"

    def say(self, piece: bytes) -> None:
        self.waiting = False
        self.todo.append(piece)
        self.wake()


class Office:
    """A server and the sessions that it has made."""

    def __init__(self, tcp: TcpBench, limits: TcpLimits | None = None, **options: bytes) -> None:
        self.clerks: list[Clerk] = []
        self.server = tcp.serve(limits, service=StreamService("office", self._new_session, **options))  # type: ignore[arg-type]

    def _new_session(self, waker: Waker) -> Clerk:
        self.clerks.append(Clerk(waker))
        return self.clerks[-1]


@pytest.fixture
def office(tcp: TcpBench) -> Office:
    return Office(tcp)


@pytest.fixture(autouse=True)
def _log_everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "netechod.reactor")


def reason(caplog: pytest.LogCaptureFixture) -> str:
    """Return why the last connection in the log closed."""
    return caplog.messages[-1].rpartition("reason=")[2]


def test_the_server_speaks_first(loop: Loop, tcp: TcpBench, office: Office) -> None:
    assert receive_exactly(loop, tcp.connect(), 6) == b"hello "


def test_a_long_answer_comes_whole_and_is_pulled_as_the_peer_takes_it(loop: Loop, tcp: TcpBench) -> None:
    tcp.listener = tcp.listen(SMALL)
    office = Office(tcp)
    client = tcp.connected(office.server, buffers=SMALL)
    client.send(b"99999")
    turn(loop, 200)
    [connection] = office.server.connections
    [clerk] = office.clerks
    assert isinstance(connection, TalkingConnection)
    assert len(clerk.todo) > 35, "the answer is made ahead of the peer"
    assert len(connection._unsent or b"") <= len(PIECE)
    assert receive_exactly(loop, client, 6 + 45 * len(PIECE)) == b"hello " + 45 * PIECE


def test_nothing_is_read_while_there_is_more_to_say(loop: Loop, tcp: TcpBench) -> None:
    tcp.listener = tcp.listen(SMALL)
    office = Office(tcp)
    client = tcp.connected(office.server, buffers=SMALL)
    client.send(b"99")
    turn(loop, 50)
    client.send(b"1")
    turn(loop, 50)
    assert bytes(office.clerks[0].heard) == b"99"
    assert receive_exactly(loop, client, 6 + 19 * len(PIECE)) == b"hello " + 19 * PIECE
    assert bytes(office.clerks[0].heard) == b"991"


def test_a_piece_that_is_larger_than_the_kernel_s_buffer_goes_in_parts(loop: Loop, tcp: TcpBench) -> None:
    tcp.listener = tcp.listen(SMALL)
    client = tcp.connected(Office(tcp).server, buffers=SMALL)
    client.send(b"L")
    assert receive_exactly(loop, client, 6 + 20 * len(PIECE)) == b"hello " + 20 * PIECE


def test_an_idle_peer_that_resets_is_no_trouble(
    loop: Loop, tcp: TcpBench, office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    client = tcp.connected(office.server)
    assert receive_exactly(loop, client, 6) == b"hello "
    reset(client)
    run_until(loop, lambda: not office.server.connections)
    assert reason(caplog) == "reset"


def test_a_piece_without_a_result_is_a_turn_like_any_other(loop: Loop, tcp: TcpBench, office: Office) -> None:
    client = tcp.connected(office.server)
    client.send(b"???1")
    assert receive_exactly(loop, client, 6 + len(PIECE)) == b"hello " + PIECE


def test_whoever_asks_for_a_lot_leaves_the_others_their_turns(
    loop: Loop, clock: FakeClock, tcp: TcpBench, office: Office
) -> None:
    greedy = [tcp.connected(office.server) for _ in range(8)]
    for client in greedy:
        client.send(b"?" * 1000)
    run_until(loop, lambda: all(len(clerk.todo) > 900 for clerk in office.clerks))
    before = [clerk.asked for clerk in office.clerks]
    modest = tcp.connect()
    heard = receive_exactly(loop, modest, 6)
    assert heard == b"hello "
    assert all(clerk.asked - asked < 100 for clerk, asked in zip(office.clerks, before, strict=False))


def test_a_slice_of_time_is_for_all(loop: Loop, clock: FakeClock, tcp: TcpBench) -> None:
    tcp.listener = tcp.listen(SMALL)
    office = Office(tcp)
    clients = [tcp.connected(office.server, buffers=SMALL) for _ in range(3)]
    turn(loop, 2)
    for clerk in office.clerks:
        clerk.work = lambda: clock.advance(1.0)
    asked = sum(clerk.asked for clerk in office.clerks)
    for client in clients:
        client.send(b"9")
    settle()
    for count in range(1, 10):
        turn(loop)
        assert sum(clerk.asked for clerk in office.clerks) <= asked + count
    for client in clients:
        assert receive_exactly(loop, client, 6 + 9 * len(PIECE)) == b"hello " + 9 * PIECE


def test_a_goodbye_is_delivered_although_the_peer_talks_on(
    loop: Loop, tcp: TcpBench, office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    client = tcp.connected(office.server)
    client.send(b"q" + bytes(1000))
    settle()
    turn(loop, 5)
    client.send(bytes(1000))
    settle()
    assert receive_rest(loop, client) == b"hello bye"
    assert office.server.connections
    client.close()
    run_until(loop, lambda: not office.server.connections)
    assert reason(caplog) == "ended"


def test_a_peer_that_does_not_end_the_stream_is_not_waited_for_for_ever(
    loop: Loop, clock: FakeClock, tcp: TcpBench, office: Office
) -> None:
    client = tcp.connected(office.server)
    client.send(b"q")
    assert receive_rest(loop, client) == b"hello bye"
    clock.advance(LINGER)
    turn(loop, 2)
    assert not office.server.connections


def test_a_goodbye_after_the_peer_s_end_of_stream_closes_at_once(
    loop: Loop, tcp: TcpBench, office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    client = tcp.connected(office.server)
    office.clerks[0].waits_at_the_end = True
    client.shutdown(socket.SHUT_WR)
    run_until(loop, lambda: office.clerks[0].waiting)
    office.clerks[0].say(b"bye")
    assert receive_rest(loop, client) == b"hello endbye"
    assert not office.server.connections
    assert reason(caplog) == "ended"


def test_the_end_of_a_stream_is_answered_and_everything_before_it(
    loop: Loop, tcp: TcpBench, office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    client = tcp.connected(office.server)
    client.send(b"3")
    client.shutdown(socket.SHUT_WR)
    assert receive_rest(loop, client) == b"hello " + 3 * PIECE + b"end"
    assert reason(caplog) == "eof"


def test_a_session_can_speak_unasked(loop: Loop, tcp: TcpBench, office: Office) -> None:
    client = tcp.connected(office.server)
    assert receive_exactly(loop, client, 6) == b"hello "
    office.clerks[0].say(b"news")
    office.clerks[0].wake()
    assert receive_exactly(loop, client, 4) == b"news"


def test_whoever_waits_for_an_answer_is_neither_read_nor_closed(
    loop: Loop, clock: FakeClock, tcp: TcpBench
) -> None:
    office = Office(tcp, TcpLimits(idle_timeout=60.0))
    client = tcp.connected(office.server)
    client.send(b"w")
    run_until(loop, lambda: office.clerks[0].waiting)
    client.send(b"1")
    client.shutdown(socket.SHUT_WR)
    clock.advance(600.0)
    turn(loop, 5)
    assert bytes(office.clerks[0].heard) == b"w"
    office.clerks[0].say(b"late")
    assert receive_rest(loop, client) == b"hello late" + PIECE + b"end"


def test_whoever_ends_the_stream_while_it_waits_still_gets_the_answer(
    loop: Loop, tcp: TcpBench, office: Office
) -> None:
    client = tcp.connected(office.server)
    office.clerks[0].waits_at_the_end = True
    client.shutdown(socket.SHUT_WR)
    run_until(loop, lambda: office.clerks[0].waiting)
    turn(loop, 5)
    assert office.server.connections
    office.clerks[0].say(b"late")
    assert receive_rest(loop, client) == b"hello endlate"


def test_waking_a_session_whose_connection_has_gone_does_nothing(
    loop: Loop, tcp: TcpBench, office: Office
) -> None:
    client = tcp.connected(office.server)
    turn(loop, 2)
    [clerk] = office.clerks
    clerk.say(b"to nobody")
    reset(client)
    office.server.close()
    turn(loop, 3)
    clerk.wake()
    turn(loop)
    assert not office.server.connections


def test_a_request_that_never_ends_is_silence(loop: Loop, clock: FakeClock, tcp: TcpBench) -> None:
    office = Office(tcp, TcpLimits(idle_timeout=60.0))
    client = tcp.connected(office.server)
    turn(loop, 2)
    for _ in range(6):
        client.send(b"x")
        settle()
        turn(loop, 2)
        clock.advance(10.0)
    turn(loop, 2)
    assert receive_rest(loop, client) == b"hello "


def test_the_silent_are_closed_when_the_server_drains(
    loop: Loop, clock: FakeClock, tcp: TcpBench, office: Office
) -> None:
    client = tcp.connected(office.server)
    assert receive_exactly(loop, client, 6) == b"hello "
    drain = Drain(office.server)
    clock.advance(DRAIN_QUIET)
    turn(loop, 3)
    assert receive_rest(loop, client) == b""
    assert drain.calls == 1


def test_sessions_with_a_state_are_drained_instead_of_handed_over(
    loop: Loop, clock: FakeClock, tcp: TcpBench, office: Office
) -> None:
    client = tcp.connected(office.server)
    assert receive_exactly(loop, client, 6) == b"hello "
    kept: list[socket.socket] = []
    office.server.hand_over(lambda sock, owed: kept.append(sock), lambda: None)
    clock.advance(DRAIN_QUIET)
    turn(loop, 3)
    assert receive_rest(loop, client) == b""
    assert not kept


def test_a_peer_that_resets_is_no_trouble(
    loop: Loop, tcp: TcpBench, caplog: pytest.LogCaptureFixture
) -> None:
    tcp.listener = tcp.listen(SMALL)
    office = Office(tcp)
    client = tcp.connected(office.server, buffers=SMALL)
    client.send(b"9999")
    turn(loop, 50)
    reset(client)
    run_until(loop, lambda: not office.server.connections)
    assert reason(caplog) == "reset"


def test_a_peer_that_resets_after_our_end_is_no_trouble(
    loop: Loop, tcp: TcpBench, office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    client = tcp.connected(office.server)
    client.send(b"q")
    assert receive_rest(loop, client) == b"hello bye"
    reset(client)
    run_until(loop, lambda: not office.server.connections)
    assert reason(caplog) == "ended"


def test_a_session_that_finds_no_memory_costs_its_connection_alone(
    loop: Loop, tcp: TcpBench, office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    unlucky, other = tcp.connected(office.server), tcp.connected(office.server)
    turn(loop, 2)

    def no_memory() -> None:
        raise MemoryError

    office.clerks[0].work = no_memory
    office.clerks[0].wake()
    assert receive_rest(loop, unlucky) == b"hello "
    assert reason(caplog) == "error"
    other.send(b"1")
    assert receive_exactly(loop, other, 6 + len(PIECE)) == b"hello " + PIECE


def test_a_refused_client_is_told_so(loop: Loop, tcp: TcpBench) -> None:
    limits = TcpLimits(connections=2, connections_per_source=1, admits=lambda address: address != "127.0.0.9")
    office = Office(tcp, limits, denied=b"530 no\r\n", busy=b"420 later\r\n")
    first = tcp.connected(office.server)
    assert receive_exactly(loop, first, 6) == b"hello "
    again = tcp.connect()
    again.send(b"unread")
    assert receive_rest(loop, again) == b"420 later\r\n"
    assert receive_rest(loop, tcp.connect(source="127.0.0.9")) == b"530 no\r\n"
    second = tcp.connected(office.server, source="127.0.0.2")
    assert receive_exactly(loop, second, 6) == b"hello "
    assert receive_rest(loop, tcp.connect(source="127.0.0.3")) == b"420 later\r\n"
    assert office.server.counters.refused == 3


def test_a_quiet_server_writes_no_lines_about_connections(
    loop: Loop, tcp: TcpBench, caplog: pytest.LogCaptureFixture
) -> None:
    office = Office(tcp, quiet=True)  # type: ignore[arg-type]
    tcp.connected(office.server).close()
    run_until(loop, lambda: not office.server.connections)
    assert caplog.messages == []


def test_a_session_is_given_no_more_than_the_server_s_read_size(loop: Loop, tcp: TcpBench) -> None:
    sizes: list[int] = []

    class Measuring(Clerk):
        def data_received(self, data: memoryview) -> Chunk:
            sizes.append(len(data))
            return b""

    server = tcp.serve(service=StreamService("office", lambda wake: Measuring(wake), read_size=100))
    client = tcp.connected(server)
    client.send(bytes(250))
    run_until(loop, lambda: sum(sizes) == 250)
    assert max(sizes) == 100


class LastLook(socket.socket):
    """A connection that breaks when we end the stream."""

    def shutdown(self, how: int) -> None:
        """Fail as shutdown(2) can."""
        raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))


def test_a_stream_that_cannot_be_ended_is_closed(loop: Loop, tcp: TcpBench, office: Office) -> None:
    client = tcp.connected(office.server)
    turn(loop, 2)
    [connection] = office.server.connections
    connection._sock = LastLook(fileno=connection._sock.detach())
    client.send(b"q")
    assert receive_rest(loop, client) == b"hello bye"
    run_until(loop, lambda: not office.server.connections)


def test_it_serves_unix_sockets_too(loop: Loop, tcp: TcpBench, tmp_path: Path) -> None:
    listener = tcp.resources.enter_context(socket.socket(socket.AF_UNIX))
    listener.bind(str(tmp_path / "office.sock"))
    listener.listen()
    listener.setblocking(False)
    server = tcp.serve(
        TcpLimits(connections_per_source=1),
        listeners=[listener],
        service=StreamService("office", Clerk, quiet=True),
    )
    for _ in range(3):
        client = tcp.resources.enter_context(socket.socket(socket.AF_UNIX))
        client.connect(str(tmp_path / "office.sock"))
        client.setblocking(False)
        assert receive_exactly(loop, client, 6) == b"hello "
        client.close()
    run_until(loop, lambda: not server.connections)


def test_a_turn_that_did_not_come_in_time_comes_later(loop: Loop, tcp: TcpBench, office: Office) -> None:
    client = tcp.connected(office.server)
    assert receive_exactly(loop, client, 6) == b"hello "
    [connection] = office.server.connections
    assert isinstance(connection, TalkingConnection)
    office.clerks[0].say(b"news")
    connection._on_writable()
    connection._on_readable()
    client.send(b"1")
    assert receive_exactly(loop, client, 4 + len(PIECE)) == b"news" + PIECE


def test_a_session_that_is_idle_after_its_answer_is_not_asked_for_more(
    loop: Loop, tcp: TcpBench, office: Office
) -> None:
    client = tcp.connected(office.server)
    assert receive_exactly(loop, client, 6) == b"hello "
    [clerk] = office.clerks
    clerk.idle = True
    clerk.asked = 0
    client.send(b"x")
    run_until(loop, lambda: clerk.heard)
    turn(loop)
    assert clerk.asked == 0
    clerk.say(b"unasked")
    assert receive_exactly(loop, client, 7) == b"unasked"
    client.shutdown(socket.SHUT_WR)
    assert receive_rest(loop, client) == b"end"
