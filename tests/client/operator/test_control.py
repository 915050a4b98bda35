"""Asking on the control socket: every way in which it goes wrong is a sentence."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from netechod.client.errors import ClientError
from netechod.client.operator.control import NotRunningError, RefusedError, Target, ask, dump

OK = b'{"ok": true, "result": null}\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


@contextmanager
def answering(path: Path, *parts: bytes, hangs_up: bool = True) -> Iterator[list[bytes]]:
    """Somebody who takes one question and says these parts; yields what was asked."""
    asked: list[bytes] = []
    over = threading.Event()

    def answer() -> None:
        sock, _ = listener.accept()
        with sock, sock.makefile("rb") as questions:
            asked.append(questions.readline())
            for part in parts:
                sock.sendall(part)
            if not hangs_up:
                over.wait()

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield asked
        finally:
            over.set()
            thread.join()


def failure(path: Path, *words: str, timeout: float = 10.0) -> ClientError:
    """What an asker is told."""
    with pytest.raises(ClientError) as caught:
        ask(path, *words, timeout=timeout)
    return caught.value


def test_a_question_is_a_line_of_json(path: Path) -> None:
    with answering(path, b'{"ok": true, ', b'"result": {"a": "\xe8\x8b\xb9"}}\n') as asked:
        assert ask(path, "look", "up\n苹") == {"a": "苹"}
    assert asked == [b'["look", "up\\n\\u82f9"]\n']


def test_a_long_answer_comes_in_blocks_of_whole_lines(path: Path) -> None:
    lines = [b"line %d\n" % number for number in range(100_000)]
    with answering(path, b'{"ok": true, "result": 100000}\n', *cut(b"".join(lines), 70_001)):
        blocks = list(dump(path, "dump"))
    assert b"".join(blocks) == b"".join(lines)
    assert 1 < len(blocks) < 100
    assert all(block.endswith(b"\n") for block in blocks)


def cut(data: bytes, size: int) -> Sequence[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def test_a_long_answer_of_unknown_length_ends_with_the_connection(path: Path) -> None:
    with answering(path, OK, b"a\nb\n"):
        assert b"".join(dump(path, "metrics")) == b"a\nb\n"


def test_half_an_answer_does_not_pass_for_a_whole_one(path: Path) -> None:
    with answering(path, b'{"ok": true, "result": 3}\na\nb\n'):
        blocks = dump(path, "dump")
        assert next(blocks) == b"a\nb\n"
        with pytest.raises(ClientError, match="hung up"):
            next(blocks)


def test_a_refusal_is_told_as_it_came(path: Path) -> None:
    with answering(path, b'{"ok": false, "error": "no, because"}\n'):
        error = failure(path, "change")
    assert isinstance(error, RefusedError)
    assert str(error) == "no, because"


def test_nobody_there_is_not_running(path: Path) -> None:
    assert isinstance(failure(path, "status"), NotRunningError)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
    error = failure(path, "status")
    assert isinstance(error, NotRunningError)
    assert str(error) == f"no daemon answers at {path}"
    assert error.hint == "is netechod running? another path: --socket"


@pytest.mark.parametrize("answer", [b"", b'{"ok": true'])
def test_who_hangs_up_is_told(path: Path, answer: bytes) -> None:
    with answering(path, answer):
        assert str(failure(path, "status")) == f"the daemon at {path} hung up"


def test_who_hangs_up_on_a_question_is_told(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=lambda: listener.accept()[0].close())
        thread.start()
        error = failure(path, "status")
        thread.join()
    assert str(error) == f"the daemon at {path} hung up"


@pytest.mark.parametrize(
    "answer",
    [b"220 smtp\n", b"[]\n", b"{}\n", b"7\n", b"\xff\n", b'{"ok": true}\n', b"[" * 5000 + b"\n"],
)
def test_somebody_else_is_told_from_a_daemon(path: Path, answer: bytes) -> None:
    with answering(path, answer):
        assert str(failure(path, "status")) == f"what answers at {path} is no netechod"


def test_the_silent_are_not_waited_for_for_ever(path: Path) -> None:
    with answering(path, hangs_up=False):
        error = failure(path, "status", timeout=0.05)
    assert str(error) == f"the daemon at {path} does not answer"
    assert error.hint == "is it stopped, or overloaded? be patient: --timeout"


def test_who_falls_silent_within_a_long_answer_is_not_waited_for_for_ever(path: Path) -> None:
    with answering(path, OK, b"a\nb", hangs_up=False), pytest.raises(ClientError, match="does not answer"):
        list(dump(path, "dump", timeout=0.05))


def test_a_full_backlog_is_no_answer(path: Path) -> None:
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as first,
    ):
        listener.bind(str(path))
        listener.listen(0)
        first.connect(str(path))
        assert str(failure(path, "status", timeout=0.05)) == f"the daemon at {path} does not answer"


def test_a_path_that_no_socket_can_have_is_told() -> None:
    assert str(failure(Path("/" + "x" * 200), "status")).endswith("x: AF_UNIX path too long")
    assert str(failure(Path("/dev/null/control.sock"), "status")) == "/dev/null/control.sock: Not a directory"


def test_a_target_is_asked_with_its_own_patience_or_with_what_is_usual(path: Path) -> None:
    assert Target(path).patience(7.0) == 7.0
    assert Target(path, 0.5).patience(7.0) == 0.5
    with answering(path, OK):
        assert Target(path).ask("look") is None
    path.unlink()
    with answering(path, OK, hangs_up=False), pytest.raises(ClientError, match="does not answer"):
        list(Target(path, 0.05).dump("dump"))


def test_a_daemon_without_a_control_socket_is_said_to_have_none() -> None:
    for request in (Target(None).ask, Target(None).dump):
        with pytest.raises(ClientError, match=r"no control socket: daemon\.control is empty"):
            request("status")


def test_a_request_that_the_daemon_would_not_read_is_not_sent(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match=r"^the request would have 5019 bytes, at most 4096 are read$"):
        ask(tmp_path / "nobody", "dict-lookup", "x" * 5000)
