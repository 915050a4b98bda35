"""What can be asked on the control socket, of a daemon that only writes down what it is told."""

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from support.looping import receive_rest, run_until, turn

from netechod.process.config.schema import Dictionary as Settings
from netechod.process.control.requests import commands
from netechod.process.control.server import ControlServer
from netechod.process.control.status import Outcome, Presence, Status
from netechod.process.dictionary.changes import Changes
from netechod.process.dictionary.in_use import Words
from netechod.reactor.loop import Loop
from netechod.services.dictionary.memory_parser import DictionaryParser
from netechod.services.dictionary.service import MemoryDictionary

STATUS = Status(
    version="1.0.0",
    pid=4711,
    uptime=1.5,
    config="/etc/netechod/netechod.toml",
    listeners=(("echo-tcp", "[::]:8080"),),
    counters={"echo-tcp": {"accepted": 1}},
    reports={"connections": 1, "members": 2},
    gauges=(),
    summaries=("echo 1 connections", "chat 2 online"),
    log_lost=0,
    last_reload=Outcome(error="no", when=1.0),
)
MEMBERS = (Presence("192.0.2.1--40001", 7.5, 0.5), Presence("2001:db8::2--5", 1.0, 1.0))
WORDS = "Apple:苹果\npear:梨\nc#:升C\n"
LEVELS = ("DEBUG", "NORMAL", "WARNING", "ERROR", "FATAL")


def edition_of(text: str) -> MemoryDictionary:
    parser = DictionaryParser("dict.txt")
    parser.feed(text.encode())
    return parser.finish()


class Journal:
    """A daemon that does nothing but remember what it was told to do."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.told: list[str] = []
        self.trouble = ""
        self.reloads: list[Callable[[Outcome], None]] = []
        self.use(main=WORDS)
        self.config = STATUS.config

    def use(self, **texts: str) -> None:
        """Answer from dictionaries with these texts."""
        more = {name: {"file": name} for name in list(texts)[1:]}
        section = Settings.model_validate({"more": more})
        self.words = Words({name: edition_of(text) for name, text in texts.items()}, section, {})

    def status(self) -> Status:
        return replace(STATUS, config=self.config)

    def members(self) -> tuple[Presence, ...]:
        return MEMBERS

    def sessions(self) -> list[dict[str, object]]:
        return [{"sender-ip": "192.0.2.1"}]

    def reload(self, done: Callable[[Outcome], None]) -> None:
        self.reloads.append(done)

    def stop(self, reason: str) -> None:
        self.told.append(f"stop {reason}")

    def reopen_logs(self, done: Callable[[str], object]) -> None:
        self.told.append("reopen")
        done(self.trouble)

    def set_log_level(self, level: str) -> None:
        self.told.append(f"level {level}")


class Bench:
    """A daemon behind its control socket, and those who ask it, all on one loop."""

    def __init__(self, path: Path, resources: ExitStack) -> None:
        self.loop = Loop()
        self.daemon = Journal(self.loop)
        resources.callback(self.loop.close)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.bind(str(path))
        sock.listen()
        sock.setblocking(False)
        server = ControlServer(self.loop, sock, commands(self.daemon), {os.geteuid()})
        resources.callback(server.close)
        self._path = path
        self._resources = resources

    def send(self, *words: str) -> socket.socket:
        """Ask, and do not wait."""
        sock = self._resources.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        sock.connect(str(self._path))
        sock.setblocking(False)
        sock.send(json.dumps(words).encode() + b"\n")
        return sock

    def heard(self, sock: socket.socket) -> tuple[dict[str, Any], str]:
        """The first line of the answer, and the text behind it."""
        head, _, body = receive_rest(self.loop, sock).partition(b"\n")
        return json.loads(head), body.decode()

    def ask(self, *words: str) -> Any:  # noqa: ANN401 (whatever JSON can say)
        """What comes back; a refusal as its sentence."""
        head, _ = self.heard(self.send(*words))
        return head["result"] if head["ok"] else head["error"]

    def ask_to_reload(self) -> socket.socket:
        """Ask, and wait until the daemon knows."""
        count = len(self.daemon.reloads)
        sock = self.send("reload")
        run_until(self.loop, lambda: len(self.daemon.reloads) > count)
        return sock


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with ExitStack() as resources:
        yield Bench(tmp_path / "control.sock", resources)


def test_looking_is_for_everybody_and_changing_is_not() -> None:
    made = commands(Journal(Loop()))
    assert {name for name, command in made.items() if command.changes} == {
        "reload",
        "reopen",
        "stop",
        "log-level",
    }
    assert {name for name, command in made.items() if not command.changes} == {
        "status",
        "members",
        "sessions",
        "metrics",
        "dict-list",
        "dict-lookup",
        "dict-lookup-in",
        "dict-match",
        "dict-dump",
    }


def test_the_status_is_told_whole(bench: Bench) -> None:
    assert bench.ask("status") == json.loads(json.dumps(STATUS.as_json()))


def test_sessions_are_told_as_they_are(bench: Bench) -> None:
    assert bench.ask("sessions") == [{"sender-ip": "192.0.2.1"}]


def test_members_are_told_with_their_times(bench: Bench) -> None:
    assert bench.ask("members") == [
        {"name": "192.0.2.1--40001", "online": 7.5, "silent": 0.5, "node": ""},
        {"name": "2001:db8::2--5", "online": 1.0, "silent": 1.0, "node": ""},
    ]


def test_a_word_is_found_as_it_is_spelt_then_in_any_case(bench: Bench) -> None:
    assert bench.ask("dict-lookup", "pear", "PEAR", "apple", "plum", "苹果") == {
        "pear": "梨",
        "PEAR": "梨",
        "apple": "苹果",
        "plum": None,
        "苹果": None,
    }
    assert bench.ask("dict-lookup") == {}


def test_dictionaries_are_listed_and_asked_in_order_or_by_name(bench: Bench) -> None:
    bench.daemon.use(main="pear:梨\n", more="Pear:pera\nPeak:pico\n")
    assert [(each["name"], each["entries"]) for each in bench.ask("dict-list")] == [("main", 1), ("more", 2)]
    assert bench.ask("dict-lookup", "pear", "peak") == {"pear": "梨", "peak": "pico"}
    assert bench.ask("dict-lookup-in", "more", "pear") == {"pear": "pera"}
    assert bench.heard(bench.send("dict-dump", "more"))[1] == "Pear#pera\nPeak#pico\n"
    assert bench.heard(bench.send("dict-match", "prefix", "pea")) == (
        {"ok": True, "result": 3},
        "main\tpear\nmore\tPeak\nmore\tPear\n",
    )
    assert bench.heard(bench.send("dict-match", "exact", "plum"))[0] == {"ok": True, "result": 0}


@pytest.mark.parametrize(
    "words",
    [
        ("dict-lookup-in", "no", "x"),
        ("dict-dump", "no"),
        ("dict-match", "exact", "x", "no"),
        ("dict-lookup-in",),
    ],
)
def test_a_dictionary_that_is_not_there_is_refused(bench: Bench, words: tuple[str, ...]) -> None:
    assert bench.ask(*words).startswith("no dictionary has this name")


@pytest.mark.parametrize("words", [(), ("soundex", "x"), ("exact",), ("exact", " ")])
def test_a_search_needs_a_strategy_and_a_word(bench: Bench, words: tuple[str, ...]) -> None:
    assert bench.ask("dict-match", *words).startswith("what is needed is one of exact, prefix, ")


def test_a_word_that_is_no_text_is_no_entry(bench: Bench) -> None:
    assert bench.ask("dict-lookup", "\ud800") == {"\ud800": None}


def test_a_file_name_need_not_be_utf_8(bench: Bench) -> None:
    bench.daemon.config = "/etc/\udcff.toml"
    assert bench.ask("status")["config"] == "/etc/\udcff.toml"


def test_a_value_is_told_without_the_limits_of_the_wire(bench: Bench) -> None:
    meaning = "长" * 30_000
    bench.daemon.use(main=f"long:{meaning}\n")
    assert bench.ask("dict-lookup", "long") == {"long": meaning}


def test_a_dump_is_the_edition_of_its_beginning_whole(bench: Bench) -> None:
    words = [f"word{number}#{number}" for number in range(100_000)]
    bench.daemon.use(main="".join(f"{line.replace('#', ':')}\n" for line in words))
    sock = bench.send("dict-dump")
    turn(bench.loop, 10)
    bench.daemon.use(main=WORDS)
    head, body = bench.heard(sock)
    assert head == {"ok": True, "result": 100_000}
    assert body.splitlines() == words


def test_a_dump_has_an_entry_a_line(bench: Bench) -> None:
    assert bench.heard(bench.send("dict-dump")) == (
        {"ok": True, "result": 3},
        "Apple#苹果\npear#梨\nc##升C\n",
    )


def test_a_reload_is_answered_when_it_is_done(bench: Bench) -> None:
    asking = bench.ask_to_reload()
    outcome = Outcome(seconds=0.5, dictionary=Changes(before=1, after=2, added=1), keys=("log.level",))
    turn(bench.loop, 3)
    with pytest.raises(BlockingIOError):
        asking.recv(1)
    bench.daemon.reloads[0](outcome)
    head, _ = bench.heard(asking)
    assert head == {"ok": True, "result": json.loads(json.dumps(asdict(outcome)))}


def test_a_reload_that_failed_is_a_refusal(bench: Bench) -> None:
    asking = bench.ask_to_reload()
    bench.daemon.reloads[0](Outcome(error="dict.txt:1: not UTF-8"))
    assert bench.heard(asking)[0] == {"ok": False, "error": "dict.txt:1: not UTF-8"}


def test_several_who_ask_for_a_reload_are_all_answered(bench: Bench) -> None:
    askers = [bench.ask_to_reload() for _ in range(10)]
    for done in bench.daemon.reloads:
        done(Outcome(seconds=0.25))
    assert [bench.heard(asker)[0]["result"]["seconds"] for asker in askers] == [0.25] * 10


def test_who_leaves_before_the_reload_is_done_harms_nobody(bench: Bench) -> None:
    bench.ask_to_reload().close()
    bench.daemon.reloads[0](Outcome())
    turn(bench.loop, 3)
    assert bench.ask("dict-lookup", "pear") == {"pear": "梨"}


def test_logs_are_reopened_before_the_answer(bench: Bench) -> None:
    assert bench.ask("reopen") is None
    assert bench.daemon.told == ["reopen"]


def test_logs_that_cannot_be_opened_are_the_answer(bench: Bench) -> None:
    bench.daemon.trouble = "cannot open log.txt: Is a directory"
    assert bench.ask("reopen") == "cannot open log.txt: Is a directory"


def test_the_daemon_stops_after_the_answer(bench: Bench) -> None:
    assert bench.ask("stop") is None
    run_until(bench.loop, lambda: bench.daemon.told)
    assert bench.daemon.told == ["stop netechoctl"]


def test_every_level_can_be_set(bench: Bench) -> None:
    assert [bench.ask("log-level", level) for level in LEVELS] == [None] * len(LEVELS)
    assert bench.daemon.told == [f"level {level}" for level in LEVELS]


@pytest.mark.parametrize("words", [[], ["LOUD"], ["debug"], ["DEBUG", "DEBUG"], [""]])
def test_no_other_level_can_be_set(bench: Bench, words: list[str]) -> None:
    assert bench.ask("log-level", *words) == f"the level is one of {', '.join(LEVELS)}"
    assert bench.daemon.told == []
