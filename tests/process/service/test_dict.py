"""The dictionary server as the daemon runs it: reloads, refusals, and the words of an index."""

import os
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.daemon import PATIENCE, SERVICES, Daemon, run_netechod
from support.daemon import ask as ask_udp

from netechod.client.operator.control import ask
from netechod.errors import ConfigError
from netechod.process.config.load import load

pytestmark = pytest.mark.system

WORDS = "apple:苹果\nEssen:das Essen\nessen:to eat\n"


@contextmanager
def serving(directory: Path, settings: Mapping[str, object], words: str = WORDS) -> Iterator[Daemon]:
    """A daemon with the dictionary server."""
    with Daemon(directory, words) as daemon:
        daemon.configure({"dict.enabled": True, **settings})
        daemon.bind(*SERVICES, "dict")
        yield daemon.start()


class Client:
    """A client that reads lines."""

    def __init__(self, daemon: Daemon) -> None:
        self._sock = socket.create_connection(daemon.address("dict"), PATIENCE)  # noqa: TID251 (a client)
        self._file = self._sock.makefile("r", encoding="utf-8", newline="")

    def line(self) -> str:
        """The next line, or "" at the end."""
        return self._file.readline().removesuffix("\r\n")

    def asked(self, command: str) -> list[str]:
        """What a command brings, up to its end."""
        self._sock.sendall(f"{command}\r\n".encode())
        lines = [self.line()]
        while lines[-1] and not lines[-1].startswith(("250", "4", "5", "221", "210")):
            lines.append(self.line())
        return lines

    def close(self) -> None:
        self._file.close()
        self._sock.close()

    def __enter__(self) -> "Client":
        assert self.line().startswith("220 netechod ")
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def test_a_reload_swaps_the_words_and_a_bad_file_does_not(tmp_path: Path) -> None:
    with serving(tmp_path, {}) as daemon, Client(daemon) as client:
        assert client.asked("define ! apple")[3] == "  苹果"
        daemon.dictionary.write_text("apple:manzana\n")
        daemon.reload()
        assert client.asked("define ! apple")[3] == "  manzana"
        daemon.dictionary.write_bytes(b"apple:\xff\n")
        daemon.reload()
        assert client.asked("define ! apple")[3] == "  manzana"


def test_words_of_an_index_are_found_as_those_in_memory(tmp_path: Path) -> None:
    with serving(tmp_path, {"dictionary.index_from": 0}) as daemon, Client(daemon) as client:
        assert client.asked("define main ESSEN")[1::4] == [
            '151 "essen" main "dict.txt"',
            '151 "Essen" main "dict.txt"',
            "250 ok",
        ]
        for strategy, word in (("exact", "essen"), ("suffix", "sen"), ("prefix", "e"), ("lev", "esen")):
            assert client.asked(f"match main {strategy} {word}")[1:3] == ['main "essen"', 'main "Essen"']
        daemon.reload()
        assert client.asked("match main substring a")[1] == 'main "apple"'


def test_the_configuration_names_the_dictionary_and_limits_the_answers(tmp_path: Path) -> None:
    (tmp_path / "fruit.info").write_text("Grown here.\nEaten there.\n", encoding="utf-8")
    (tmp_path / "server.info").write_text("Ask anything.", encoding="utf-8")
    settings: dict[str, object] = {
        "dictionary.name": "fruit",
        "dictionary.title": 'All "fruit"',
        "dictionary.information": tmp_path / "fruit.info",
        "dict.information": "server.info",  # beside the configuration
        "dict.max_matches": 1,
        "dict.default_strategy": "prefix",
    }
    with serving(tmp_path, settings) as daemon, Client(daemon) as client:
        assert client.asked("show db")[1] == "fruit \"All 'fruit'\""
        assert client.asked("show info fruit")[1:3] == ["Grown here.", "Eaten there."]
        assert "Ask anything." in client.asked("show server")
        assert client.asked("match * . e") == [
            "152 1 matches found",
            'fruit "essen"',
            ".",
            "250 ok, only the first 1",
        ]
        daemon.configure({"dict.enabled": True})
        daemon.reload()
        assert client.asked("match main prefix e")[0] == "152 2 matches found"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file or directory"),
        (b"\xff", "not UTF-8"),
        (b"x" * 65537, "longer than 65536 bytes"),
    ],
)
def test_a_text_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes | None, reason: str) -> None:
    file = tmp_path / "info"
    with serving(tmp_path, {}) as daemon, Client(daemon) as client:
        if content is not None:
            file.write_bytes(content)
        daemon.configure({"dict.enabled": True, "dictionary.information": file})
        daemon.signal(signal.SIGHUP)
        daemon.manager.wait_for("READY=1")
        line = daemon.said("configuration reload failed, nothing changes: ")
        assert f"dictionary.information: {file}: {reason}" in line
        assert client.asked("show info main")[1] == "dict.txt, 3 words"


def more(directory: Path, **texts: str) -> dict[str, object]:
    """The settings of more dictionaries with these texts."""
    for name, text in texts.items():
        (directory / f"{name}.txt").write_text(text, encoding="utf-8")
    return {f"dictionary.more.{name}.file": str(directory / f"{name}.txt") for name in texts}


def test_several_databases_are_asked_in_order(tmp_path: Path) -> None:
    settings = more(tmp_path, two="Apple:manzana\nfig:higo\n", three="fig:Feige\nEssen:Mahl\n")
    (tmp_path / "two.info").write_text("From Spain.", encoding="utf-8")
    settings |= {
        "dictionary.more.two.title": "Two",
        "dictionary.more.two.information": tmp_path / "two.info",
        "dictionary.more.three.udp": False,
        "dictionary.more.three.index_from": 0,
    }
    with serving(tmp_path, settings) as daemon, Client(daemon) as client:
        assert client.asked("show db")[1:4] == ['main "dict.txt"', 'two "Two"', 'three "three.txt"']
        assert client.asked("show info two")[1] == "From Spain."
        assert client.asked("define * apple")[1:8:4] == [
            '151 "apple" main "dict.txt"',
            '151 "Apple" two "Two"',
        ]
        assert client.asked("define ! fig")[:2] == ["150 1 definitions retrieved", '151 "fig" two "Two"']
        assert client.asked("match ! prefix fi")[1:-2] == ['two "fig"']
        assert client.asked("match * prefix fi")[1:-2] == ['two "fig"', 'three "fig"']
        assert client.asked("define three apple") == ["552 no match"]
        assert (tmp_path / "three.index").exists()
        answers = [
            ask_udp(daemon.address("dictionary"), word) for word in (b"apple", b"FIG.", b"essen", b"mahl")
        ]
        assert answers == ["苹果".encode(), b"higo", b"to eat", b"unknown"]
        status = ask(tmp_path / "control.sock", "status")
        assert [(each["name"], each["udp"]) for each in status["databases"]] == [
            *(("main", True), ("two", True), ("three", False)),
        ]
        assert status["dictionary"] == status["databases"][0]


def test_one_bad_file_of_several_keeps_all_words(tmp_path: Path) -> None:
    settings = more(tmp_path, two="apple:manzana\n", three="fig:Feige\n")
    with serving(tmp_path, settings) as daemon, Client(daemon) as client:
        daemon.dictionary.write_text("apple:pomme\n")
        (tmp_path / "two.txt").write_text("apple:mela\n")
        (tmp_path / "three.txt").write_bytes(b"fig:\xff\n")
        daemon.reload()
        outcome = ask(tmp_path / "control.sock", "status")["last_reload"]
        assert "three.txt:1: " in outcome["error"]
        assert client.asked("define * apple")[3:8:4] == ["  苹果", "  manzana"]
        (tmp_path / "three.txt").write_text("fig:figue\n")
        daemon.reload()
        assert client.asked("define * apple")[3:8:4] == ["  pomme", "  mela"]
        assert client.asked("define * fig")[3] == "  figue"
        daemon.configure({"dict.enabled": True, **more(tmp_path, four="date:datte\n")})
        daemon.reload()
        assert client.asked("show db")[1:3] == ['main "dict.txt"', 'four "four.txt"']
        assert client.asked("define four date")[3] == "  datte"
        assert client.asked("define * fig") == ["552 no match"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"dict.max_connections_per_source": 1}, "420 too many connections"),
        ({"dict.max_connections": 1}, "420 too many connections"),
    ],
)
def test_one_connection_too_many_is_told_so(tmp_path: Path, settings: dict[str, object], said: str) -> None:
    with serving(tmp_path, settings) as daemon, Client(daemon):
        other = Client(daemon)
        assert (other.line(), other.line()) == (said, "")
        other.close()


def test_a_client_that_is_not_admitted_is_told_so(tmp_path: Path) -> None:
    with serving(tmp_path, {"access.deny": ["127.0.0.0/8"]}) as daemon:
        client = Client(daemon)
        assert (client.line(), client.line()) == ("530 access denied", "")
        client.close()


def test_a_silent_client_is_let_go(tmp_path: Path) -> None:
    with serving(tmp_path, {"dict.idle_timeout": 0.2}) as daemon, Client(daemon) as client:
        assert client.line() == ""
        assert daemon.errors() == []


def test_status_and_counters_tell_what_was_asked(tmp_path: Path) -> None:
    with serving(tmp_path, {}) as daemon, Client(daemon) as client:
        client.asked("define * apple")
        client.asked("define * nothing")
        client.asked("match * suffix e")
        client.asked("nonsense")
        status = ask(tmp_path / "control.sock", "status")
        assert status["dict_connections"] == 1
        counters = status["counters"]["dict"]
        names = ("defined", "missed", "matched", "refused", "scans", "accepted")
        assert [counters[name] for name in names] == [1, 1, 1, 1, 1, 1]


def test_a_stop_answers_what_has_come_and_ends(tmp_path: Path) -> None:
    with serving(tmp_path, {}) as daemon, Client(daemon) as client:
        assert client.asked("define * apple")[-1] == "250 ok"
        assert daemon.stop() == 0
        assert client.line() == ""


def test_commands_under_way_survive_a_reload(tmp_path: Path) -> None:
    words = "".join(f"word{number}:meaning {number}\n" for number in range(20_000))
    with serving(tmp_path, {"dictionary.index_from": 0}, words) as daemon, Client(daemon) as client:
        daemon.dictionary.write_text(words + "one:more\n")
        client._sock.sendall(b"match main suffix 1\r\n" * 5)
        daemon.reload()
        counts = [line for line in (client.line() for _ in range(5 * 2003)) if line.startswith("152")]
        assert counts == ["152 2000 matches found"] * 5
        assert client.asked("define main one")[3] == "  more"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["dict.enabled=true", "dictionary.enabled=false"],
            "dict.enabled: must be false where dictionary.enabled",
        ),
        (["dictionary.name=*"], "dictionary.name: must be a name of up to 32 of a-z"),
        (["dictionary.title=a\x1bb"], "dictionary.title: must not have control characters"),
        (["dict.default_strategy=soundex"], "dict.default_strategy: "),
        (["dictionary.more.two.title=x"], "dictionary.more.two.file: is missing"),
        (["dictionary.more.Two.file=/x"], "dictionary.more.Two: must be a name of up to 32 of a-z"),
        (["dictionary.more.main.file=/x"], "dictionary.more.main: must have another name"),
        (["dictionary.more.two.name=x"], "dictionary.more.two.name: unknown key"),
        (
            ["dictionary.more.a.file=/a", "dictionary.more.b.file=/b", "dictionary.more.b.index=/a"],
            "dictionary.more.b.index: /a also stands in dictionary.more.a.file",
        ),
        (["dictionary.more.dictionary.file=/a"], "also stands in dictionary.more.dictionary.index"),
    ],
)
def test_settings_that_cannot_be_are_refused(options: list[str], said: str) -> None:
    ended = run_netechod("--check", *(word for option in options for word in ("--set", option)))
    assert (ended.returncode, said in ended.stderr) == (78, True), ended.stderr


def test_a_text_that_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for file in (fifo, tmp_path, Path("/dev/zero")):
        with pytest.raises(ConfigError, match=f"dictionary.information: {file}: not a regular file$"):
            load(None, ["dict.enabled=true", f"dictionary.information={file}"])
