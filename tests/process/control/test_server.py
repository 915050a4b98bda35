"""The control socket: whoever can open it may look, root and the daemon's user may change things."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.daemon import Daemon
from support.looping import FakeClock, receive_rest, run_until, turn
from support.shortage import no_descriptor_left

from netechod.process.control.server import (
    MAX_CONNECTIONS,
    MAX_QUESTION,
    PATIENCE,
    Command,
    ControlServer,
    ControlSession,
)
from netechod.reactor.loop import Loop
from netechod.reactor.tcp.acceptor import PAUSE

LATER: list[ControlSession] = []  # who waits for an answer
LONG = [f"line {number}" for number in range(100_000)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


@pytest.fixture
def server(loop: Loop, path: Path) -> Iterator[ControlServer]:
    yield from serving(loop, path, {os.geteuid()})


@pytest.fixture
def strict_server(loop: Loop, path: Path) -> Iterator[ControlServer]:
    """One that lets nobody change anything."""
    yield from serving(loop, path, set())


def serving(loop: Loop, path: Path, allowed: set[int]) -> Iterator[ControlServer]:
    server = serve(loop, socket.socket(socket.AF_UNIX), path, allowed)
    yield server
    server.close()


def serve(loop: Loop, sock: socket.socket, path: Path, allowed: set[int]) -> ControlServer:
    sock.bind(str(path))
    sock.listen()
    sock.setblocking(False)
    done: list[str] = []
    commands = {
        "look": Command(lambda asked, words: asked.answer(words)),
        "dump": Command(lambda asked, words: asked.answer(len(LONG), LONG)),
        "change": Command(lambda asked, words: asked.answer("changed"), changes=True),
        "last": Command(lambda asked, words: asked.answer(then=lambda: done.append("after the answer"))),
        "later": Command(lambda asked, words: LATER.append(asked)),
        "done": Command(lambda asked, words: asked.answer(done)),
    }
    return ControlServer(loop, sock, commands, allowed)


def asking(path: Path, question: bytes) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.connect(str(path))
    sock.setblocking(False)
    sock.send(question)
    return sock


def answer(loop: Loop, path: Path, question: bytes) -> bytes:
    """Everything that comes back, until the server hangs up."""
    received = bytearray()
    ended = False

    def read() -> None:
        nonlocal ended
        try:
            data = sock.recv(65536)
        except ConnectionResetError:
            data = b""
        received.extend(data)
        ended = not data

    with asking(path, question) as sock:
        loop.watch(sock.fileno(), read)
        run_until(loop, lambda: ended)
        loop.unwatch(sock.fileno())
    return bytes(received)


def test_a_question_is_answered(loop: Loop, path: Path, server: ControlServer) -> None:
    assert json.loads(answer(loop, path, b'["look", "here", "\\u82f9\\u679c"]\n')) == {
        "ok": True,
        "result": ["here", "苹果"],
    }
    run_until(loop, lambda: not server.connections)


def test_a_long_answer_comes_whole(loop: Loop, path: Path, server: ControlServer) -> None:
    head, *lines = answer(loop, path, b'["dump"]\n').decode().splitlines()
    assert json.loads(head)["result"] == len(LONG)
    assert lines == LONG


def test_what_follows_an_answer_happens_when_it_is_sent(
    loop: Loop, path: Path, server: ControlServer
) -> None:
    assert json.loads(answer(loop, path, b'["last"]\n')) == {"ok": True, "result": None}
    assert json.loads(answer(loop, path, b'["done"]\n'))["result"] == ["after the answer"]


@pytest.mark.parametrize(
    ("question", "error"),
    [
        (b"status\n", "not a JSON array"),
        (b"{}\n", "not a JSON array"),
        (b"[]\n", "not a JSON array"),
        (b'["look", 1]\n', "not a JSON array"),
        (b"\xff\xfe\n", "not a JSON array"),
        (b"[" * (MAX_QUESTION - 1) + b"\n", "not a JSON array"),
        (b'["lok"]\n', "unknown command 'lok'"),
    ],
)
def test_nonsense_is_refused(
    loop: Loop, path: Path, server: ControlServer, question: bytes, error: str
) -> None:
    refusal = json.loads(answer(loop, path, question))
    assert not refusal["ok"]
    assert error in refusal["error"]


def test_a_question_without_end_is_not_kept(loop: Loop, path: Path, server: ControlServer) -> None:
    assert answer(loop, path, b"x" * (MAX_QUESTION + 1)) == b""
    run_until(loop, lambda: not server.connections)


def test_a_question_that_is_too_long_is_not_answered_although_it_ends(
    loop: Loop, path: Path, server: ControlServer
) -> None:
    longest = b'["look", "' + b"x" * (MAX_QUESTION - 12) + b'"]'
    assert json.loads(answer(loop, path, longest + b"\n"))["ok"]
    assert answer(loop, path, longest + b" \n") == b""


def test_only_the_allowed_change_anything(loop: Loop, path: Path, strict_server: ControlServer) -> None:
    refusal = json.loads(answer(loop, path, b'["change"]\n'))
    assert refusal == {
        "ok": False,
        "error": "not permitted: only root and the user of the service may change anything",
    }
    assert json.loads(answer(loop, path, b'["look"]\n'))["ok"]


def test_the_allowed_change_things(loop: Loop, path: Path, server: ControlServer) -> None:
    assert json.loads(answer(loop, path, b'["change"]\n')) == {"ok": True, "result": "changed"}


def test_those_who_ask_nothing_give_way_to_others(loop: Loop, path: Path, server: ControlServer) -> None:
    silent = [asking(path, b"") for _ in range(3 * MAX_CONNECTIONS)]
    for _ in range(3):
        assert json.loads(answer(loop, path, b'["look"]\n'))["ok"]
        assert server.count < MAX_CONNECTIONS
    for sock in silent:
        sock.close()
    run_until(loop, lambda: not server.connections)
    assert server.counters.refused == 0


def test_whoever_waits_for_an_answer_does_not_give_way(loop: Loop, path: Path, server: ControlServer) -> None:
    with asking(path, b'["later"]\n') as patient:
        run_until(loop, lambda: LATER)
        silent = [asking(path, b"") for _ in range(2 * MAX_CONNECTIONS)]
        run_until(loop, lambda: server.counters.accepted > 2 * MAX_CONNECTIONS)
        LATER.pop().answer("at last")
        assert json.loads(receive_rest(loop, patient)) == {"ok": True, "result": "at last"}
    for sock in silent:
        sock.close()


def test_an_answer_that_comes_late_reaches_whoever_has_ended_its_stream(
    loop: Loop, path: Path, server: ControlServer
) -> None:
    with asking(path, b'["later"]\n') as client:
        client.shutdown(socket.SHUT_WR)
        run_until(loop, lambda: LATER)
        turn(loop, 3)
        LATER.pop().answer("at last")
        assert json.loads(receive_rest(loop, client)) == {"ok": True, "result": "at last"}


def test_an_answer_to_whoever_has_gone_is_no_trouble(loop: Loop, path: Path, server: ControlServer) -> None:
    with asking(path, b'["later"]\n'):
        run_until(loop, lambda: LATER)
    LATER[0].answer("to nobody")
    run_until(loop, lambda: not server.connections)
    LATER.pop().answer("to nobody")
    turn(loop, 3)


class CountingListener(socket.socket):
    """Counts how often somebody tries to accept."""

    tries = 0

    def accept(self) -> tuple[socket.socket, Any]:
        self.tries += 1
        return super().accept()


def test_without_a_descriptor_who_asks_waits_and_the_loop_rests(path: Path) -> None:
    clock = FakeClock()
    loop, sock = Loop(clock=clock), CountingListener(socket.AF_UNIX)
    with closing(loop), closing(serve(loop, sock, path, set())):
        with asking(path, b'["look"]\n'), no_descriptor_left():
            for tries in (1, 2, 3):
                turn(loop, 5)
                assert sock.tries == tries
                clock.advance(PAUSE)
        assert json.loads(answer(loop, path, b'["look"]\n'))["ok"]


def test_it_closes_during_a_shortage(path: Path) -> None:
    clock = FakeClock()
    loop, sock = Loop(clock=clock), CountingListener(socket.AF_UNIX)
    server = serve(loop, sock, path, set())
    with closing(loop), asking(path, b'["look"]\n'), no_descriptor_left():
        turn(loop)
        server.close()
        clock.advance(PAUSE)
        turn(loop, 2)
        assert sock.tries == 1


def test_who_asks_nothing_is_not_waited_for_for_ever(loop: Loop, path: Path, tmp_path: Path) -> None:
    clock_now = loop.now
    patient = Loop(clock=lambda: clock_now)
    servers = serving(patient, path, set())
    server = next(servers)
    with asking(path, b'["lo'):
        run_until(patient, lambda: server.connections)
        turn(patient, 3)
        clock_now += PATIENCE
        run_until(patient, lambda: not server.connections)
    assert next(servers, None) is None
    patient.close()


@pytest.mark.system
def test_another_instance_answers_on_its_own_socket(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with Daemon(tmp_path / "one") as one, Daemon(tmp_path / "two") as two:
        one.start()
        two.start("--set", f"daemon.control={one.directory / 'control.sock'}")
        assert two.said("netechoctl cannot reach this daemon: ").endswith("another instance answers there\n")
        assert two.stop() == 0
        assert (one.directory / "control.sock").is_socket(), "the second took the first one's name away"


@pytest.mark.system
def test_a_stale_socket_is_taken_over(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        stale = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        stale.bind(str(tmp_path / "control.sock"))
        stale.close()
        daemon.start()
        assert (tmp_path / "control.sock").stat().st_mode & 0o777 == 0o660
        assert daemon.stop() == 0
        assert not (tmp_path / "control.sock").exists()


@pytest.mark.system
def test_no_other_file_is_removed_to_make_room(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        precious = tmp_path / "control.sock"
        precious.write_text("precious")
        daemon.start()
        assert daemon.said("netechoctl cannot reach this daemon: ").endswith("is no socket\n")
        assert daemon.stop() == 0
        assert precious.read_text() == "precious"
