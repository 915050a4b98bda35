"""Outgoing connections: made, lost and made again, later each time."""

import errno
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event, Thread

import pytest
from support.looping import (
    FakeClock,
    TcpBench,
    receive,
    receive_exactly,
    receive_rest,
    reset,
    run_until,
    turn,
    waiting_turn,
)

from netechod.reactor.loop import Callback, Loop
from netechod.reactor.outgoing.dialer import (
    CONNECT_TIMEOUT,
    LONGEST,
    SHORTEST,
    Dialer,
    DialState,
    Resolve,
    Target,
)
from netechod.reactor.tcp.api import StreamService
from netechod.services.api import Chunk, StreamSession


class Caller(StreamSession):
    """Asks first, and hears the answer."""

    ended = False

    def __init__(self) -> None:
        self.heard = bytearray()

    def opened(self) -> Chunk:
        """Ask."""
        return b"who is there?"

    def data_received(self, data: memoryview) -> Chunk:
        """Listen; leave when asked to."""
        self.heard += data
        self.ended = b"leave" in self.heard
        return b""

    def more(self) -> Chunk | None:
        """Say nothing more."""
        return None

    def eof_received(self) -> Chunk:
        """Say nothing more."""
        return b""


class Bench:
    """Listeners, and a dialer with what it has said of itself."""

    def __init__(self, tcp: TcpBench) -> None:
        self.tcp = tcp
        self.states: list[DialState] = []
        self.callers: list[Caller] = []

    def dial(self, targets: Sequence[Target] | Resolve, dice: Callable[[], float] = lambda: 1.0) -> Dialer:
        """Begin; closed with the bench."""

        def new_session(wake: object) -> Caller:
            self.callers.append(Caller())
            return self.callers[-1]

        service = StreamService("bus", new_session)
        dialer = Dialer(self.tcp.loop, service, targets, self.states.append, dice)
        self.tcp.resources.callback(dialer.close)
        return dialer

    def accept(self, listener: socket.socket) -> socket.socket:
        """The next connection to one of the listeners."""
        accepted: list[socket.socket] = []
        self.tcp.loop.watch(listener.fileno(), lambda: accepted.append(listener.accept()[0]))
        run_until(self.tcp.loop, lambda: accepted)
        self.tcp.loop.unwatch(listener.fileno())
        sock = self.tcp.resources.enter_context(accepted[0])
        sock.setblocking(False)
        return sock

    def until(self, status: str) -> DialState:
        """Run until the dialer is in that state."""
        run_until(self.tcp.loop, lambda: self.states and self.states[-1].status == status)
        return self.states[-1]


@pytest.fixture
def bench(tcp: TcpBench) -> Bench:
    return Bench(tcp)


def target_of(listener: socket.socket) -> Target:
    return socket.AddressFamily(listener.family), listener.getsockname()


def closed_port(tcp: TcpBench) -> Target:
    """An address where nobody listens, and nobody can begin to."""
    sock = tcp.resources.enter_context(socket.socket())
    sock.bind(("127.0.0.1", 0))
    return target_of(sock)


def test_it_connects_and_its_session_speaks_first(loop: Loop, bench: Bench, tcp: TcpBench) -> None:
    bench.dial([target_of(tcp.listener)])
    peer = bench.accept(tcp.listener)
    assert receive_exactly(loop, peer, 13) == b"who is there?"
    peer.send(b"me")
    run_until(loop, lambda: bench.callers[0].heard)
    assert [state.status for state in bench.states] == ["connecting", "connected"]
    assert bench.states[-1].target == f"127.0.0.1:{tcp.listener.getsockname()[1]}"


def test_a_unix_socket_is_dialled_too(loop: Loop, bench: Bench, tcp: TcpBench, tmp_path: Path) -> None:
    listener = tcp.resources.enter_context(socket.socket(socket.AF_UNIX))
    listener.bind(str(tmp_path / "bus.sock"))
    listener.listen()
    bench.dial([target_of(listener)])
    assert receive_exactly(loop, bench.accept(listener), 13) == b"who is there?"
    assert bench.states[-1].target == str(tmp_path / "bus.sock")


def test_a_lost_connection_is_made_again(loop: Loop, clock: FakeClock, bench: Bench, tcp: TcpBench) -> None:
    bench.dial([target_of(tcp.listener)])
    reset(bench.accept(tcp.listener))
    state = bench.until("waiting")
    assert (state.error, state.retry) == ("connection ended: reset", SHORTEST)
    clock.advance(SHORTEST)
    assert receive_exactly(loop, bench.accept(tcp.listener), 13) == b"who is there?"
    assert len(bench.callers) == 2


def test_a_session_that_ends_is_followed_by_another(
    loop: Loop, clock: FakeClock, bench: Bench, tcp: TcpBench
) -> None:
    bench.dial([target_of(tcp.listener)])
    peer = bench.accept(tcp.listener)
    peer.send(b"leave")
    assert receive_rest(loop, peer) == b"who is there?"
    peer.close()
    assert bench.until("waiting").error == "connection ended: ended"


def test_the_pauses_grow_and_have_an_end(loop: Loop, clock: FakeClock, bench: Bench, tcp: TcpBench) -> None:
    bench.dial([closed_port(tcp)])
    pauses = []
    for _ in range(8):
        state = bench.until("waiting")
        assert state.error.endswith(": Connection refused")
        pauses.append(state.retry)
        clock.advance(state.retry)
        turn(loop)
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, LONGEST, LONGEST])


def test_the_pauses_of_many_clients_differ(loop: Loop, clock: FakeClock, bench: Bench, tcp: TcpBench) -> None:
    bench.dial([closed_port(tcp)], dice=lambda: 0.0)
    assert bench.until("waiting").retry == SHORTEST / 2
    clock.advance(SHORTEST)
    turn(loop)
    assert bench.until("waiting").retry == SHORTEST


@pytest.mark.parametrize(("is_proved", "pause"), [(False, 2 * SHORTEST), (True, SHORTEST)])
def test_only_a_connection_that_is_of_use_ends_the_growth(
    loop: Loop, clock: FakeClock, bench: Bench, tcp: TcpBench, is_proved: bool, pause: float
) -> None:
    dialer = bench.dial([target_of(tcp.listener)])
    reset(bench.accept(tcp.listener))
    bench.until("waiting")
    clock.advance(SHORTEST)
    peer = bench.accept(tcp.listener)
    bench.until("connected")
    if is_proved:
        dialer.prove()
    reset(peer)
    assert bench.until("waiting").retry == pause


def test_a_server_that_is_of_no_use_is_followed_by_the_next(loop: Loop, bench: Bench, tcp: TcpBench) -> None:
    dialer = bench.dial([target_of(tcp.listener), closed_port(tcp)])
    bench.accept(tcp.listener)
    bench.until("connected")
    dialer.drop("it is not the master")
    assert bench.until("waiting").error.endswith(": Connection refused")
    assert [state.status for state in bench.states] == ["connecting", "connected", "connecting", "waiting"]


def test_a_connection_can_be_dropped_with_a_reason(loop: Loop, bench: Bench, tcp: TcpBench) -> None:
    dialer = bench.dial([target_of(tcp.listener)])
    bench.accept(tcp.listener)
    bench.until("connected")
    dialer.prove()
    dialer.drop("no reply in time")
    assert bench.until("waiting").error == "no reply in time"


def test_the_targets_of_a_round_are_tried_in_turn(loop: Loop, bench: Bench, tcp: TcpBench) -> None:
    nowhere = socket.AF_UNIX, "/nonexistent/bus.sock"
    bench.dial([nowhere, closed_port(tcp), target_of(tcp.listener)])
    assert receive(loop, bench.accept(tcp.listener)) == b"who is there?"
    assert [state.status for state in bench.states] == ["connecting"] * 3 + ["connected"]


def test_without_a_target_it_waits(loop: Loop, clock: FakeClock, bench: Bench) -> None:
    bench.dial([])
    assert bench.states == [DialState("waiting", "", "no address", SHORTEST)]


def test_a_target_that_does_not_answer_is_given_up(
    loop: Loop, clock: FakeClock, bench: Bench, tcp: TcpBench
) -> None:
    tcp.listener.listen(0)
    tcp.connect()  # the backlog is full now, so that the kernel answers nobody else
    bench.dial([target_of(tcp.listener)])
    turn(loop, 3)
    clock.advance(CONNECT_TIMEOUT)
    assert bench.until("waiting").error.endswith("no connection in time")


def test_names_are_resolved_on_a_thread_of_their_own(loop: Loop, bench: Bench, tcp: TcpBench) -> None:
    bench.dial(lambda: [target_of(tcp.listener)])
    assert receive(loop, bench.accept(tcp.listener)) == b"who is there?"
    assert [state.status for state in bench.states] == ["resolving", "connecting", "connected"]


def test_a_name_that_cannot_be_resolved_is_tried_again(
    loop: Loop, clock: FakeClock, bench: Bench, tcp: TcpBench
) -> None:
    answers: list[Sequence[Target]] = [[target_of(tcp.listener)]]

    def resolve() -> Sequence[Target]:
        if len(bench.states) < 2:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return answers[0]

    bench.dial(resolve)
    assert bench.until("waiting").error == "Name or service not known"
    clock.advance(SHORTEST)
    assert receive(loop, bench.accept(tcp.listener)) == b"who is there?"


def test_a_port_that_connects_to_itself_is_no_peer(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netechod.reactor.outgoing.dialer._is_to_itself", lambda sock: True)
    bench.dial([target_of(bench.tcp.listener)])
    assert bench.until("waiting").error.endswith("Connection refused")


def test_a_connection_that_cannot_be_watched_has_failed(
    loop: Loop, bench: Bench, tcp: TcpBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = loop.watch

    def reluctant(fd: int, readable: Callback | None, writable: Callback | None = None) -> None:
        if readable is not None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        watch(fd, readable, writable)

    monkeypatch.setattr(loop, "watch", reluctant)
    dialer = bench.dial([target_of(tcp.listener)])
    assert bench.until("waiting").error.endswith("No space left on device")
    assert not dialer.connections


def test_a_closed_dialer_connects_no_more(loop: Loop, clock: FakeClock, bench: Bench, tcp: TcpBench) -> None:
    dialer = bench.dial([target_of(tcp.listener)])
    peer = bench.accept(tcp.listener)
    bench.until("connected")
    dialer.close()
    assert receive_rest(loop, peer) in (b"", b"who is there?")
    clock.advance(2 * LONGEST)
    turn(loop, 3)
    assert bench.states[-1].status == "connected"


def test_it_can_be_closed_in_any_state(loop: Loop, clock: FakeClock, bench: Bench, tcp: TcpBench) -> None:
    bench.dial([target_of(tcp.listener)]).close()
    bench.dial([]).close()
    resolved = Event()

    def resolve() -> Sequence[Target]:
        resolved.wait()
        return [target_of(tcp.listener)]

    bench.dial(resolve).close()
    resolved.set()
    states = len(bench.states)
    waiting_turn(loop)
    clock.advance(LONGEST)
    turn(loop, 3)
    assert bench.states[states:] == []


def test_a_name_that_can_be_none_is_told(bench: Bench) -> None:
    def resolve() -> Sequence[Target]:
        raise UnicodeError("label empty or too long")

    bench.dial(resolve)
    assert bench.until("waiting").error == "not a host name"


def test_without_threads_the_name_is_resolved_later(
    loop: Loop, clock: FakeClock, bench: Bench, tcp: TcpBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(thread: Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(Thread, "start", exhausted)
        bench.dial(lambda: [target_of(tcp.listener)])
        assert bench.until("waiting").error == "can't start new thread"
    clock.advance(SHORTEST)
    assert receive(loop, bench.accept(tcp.listener)) == b"who is there?"
