"""The benchmark, as short as it gets: that everybody answers and everything is reported, never how fast."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.scripts import NOWHERE, ROOT, script

if TYPE_CHECKING:
    from scripts.lib.bench.load import Generator

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(180),
    pytest.mark.skipif(
        shutil.which("cc") is None and os.environ.get("CI") != "true", reason="needs a C compiler"
    ),
]

TCP = {"C", "asyncio-streams"}
UDP = {"C", "asyncio-datagrams"}
PEERS = {
    "tcp-64": TCP | {"asyncio-protocol"},
    "tcp-pipelined": TCP,
    "tcp-bulk": TCP,
    "tcp-1": TCP,
    "tcp-connect": TCP,
    "tcp-crowd": {"netechod-100"},
    "udp-64": UDP,
    "udp-1": UDP,
    "lookup-10k": UDP,
    "lookup-770k": {"C"},
    "lookup-1": UDP,
    "lookup-admission": {"netechod-unguarded"},
    "lookup-commands": set(),
    "dict-1": set(),
    "dict-64": set(),
    "dict-pipelined": set(),
    "dict-prefix": set(),
    "dict-lev": set(),
    "chat-10": UDP,
    "chat-100": UDP,
    "chat-1000": UDP,
    "memory-tcp": TCP,
    "memory-chat": set(),
    "start": {"asyncio-protocol"},
    "resident": {"asyncio-protocol"},
    "stamp-p50": {"C"},
    "stamp-p99": {"C"},
    "stamp-echo": {"C"},
    "udp-stamp": {"netechod-reflecting"},
    "reload-770k-rate": {"netechod-quiet"},
    "reload-770k-silence": set(),
    "reload-770k-p99": set(),
    "reload-770k-memory": set(),
    "reload-770k-time": set(),
    "reload-3m-rate": {"netechod-quiet"},
    "reload-3m-silence": set(),
    "reload-3m-p99": set(),
    "reload-3m-memory": set(),
    "reload-3m-time": set(),
    "grow-connections": {f"netechod-{number}" for number in (1, 8, 512, 4096)},
    "grow-members": {f"netechod-{number}" for number in (10, 30, 300, 2000)},
    "grow-words": {f"netechod-{number}" for number in (1000, 100_000, 770_000, 3_000_000)},
}
PARTS = ("tcp,udp,start,resident", "lookup,chat,memory,stamp", "reload,dict", "grow")  # trials, by beginnings
SHORT = ("--seconds", "0.01", "--pairs", "1", "--scale", "0.02")


def bench(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The program, to its end."""
    return script("bench", *arguments, timeout=150, changes=environment)


def names_in(part: str) -> list[str]:
    """The trials of a part."""
    return [name for name in PEERS if name.startswith(tuple(part.split(",")))]


def test_no_trial_is_left_out() -> None:
    known = re.search("one of (.+) expected", bench("--only", "nothing").stderr)
    assert known is not None
    assert known[1].split(", ") == list(PEERS)
    assert sorted(name for part in PARTS for name in names_in(part)) == sorted(PEERS)


@pytest.mark.parametrize("part", PARTS)
def test_every_contestant_answers_everything_right_and_the_report_is_complete(
    tmp_path: Path, part: str
) -> None:
    file = tmp_path / "bench.json"
    run = bench("--only", part, "--against", "C,asyncio", *SHORT, "--json", str(file))
    assert run.returncode == 0, run.stdout + run.stderr
    data = json.loads(file.read_text())
    assert [trial["name"] for trial in data["trials"]] == names_in(part)
    for trial in data["trials"]:
        assert f"{trial['name']}: {trial['title']}\n" in run.stdout
        assert {row["name"] for row in trial["rows"]} == PEERS[trial["name"]] | {"netechod"}
        for row in trial["rows"]:
            assert f"  {row['name']:<17} " in run.stdout
            assert not row["trouble"]
            assert len(row["ratios"]) == (row["name"] != "netechod")
            assert row["samples"]
            assert all(sample["lost"] == sample["wrong"] == 0 for sample in row["samples"])
        present = {row["name"] for row in trial["rows"]} & trial["targets"].keys()
        assert len(trial["verdicts"]) == len(present) + (trial["at_most"] is not None)
    assert run.stdout.endswith(data["machine"] + "\n")
    assert re.fullmatch(
        r"Linux \S+, \w+ 3\S+, \d+ CPUs \(.+\), load .+ at the end, .*pinned.*\.", data["machine"]
    )


def test_a_peer_that_cannot_be_had_is_named_with_the_reason_and_the_others_compete(tmp_path: Path) -> None:
    here = {"NETECHOD_BENCH_HOME": str(tmp_path)}
    run = bench("--only", "tcp-1", "--against", "C,uvloop", *SHORT, **NOWHERE, **here)
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"^  uvloop-protocol +failed: cannot install uvloop: .+$", run.stdout, re.MULTILINE)
    assert re.search(r"^  C +[\d,]+ ", run.stdout, re.MULTILINE)


def test_without_a_compiler_the_bench_says_what_to_do(tmp_path: Path) -> None:
    run = bench("--only", "tcp-1", *SHORT, PATH=str(tmp_path), NETECHOD_BENCH_HOME=str(tmp_path))
    assert run.returncode == 69
    assert "apt-get install gcc" in run.stderr


def wrong(answer: bytes) -> bytes:
    """The same with one bit changed."""
    return answer[:-1] + bytes([answer[-1] ^ 1])


def lie(server: socket.socket) -> None:
    """Answer the greeting of TCP, the first question with one bit wrong, and the rest with nothing."""
    if server.type == socket.SOCK_DGRAM:
        question, address = server.recvfrom(100)
        server.sendto(wrong(question), address)
    else:
        with server.accept()[0] as connection:
            connection.send(connection.recv(1))
            connection.send(wrong(connection.recv(100)))


def babble(server: socket.socket) -> None:
    """Let one member in, and lose its first message."""
    _, address = server.recvfrom(100)
    server.sendto(b"somebody#online", address)
    server.recvfrom(100)


@contextmanager
def talking_to(
    conduct: Callable[[socket.socket], None], kind: socket.SocketKind, program: str, *arguments: object
) -> Iterator["Generator"]:
    """A generator that talks to a server of such conduct, which is gone afterwards."""
    from scripts.lib.bench.environment import compiled
    from scripts.lib.bench.load import Generator

    with socket.socket(socket.AF_INET, kind) as server, ThreadPoolExecutor(1) as executor:
        server.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            server.listen()
        conducting = executor.submit(conduct, server)
        with closing(Generator(compiled() / program, server.getsockname(), arguments)) as generator:
            yield generator
        conducting.result()


@pytest.fixture
def _scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the bench's modules importable: they are not part of the package."""
    monkeypatch.syspath_prepend(ROOT)


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    """One question and its answer."""
    file = tmp_path / "questions"
    file.write_text("apple\tapple\n")
    return file


@pytest.mark.usefixtures("_scripts")
def test_the_page_has_the_figures_of_the_last_run_that_was_published(tmp_path: Path) -> None:
    from scripts.lib.bench import publish

    figures = json.loads((ROOT / publish.FIGURES).read_text(encoding="utf-8"))
    page = (ROOT / publish.PAGE).read_text(encoding="utf-8")
    assert publish.filled(page, figures) == page
    (tmp_path / publish.PAGE).parent.mkdir()
    (tmp_path / publish.PAGE).write_text(publish.filled(page, figures | {"trials": []}), encoding="utf-8")
    assert publish.publish(figures, tmp_path, draws=False) == ""
    assert (tmp_path / publish.PAGE).read_text(encoding="utf-8") == page
    assert json.loads((tmp_path / publish.FIGURES).read_text(encoding="utf-8")) == figures


def test_charts_are_drawn_of_what_there_is(tmp_path: Path) -> None:
    """Of the published figures, and of a run with a single pair and peers that failed."""
    figures = json.loads((ROOT / "docs/performance.json").read_text(encoding="utf-8"))
    assert charts_of(figures, tmp_path) == {f"{name}.{kind}" for name in CHARTS for kind in ("png", "svg")}
    trial = figures["trials"][0]
    for row in trial["rows"]:
        row["ratios"], row["samples"] = row["ratios"][:1], row["samples"][:1]
    trial["rows"][1] |= {"ratios": [], "samples": [], "trouble": "it is not here"}
    few = tmp_path / "few"
    few.mkdir()
    assert charts_of(figures | {"trials": [trial]}, few) == {"performance.png", "performance.svg"}


CHARTS = ("performance", "growth")


def charts_of(figures: object, directory: Path) -> set[str]:
    file = directory / "figures"
    file.write_text(json.dumps(figures))
    command = [sys.executable, "-m", "scripts.lib.bench.charts", str(file), str(directory / "charts")]
    subprocess.run(command, check=True, cwd=ROOT, timeout=50)
    return {file.name for file in (directory / "charts").iterdir()}


def test_a_profile_names_lines_of_python_or_says_why_it_does_not(tmp_path: Path) -> None:
    run = bench("--profile", "--only", "udp-1,start", **NOWHERE, NETECHOD_BENCH_HOME=str(tmp_path))
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("udp-1: UDP echo, one datagram in flight\n")
    assert "  no look into Python: cannot install py-spy: " in run.stdout
    assert "start: not under load, nothing to see" in run.stdout


@pytest.mark.usefixtures("_scripts")
def test_one_wrong_bit_in_an_echo_is_found() -> None:
    with talking_to(lie, socket.SOCK_STREAM, "load_tcp", 1, 1, 32, 1) as generator:
        tally = generator.run(0)
        assert (tally.done, tally.wrong) == (0, 1)


@pytest.mark.usefixtures("_scripts")
def test_one_wrong_bit_in_an_answer_is_found_and_answers_that_do_not_come_are_counted(
    questions: Path,
) -> None:
    with talking_to(lie, socket.SOCK_DGRAM, "load_udp", 1, 64, questions) as generator:
        assert generator.run(0)[:3] == (0, 63, 1)


@pytest.mark.usefixtures("_scripts")
def test_a_chat_line_that_does_not_come_is_counted() -> None:
    with talking_to(babble, socket.SOCK_DGRAM, "load_chat", 1) as generator:
        assert generator.run(0)[:3] == (0, 1, 0)


@pytest.mark.parametrize(
    "arguments",
    [("--only", "nothing"), ("--against", "trio"), ("--seconds", "-1"), ("--pairs", "x"), ("unasked",)],
)
def test_a_wrong_command_line_exits_with_64_and_a_hint(arguments: tuple[str, ...]) -> None:
    run = bench(*arguments)
    assert run.returncode == 64
    assert run.stderr.endswith("hint: scripts/bench --help\n")


def test_the_help_names_every_trial_and_option() -> None:
    text = subprocess.run(
        [ROOT / "scripts/bench", "--help"], capture_output=True, text=True, check=True
    ).stdout
    options = ["--quick", "--only", "--against", "--seconds", "--pairs", "--scale", "--json"]
    options += ["--publish", "--profile"]
    assert all(option in text for option in options)
    named = re.findall(r"^ {26}([a-z0-9, -]+?)(?:  |$)", text, re.MULTILINE)
    names = {name for line in named for name in line.split(", ")}
    assert {trial for trial in PEERS if trial not in names and trial.rpartition("-")[0] not in names} == set()
