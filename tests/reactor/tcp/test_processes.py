"""Processes that serve: what they inherit, how they end, and how the parent reports their end."""

import errno
import gc
import logging
import os
import signal
import socket
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import NoReturn

import pytest
from support.looping import FakeClock, TcpBench, receive, receive_rest, run_until, turn
from support.shortage import no_descriptor_left
from support.signalling import signals_restored

from netechod.reactor.loop import Loop
from netechod.reactor.signals import SignalSource
from netechod.reactor.tcp import processes
from netechod.reactor.tcp.acceptor import PAUSE
from netechod.reactor.tcp.api import PendingConnection
from netechod.reactor.tcp.blocking import TransferCounters
from netechod.reactor.tcp.processes import DEFECT, OUTCOMES, Forks, ProcessConnection
from netechod.reactor.tcp.server import TcpServer
from netechod.services.api import Chunk, StreamSession
from netechod.services.echo import EchoSession

SHORTAGE = "a connection cannot be served, new ones wait: Resource temporarily unavailable"
IGNORED = {signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE}


def child_of(loop: Loop, server: TcpServer, client: socket.socket) -> int:
    """The process that serves the only connection, when it does."""
    client.send(b"hello")
    assert receive(loop, client) == b"hello"
    [connection] = server.connections
    assert isinstance(connection, ProcessConnection)
    while connection.bytes_out < len(b"hello"):  # it notes what it has done when it has done it
        turn(loop)
    return connection.pid


def has_children() -> bool:
    """Return whether we have any child, even a zombie."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def signals_in(pid: int, field: str) -> set[int]:
    """A set of signals that proc_pid_status(5) shows as a mask."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    mask = int(next(line.split()[1] for line in status.splitlines() if line.startswith(f"{field}:")), 16)
    return {number for number in range(1, 65) if mask & 1 << number - 1}


def test_a_child_holds_its_connection_and_nothing_else_of_ours(loop: Loop, tcp: TcpBench) -> None:
    server = tcp.serve(model="fork")
    others = [tcp.connect(source="127.0.0.2") for _ in range(3)]
    run_until(loop, lambda: server.count == 3)
    client = tcp.connected(server)
    client.send(b"hello")
    assert receive(loop, client) == b"hello"
    port = client.getsockname()[1]
    [pid] = [
        each.pid for each in server.connections if isinstance(each, ProcessConnection) and each.port == port
    ]
    held = {int(file.name): file.readlink() for file in Path(f"/proc/{pid}/fd").iterdir()}
    [fd] = held.keys() - {0, 1, 2}
    assert held[fd] == Path(f"/proc/self/fd/{fd}").readlink()
    assert held[fd].name.startswith("socket:")
    assert all(receive_after_close(loop, other) == b"" for other in others)


def receive_after_close(loop: Loop, client: socket.socket) -> bytes:
    client.shutdown(socket.SHUT_WR)
    return receive_rest(loop, client)


def test_a_child_leaves_the_daemons_signals_alone_and_has_none_blocked(loop: Loop, tcp: TcpBench) -> None:
    with signals_restored():
        signals = SignalSource(signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
        signals.deliver_to(loop, {})
        server = tcp.serve(model="fork")
        pid = child_of(loop, server, tcp.connected(server))
        assert signals_in(pid, "SigIgn") >= IGNORED
        assert not signals_in(pid, "SigCgt") & IGNORED
        assert signals_in(pid, "SigBlk") == set()
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set(), "ours are as they were"


def test_no_child_outlives_its_connection_not_even_as_a_zombie(loop: Loop, tcp: TcpBench) -> None:
    server = tcp.serve(model="fork")
    clients = [tcp.connected(server) for _ in range(10)]
    assert has_children()
    for client in clients:
        client.close()
    run_until(loop, lambda: not server.count)
    assert not has_children()
    assert server.counters.closed == 10


def test_closing_ends_every_child(tcp: TcpBench) -> None:
    server = tcp.serve(model="fork")
    for _ in range(10):
        tcp.connected(server)
    server.close()
    assert not has_children()
    assert (server.count, server.counters.closed) == (0, 10)


def test_a_child_that_is_killed_is_told_and_what_it_has_moved_is_counted(
    loop: Loop, tcp: TcpBench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "netechod.reactor")
    server = tcp.serve(model="fork")
    client = tcp.connected(server)
    pid = child_of(loop, server, client)
    os.kill(pid, signal.SIGKILL)
    run_until(loop, lambda: not server.count)
    name = f"127.0.0.1--{client.getsockname()[1]}"
    assert f"process {pid} died, which served {name}: SIGKILL" in caplog.messages
    assert caplog.messages[-1].endswith("in=5 out=5 seconds=0.000 reason=error")
    assert receive(loop, client) == b""


class DefectiveSession(EchoSession):
    """A session with a defect."""

    def data_received(self, data: memoryview) -> Chunk:
        """Fail."""
        raise ZeroDivisionError


def test_a_defect_ends_one_child_with_a_traceback_and_nothing_else(
    loop: Loop, tcp: TcpBench, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    server = tcp.serve(model="fork", new_session=DefectiveSession)
    other, client = tcp.connected(server), tcp.connected(server)
    client.send(b"hello")
    assert receive_rest_or_reset(loop, client) == b""
    run_until(loop, lambda: server.counters.closed)
    assert caplog.messages[-1].endswith(f": status {DEFECT}")
    assert "ZeroDivisionError" in capfd.readouterr().err
    assert receive_after_close(loop, other) == b""


def receive_rest_or_reset(loop: Loop, client: socket.socket) -> bytes:
    with suppress(ConnectionResetError):  # the input of the second read was never read
        return receive_rest(loop, client)
    return b""


def test_where_no_process_is_to_be_had_everybody_waits_and_nobody_is_lost(
    loop: Loop,
    clock: FakeClock,
    tcp: TcpBench,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = tcp.serve(model="fork")
    clients = [tcp.connect(), tcp.connect()]
    for client in clients:
        client.send(b"hello")
        client.shutdown(socket.SHUT_WR)

    def no_fork() -> int:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fork", no_fork)
        turn(loop, 5)
        assert (len(server.connections), server.count) == (0, 2)
        clock.advance(PAUSE)
        turn(loop, 5)
    clock.advance(PAUSE)
    for client in clients:
        assert receive_rest(loop, client) == b"hello"
    assert [record.message for record in caplog.records if record.levelno == logging.ERROR] == [SHORTAGE]


def test_without_descriptors_nobody_is_forked_and_nobody_is_lost(
    loop: Loop, clock: FakeClock, tcp: TcpBench
) -> None:
    server = tcp.serve(model="fork")
    other = tcp.listen()
    client = tcp.connect(to=other)
    sock, _ = other.accept()
    client.send(b"hello")
    with no_descriptor_left():
        server.adopt(sock, b"")
        turn(loop, 5)
        assert (server.count, len(server.connections)) == (1, 0)
        assert not has_children()
    clock.advance(PAUSE)
    assert receive(loop, client) == b"hello"


def test_a_child_whose_end_nobody_would_see_does_not_live(
    loop: Loop, clock: FakeClock, tcp: TcpBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = tcp.serve(model="fork")
    client = tcp.connect()
    with monkeypatch.context() as patch:
        patch.setattr(os, "pidfd_open", lambda pid: os.open("/nowhere", os.O_RDONLY))
        turn(loop, 5)
        assert (server.count, len(server.connections)) == (1, 0)
        assert not has_children()
    clock.advance(PAUSE)
    client.send(b"hello")
    assert receive(loop, client) == b"hello"


def test_a_system_without_pidfds_cannot_have_the_model(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "has_pidfd", lambda: False)
    with pytest.raises(OSError, match=r"pidfd_open\(2\)"):
        Forks(loop)


def test_who_inherits_an_ignored_sigchld_learns_of_its_children_all_the_same(
    loop: Loop, tcp: TcpBench
) -> None:
    with signals_restored():
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        server = tcp.serve(model="fork")
        client = tcp.connected(server)
        assert receive_after_close(loop, client) == b""
        run_until(loop, lambda: server.counters.closed)


# --- the life of a child, lived in this process: in a child of its own no coverage is measured


class ExitError(Exception):
    """Stands for _exit(2)."""


class Diary:
    """Writes down, instead of doing it, what a child does to itself."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[tuple[object, ...]] = []
        self.prctl_fails = False
        monkeypatch.setattr(os, "_exit", self._leave)
        monkeypatch.setattr(os, "closerange", self._writer("close"))
        monkeypatch.setattr(gc, "disable", self._writer("gc"))
        monkeypatch.setattr(signal, "set_wakeup_fd", self._writer("bell"))
        monkeypatch.setattr(signal, "signal", self._writer("signal"))
        monkeypatch.setattr(processes, "prctl", self._prctl)

    def _prctl(self, option: int, value: int) -> bool:
        self.done.append(("prctl", option, value))
        return not self.prctl_fails

    def _leave(self, status: int) -> NoReturn:
        raise ExitError(status)

    def _writer(self, what: str) -> Callable[..., None]:
        return lambda *arguments: self.done.append((what, *arguments))


@pytest.fixture
def diary(monkeypatch: pytest.MonkeyPatch) -> Diary:
    return Diary(monkeypatch)


@pytest.fixture
def near_and_far(resources: ExitStack) -> tuple[socket.socket, socket.socket]:
    near, far = socket.socketpair()
    far.send(b"hello")
    far.shutdown(socket.SHUT_WR)
    return resources.enter_context(near), resources.enter_context(far)


def status_of(
    life: Callable[[PendingConnection, StreamSession, TransferCounters], object], sock: socket.socket
) -> int:
    """The exit status of a child that leads this life, with a client that is owed something."""
    pending = PendingConnection(sock, "192.0.2.1", 1, 0.0, b"owed, ")
    with pytest.raises(ExitError) as exit:
        life(pending, EchoSession(), TransferCounters(lambda: 0.0, bytearray(TransferCounters.SIZE)))
    status: int = exit.value.args[0]
    return status


def child_of_parent(parent: int) -> Callable[[PendingConnection, StreamSession, TransferCounters], object]:
    """The life of a child that was forked by the process `parent`."""
    return partial(processes._serve, parent=parent, mask=set())


def test_a_child_forgets_its_parent_ties_its_life_to_it_and_serves(
    near_and_far: tuple[socket.socket, socket.socket], diary: Diary
) -> None:
    near, far = near_and_far
    assert OUTCOMES[status_of(child_of_parent(os.getppid()), near)] == "eof"
    assert far.recv(100) == b"owed, hello"
    ours = ("SIGHUP", "SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2")
    assert diary.done == [
        ("bell", -1),
        *(("signal", signal.Signals[name], signal.SIG_IGN) for name in ours),
        ("gc",),
        ("close", 3, near.fileno()),
        ("close", near.fileno() + 1, os.sysconf("SC_OPEN_MAX")),
        ("prctl", 1, signal.SIGKILL),
    ]


def test_a_child_whose_parent_has_died_meanwhile_serves_nobody(
    near_and_far: tuple[socket.socket, socket.socket], diary: Diary
) -> None:
    near, _ = near_and_far
    assert status_of(child_of_parent(os.getppid() + 1), near) == DEFECT
    assert near.recv(100) == b"hello", "somebody has read it"


def test_a_child_that_cannot_tie_its_life_to_its_parents_serves_nobody(
    near_and_far: tuple[socket.socket, socket.socket], diary: Diary, capfd: pytest.CaptureFixture[str]
) -> None:
    diary.prctl_fails = True
    near, _ = near_and_far
    assert status_of(child_of_parent(os.getppid()), near) == DEFECT
    assert near.recv(100) == b"hello", "somebody has read it"
    assert "OSError" in capfd.readouterr().err


def test_fork_lets_the_child_serve_and_the_mask_be_as_it_was(
    near_and_far: tuple[socket.socket, socket.socket], diary: Diary, monkeypatch: pytest.MonkeyPatch
) -> None:
    near, far = near_and_far
    monkeypatch.setattr(os, "fork", lambda: 0)
    monkeypatch.setattr(os, "getpid", os.getppid)
    assert OUTCOMES[status_of(processes._fork, near)] == "eof"
    assert far.recv(100) == b"owed, hello"
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()
