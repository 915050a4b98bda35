"""The operator's commands, against somebody who answers as a daemon does."""

import io
import json
import os
import select
import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from netechod.client.errors import ClientError
from netechod.client.operator import commands
from netechod.client.operator.control import NotRunningError, RefusedError, Target

NO_PID = 2**22 + 1  # one more than any process has (proc(5), pid_max)
STATUS: dict[str, Any] = {
    "version": "1.0.0",
    "pid": NO_PID,
    "uptime": 1.0,
    "config": "/tmp/\x1b[2J.toml",
    "listeners": [],
    "counters": {},
    "connections": None,
    "dictionary": None,
    "members": None,
    "commands": None,
    "log_lost": 0,
    "last_reload": None,
}
OUTCOME: dict[str, Any] = {
    "error": "",
    "when": 0.0,
    "seconds": 0.01,
    "dictionary": {"before": 3, "after": 4, "added": 1, "removed": 0, "changed": 0},
    "keys": ["log.level"],
    "waiting": [],
}

Capture = pytest.CaptureFixture[str]


class Scripted:
    """A control socket with an answer, or a refusal, for each question; a thread serves it."""

    def __init__(self, path: Path) -> None:
        self.target = Target(path, timeout=10.0)
        self.asked: list[list[str]] = []
        self.answers: dict[str, object] = {}  # by question, its words joined; None for what has no answer
        self.bodies: dict[str, bytes] = {}
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(path))
        self._socket.listen()
        self._bell, self._stop = socket.socketpair()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def patient_for(self, seconds: float) -> Target:
        return self.target._replace(timeout=seconds)

    def _run(self) -> None:
        while self._bell not in select.select([self._bell, self._socket], [], [])[0]:
            sock, _ = self._socket.accept()
            with sock, sock.makefile("rb") as questions:
                sock.sendall(self._answer(json.loads(questions.readline())))

    def _answer(self, words: list[str]) -> bytes:
        self.asked.append(words)
        question = " ".join(words)
        if question not in self.answers:
            return json.dumps({"ok": False, "error": f"no {question}"}).encode() + b"\n"
        head = {"ok": True, "result": self.answers[question]}
        return json.dumps(head).encode() + b"\n" + self.bodies.get(question, b"")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.close()
        self._thread.join()
        self._bell.close()
        self._socket.close()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Scripted]:
    with Scripted(tmp_path / "control.sock") as daemon:
        yield daemon


def holding(daemon: Scripted, entries: Mapping[str, str]) -> None:
    """Give it a dictionary."""
    lines = "".join(f"{word}#{meaning}\n" for word, meaning in entries.items())
    daemon.answers["dict-dump"] = len(entries)
    daemon.bodies["dict-dump"] = lines.encode()


def test_the_status_is_a_screen_that_a_terminal_cannot_be_harmed_by(
    daemon: Scripted, capsys: Capture
) -> None:
    daemon.answers["status"] = STATUS
    assert commands.status(daemon.target, as_json=False) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"netechod 1.0.0   up 1 s   pid {NO_PID}   configuration /tmp/\\x1b[2J.toml\n")
    assert shown.endswith("last reload  none since the start\n")


def test_the_status_for_programs_is_the_daemons_own(daemon: Scripted, capsys: Capture) -> None:
    daemon.answers["status"] = STATUS
    assert commands.status(daemon.target, as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == STATUS


def test_the_status_of_none_is_3_and_no_json(tmp_path: Path, capsys: Capture) -> None:
    with pytest.raises(NotRunningError) as caught:
        commands.status(Target(tmp_path / "none"), as_json=True)
    assert caught.value.exit_code == 3
    assert capsys.readouterr().out == ""


def test_a_reload_is_told(daemon: Scripted, capsys: Capture) -> None:
    daemon.answers["reload"] = OUTCOME
    assert commands.reload(daemon.target, as_json=False) == 0
    assert capsys.readouterr().out == (
        "configuration  log.level\ndictionary     3 -> 4 words (+1 -0, 0 changed) in 0.01 s\n"
    )
    assert commands.reload(daemon.target, as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == OUTCOME


def test_a_reload_that_failed_shows_nothing(daemon: Scripted, capsys: Capture) -> None:
    with pytest.raises(RefusedError, match="no reload"):
        commands.reload(daemon.target, as_json=True)
    assert capsys.readouterr().out == ""


def test_members_for_programs_are_a_line_each(daemon: Scripted, capsys: Capture) -> None:
    members = [{"name": f"192.0.2.{number}--1", "online": 2.5, "silent": 0.5} for number in (1, 2)]
    daemon.answers["members"] = members
    assert commands.members(daemon.target, as_json=True) == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == members
    assert commands.members(daemon.target, as_json=False) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "192.0.2.1--1  2 s     0 s",
        "192.0.2.2--1  2 s     0 s",
    ]


def test_what_is_told_goes_as_it_is(daemon: Scripted, capsys: Capture) -> None:
    daemon.answers["log-level DEBUG"] = None
    assert commands.tell(daemon.target, "log-level", "DEBUG") == 0
    assert daemon.asked == [["log-level", "DEBUG"]]
    assert capsys.readouterr().out == ""


def test_a_long_text_is_shown_byte_by_byte(
    daemon: Scripted, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    daemon.answers["metrics"] = None
    daemon.bodies["metrics"] = b"a 1\n\xff\r\n# EOF\n"
    assert commands.metrics(daemon.target) == 0
    assert capfdbinary.readouterr().out == daemon.bodies["metrics"]


def test_words_are_shown_with_their_values_and_the_missing_are_named(
    daemon: Scripted, capsys: Capture
) -> None:
    daemon.answers |= {
        "dict-lookup apple": {"apple": "苹果"},
        "dict-lookup C#": {"C#": "升\x1bC"},
        "dict-lookup pear": {"pear": None},
    }
    assert commands.dict_lookup(daemon.target, ["apple", "C#"]) == 0
    assert capsys.readouterr() == ("apple\t苹果\nC#\t升\\x1bC\n", "")
    assert commands.dict_lookup(daemon.target, ["pear", "apple"]) == 1
    assert capsys.readouterr() == ("apple\t苹果\n", "netechoctl: 'pear' is not in the dictionary\n")


def test_dictionaries_are_asked_for_by_their_names(daemon: Scripted, capsys: Capture) -> None:
    daemon.answers |= {"dict-lookup-in more pear": {"pear": "pera"}, "dict-match lev paer more": 1}
    daemon.bodies |= {"dict-match lev paer more": b"more\tpear\n"}
    daemon.answers |= {"dict-match lev xxx": 0, "metrics": None}
    daemon.bodies |= {"metrics": b'a 1\nb{database="main"} 2\nb{database="more"} 3\n# EOF\n'}
    assert commands.dict_lookup(daemon.target, ["pear"], "more") == 0
    assert commands.dict_match(daemon.target, "lev", "paer", "more") == 0
    assert commands.dict_match(daemon.target, "lev", "xxx") == 1
    assert commands.metrics(daemon.target, "more") == 0
    assert capsys.readouterr().out == 'pear\tpera\nmore\tpear\nb{database="more"} 3\n'


def test_the_dictionaries_are_a_table(daemon: Scripted, capsys: Capture) -> None:
    about = {"name": "main", "entries": 1200, "skipped": 1, "udp": True, "store": "memory"}
    about |= {"sha256": "0123456789abcdef", "file": "/etc/dict.txt"}
    more = {**about, "name": "more", "udp": False}
    daemon.answers["dict-list"] = [about, more]
    assert commands.dict_list(daemon.target, as_json=False) == 0
    assert commands.dict_list(daemon.target, as_json=True) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        "name  words  skipped  over UDP  in      sha256        file",
        "main  1 200  1        yes       memory  0123456789ab  /etc/dict.txt",
    ]
    assert [json.loads(line) for line in lines[3:]] == [about, more]


@pytest.mark.parametrize(
    "text",
    [
        "apple:苹果\nc#:升C\n",
        "\ufeff# a comment\r\nc#: 升C\r\n\r\n apple :苹果\r\napple:again",
    ],
    ids=["as it is", "as the daemon reads it"],
)
def test_a_file_with_the_same_entries_differs_in_nothing(
    daemon: Scripted, tmp_path: Path, capsys: Capture, text: str
) -> None:
    holding(daemon, {"apple": "苹果", "c#": "升C"})
    (tmp_path / "dict.txt").write_text(text, encoding="utf-8", newline="")
    assert commands.dict_diff(daemon.target, tmp_path / "dict.txt") == 0
    assert capsys.readouterr().out == ""


def test_a_difference_is_shown_entry_by_entry(daemon: Scripted, tmp_path: Path, capsys: Capture) -> None:
    holding(daemon, {"apple": "苹果", "c#": "升C", "pear": "梨"})
    (tmp_path / "dict.txt").write_text("c#:C sharp\npear:梨\nplum:\x1b李\n", encoding="utf-8")
    assert commands.dict_diff(daemon.target, tmp_path / "dict.txt") == 1
    assert capsys.readouterr().out == "-apple#苹果\n-c##升C\n+c##C sharp\n+plum#\\x1b李\n"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file or directory"),
        (b"", "holds no entry at all"),
        ("apple:苹果".encode("gbk"), "not UTF-8"),
    ],
)
def test_a_file_that_no_reload_would_take_is_not_compared(
    daemon: Scripted, tmp_path: Path, content: bytes | None, why: str
) -> None:
    holding(daemon, {"apple": "苹果"})
    file = tmp_path / "dict.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ClientError, match=why) as caught:
        commands.dict_diff(daemon.target, file)
    assert str(caught.value).startswith(str(file))
    assert caught.value.exit_code == 1


def test_a_daemon_of_another_pid_namespace_is_left_running(daemon: Scripted) -> None:
    daemon.answers |= {"status": STATUS, "stop": None}
    with pytest.raises(ClientError, match=f"no process {NO_PID}"):
        commands.stop(daemon.target)
    assert daemon.asked == [["status"]]


def test_a_daemon_that_does_not_end_is_not_waited_for_for_ever(daemon: Scripted) -> None:
    daemon.answers |= {"status": STATUS | {"pid": os.getpid()}, "stop": None}
    with pytest.raises(ClientError) as caught:
        commands.stop(daemon.patient_for(0.05))
    assert str(caught.value) == f"netechod (pid {os.getpid()}) still runs after 0.05 s"
    assert caught.value.hint == f"kill -INT {os.getpid()}"


def test_a_daemon_that_refuses_to_stop_is_not_waited_for(daemon: Scripted) -> None:
    daemon.answers["status"] = STATUS | {"pid": os.getpid()}
    with pytest.raises(RefusedError, match="no stop"):
        commands.stop(daemon.target)


def test_entries_are_shown_in_the_encoding_of_the_locale(
    daemon: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon.answers |= {"dict-dump": 1, "dict-match prefix app": 1}
    daemon.bodies |= {"dict-dump": "apple#苹果\n".encode(), "dict-match prefix app": "main\t苹果\n".encode()}
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding="gbk"))
    assert commands.dict_dump(daemon.target) == 0
    assert commands.dict_match(daemon.target, "prefix", "app") == 0
    assert written.getvalue().decode("gbk") == "apple#苹果\nmain\t苹果\n"
