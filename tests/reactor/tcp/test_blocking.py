"""The blocking twin of a connection on the loop: bytes, bounds, ends, and the counters that report them."""

import os
import select
import socket
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from mmap import mmap

import pytest
from support.looping import (
    SMALL,
    FailingSocket,
    FakeClock,
    reset,
    set_buffers,
)

from netechod.reactor.tcp.blocking import Outcome, TransferCounters, drive
from netechod.reactor.tcp.connection import HIGH_WATER
from netechod.services.api import StreamSession
from netechod.services.echo import EchoSession, TutorialEchoSession

PATIENCE = 20.0  # seconds after which what a test waits for is taken to be missing


class Bench:
    """A connection that is driven on a thread, and its client."""

    def __init__(self, resources: ExitStack, clock: FakeClock) -> None:
        listener = resources.enter_context(socket.create_server(("127.0.0.1", 0)))
        set_buffers(listener, SMALL)
        self.client = resources.enter_context(socket.socket())
        set_buffers(self.client, SMALL)
        self.client.settimeout(PATIENCE)
        self.client.connect(listener.getsockname())
        self.sock = resources.enter_context(listener.accept()[0])
        self.counters = TransferCounters(clock, bytearray(TransferCounters.SIZE))
        self._executor = resources.enter_context(ThreadPoolExecutor(1))
        resources.callback(self.client.close)  # before the executor waits for who serves it

    def drive(self, session: StreamSession, owed: bytes = b"") -> Future[Outcome]:
        return self._executor.submit(drive, self.sock, session, self.counters, owed)


@pytest.fixture
def bench(resources: ExitStack, clock: FakeClock) -> Bench:
    return Bench(resources, clock)


def receive_rest(sock: socket.socket) -> bytes:
    heard = bytearray()
    while data := sock.recv(65536):
        heard += data
    return bytes(heard)


def test_the_same_session_answers_as_on_the_loop(bench: Bench) -> None:
    outcome = bench.drive(TutorialEchoSession())
    bench.client.sendall(b"hello")
    bench.client.shutdown(socket.SHUT_WR)
    assert receive_rest(bench.client) == b"hello[server echo]"
    assert outcome.result(PATIENCE) == "eof"
    assert (bench.counters.bytes_in, bench.counters.bytes_out) == (5, 18)


class FarewellSession(EchoSession):
    """A session with a last word."""

    def eof_received(self) -> bytes:
        """Say goodbye."""
        return b"bye"


def test_what_was_owed_before_comes_first_and_the_last_word_last(bench: Bench) -> None:
    outcome = bench.drive(FarewellSession(), owed=b"owed, ")
    bench.client.sendall(b"new, ")
    bench.client.shutdown(socket.SHUT_WR)
    assert receive_rest(bench.client) == b"owed, new, bye"
    assert outcome.result(PATIENCE) == "eof"


def receive_exactly(sock: socket.socket, size: int) -> bytes:
    heard = bytearray()
    while len(heard) < size:
        heard += sock.recv(size - len(heard))
    return bytes(heard)


def until_it_owes(bench: Bench) -> int:
    """Send, without reading, until the worker waits for us, and for good; returns how many bytes it took."""
    sent, quiet = 0, 0
    while quiet < 5:
        _, writable, _ = select.select([], [bench.client], [], 0.01)
        if writable:
            sent += bench.client.send(bytes(65536), socket.MSG_DONTWAIT)
        quiet = quiet + 1 if bench.counters.has_unsent and not writable else 0
    return sent


def test_a_peer_that_does_not_read_is_not_read_from(bench: Bench) -> None:
    outcome = bench.drive(EchoSession())
    sent = until_it_owes(bench)
    assert bench.counters.bytes_in - bench.counters.bytes_out <= HIGH_WATER
    bench.client.shutdown(socket.SHUT_WR)
    assert receive_rest(bench.client) == bytes(sent)
    assert outcome.result(PATIENCE) == "eof"
    assert not bench.counters.has_unsent
    assert bench.counters.bytes_in == bench.counters.bytes_out == sent


def test_it_can_be_ended_while_it_listens_and_answers_what_has_arrived(bench: Bench) -> None:
    outcome = bench.drive(EchoSession())
    bench.client.sendall(b"hello")
    assert bench.client.recv(10) == b"hello"
    bench.sock.shutdown(socket.SHUT_RD)
    assert receive_rest(bench.client) == b""
    assert outcome.result(PATIENCE) == "eof"


def test_it_can_be_ended_while_it_waits_for_a_peer_that_does_not_read(bench: Bench) -> None:
    outcome = bench.drive(EchoSession())
    until_it_owes(bench)
    bench.sock.shutdown(socket.SHUT_RDWR)
    assert outcome.result(PATIENCE) == "reset"


def test_a_reset_is_told_from_an_end(bench: Bench) -> None:
    outcome = bench.drive(EchoSession())
    bench.client.sendall(b"hello")
    assert bench.client.recv(10) == b"hello"
    reset(bench.client)
    assert outcome.result(PATIENCE) == "reset"


def test_any_other_failure_is_an_error(bench: Bench) -> None:
    bench.sock = FailingSocket(fileno=os.dup(bench.sock.fileno()))
    with closing(bench.sock):
        assert bench.drive(EchoSession()).result(PATIENCE) == "error"


@pytest.fixture(params=["of our own", "shared"])
def memory(request: pytest.FixtureRequest) -> bytearray | mmap:
    return (
        bytearray(TransferCounters.SIZE) if request.param == "of our own" else mmap(-1, TransferCounters.SIZE)
    )


def test_the_ledger_tells_when_something_has_moved_and_what_is_left(
    clock: FakeClock, memory: bytearray | mmap
) -> None:
    counters = TransferCounters(clock, memory)
    assert (counters.last_active, counters.bytes_in, counters.bytes_out, counters.has_unsent) == (
        1000.0,
        0,
        0,
        False,
    )
    clock.advance(1.0)
    counters.received(10)
    assert (counters.last_active, counters.bytes_in) == (1001.0, 10)
    clock.advance(1.0)
    counters.sent(4, 6)
    assert (counters.last_active, counters.bytes_out, counters.has_unsent) == (1002.0, 4, True)
    clock.advance(1.0)
    counters.sent(0, 6)
    assert (counters.last_active, counters.has_unsent) == (1002.0, True)
    counters.sent(6, 0)
    assert (counters.last_active, counters.bytes_out, counters.has_unsent) == (1003.0, 10, False)


class Speaker(StreamSession):
    """Greets, answers in pieces, and leaves after `q`."""

    ended = False

    def __init__(self) -> None:
        self.todo: list[bytes] = []

    def opened(self) -> bytes:
        """Greet."""
        return b"hello "

    def data_received(self, data: memoryview) -> bytes:
        """Begin the answer."""
        self.todo = [b"", b"two ", b"three "]
        self.ended = bytes(data).startswith(b"q")
        return b"one "

    def more(self) -> bytes | None:
        """Go on."""
        return self.todo.pop(0) if self.todo else None

    def eof_received(self) -> bytes:
        """Say goodbye."""
        self.todo = [b"bye"]
        return b"good"


def test_a_session_that_is_pulled_says_everything(bench: Bench) -> None:
    outcome = bench.drive(Speaker())
    assert receive_exactly(bench.client, 6) == b"hello "
    bench.client.sendall(b"x")
    assert receive_exactly(bench.client, 14) == b"one two three "
    bench.client.shutdown(socket.SHUT_WR)
    assert receive_rest(bench.client) == b"goodbye"
    assert outcome.result(PATIENCE) == "eof"


def test_a_session_that_ends_is_read_out_before_the_close(bench: Bench) -> None:
    outcome = bench.drive(Speaker())
    bench.client.sendall(b"q" + bytes(100_000))
    assert receive_rest(bench.client) == b"hello one "
    bench.client.close()
    assert outcome.result(PATIENCE) == "ended"


def test_a_peer_that_stays_after_the_session_s_end_is_not_waited_for_for_ever(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netechod.reactor.tcp.blocking.LINGER", 0.01)
    outcome = bench.drive(Speaker())
    bench.client.sendall(b"q")
    assert outcome.result(PATIENCE) == "ended"


def test_a_peer_that_talks_on_after_the_session_s_end_is_not_heard_for_ever(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netechod.reactor.tcp.blocking.LINGER", 0.0)
    monkeypatch.setattr(bench.sock.__class__, "settimeout", lambda sock, seconds: None, raising=False)
    outcome = bench.drive(Speaker())
    bench.client.sendall(b"q")
    assert receive_rest(bench.client) == b"hello one "
    bench.client.sendall(b"x")
    assert outcome.result(PATIENCE) == "ended"
