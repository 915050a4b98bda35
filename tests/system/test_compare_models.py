"""The comparison of the models, as short as it gets: that all are served and told of, never how fast."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.scripts import ROOT, script

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

MODELS = ("select", "iterative", "fork", "thread", "pool")
ALL = (*MODELS, "select/poll", "select/select")
CHARTS = ("throughput", "p99", "memory", "tasks")
FLOWS = ("flat", "paced", "slow", "visits")


def compare(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The program, to its end."""
    return script("compare", *arguments, timeout=150, changes=environment)


def draw(figures: Path, directory: Path) -> None:
    """Draw the charts with this Python's matplotlib."""
    subprocess.run(
        [sys.executable, "-m", "scripts.lib.compare.charts", str(figures), str(directory)],
        check=True,
        cwd=ROOT,
        env=os.environ | {"MPLCONFIGDIR": str(directory)},
    )


def test_every_model_serves_every_load_and_the_report_is_complete(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    run = compare("--selectors", "--connections", "5", "--seconds", "0.05", "--json", str(file))
    assert run.returncode == 0, run.stdout + run.stderr
    figures = json.loads(file.read_text())
    assert [result["contestant"] for result in figures["results"]] == list(ALL)
    for result in figures["results"]:
        assert all(result[flow]["wrong"] == result[flow]["lost"] == 0 for flow in FLOWS)
        assert result["flat"]["answered"], result
        assert result["visits"]["answered"], result
        assert (result["slow"]["answered"] == 0) == (result["contestant"] == "iterative")
        assert result["memory"] > 10_000_000
        assert (result["processes"] > 1) == (result["contestant"] == "fork")
        assert run.stdout.count(f"\n  {result['contestant']:<12}") == 8
    for model in MODELS:
        assert f"\n{model}: where " in run.stdout or f"\n{model}: for everything" in run.stdout
    draw(file, tmp_path)
    for chart in CHARTS:
        assert (tmp_path / f"{chart}.png").read_bytes().startswith(b"\x89PNG")
        drawing = (tmp_path / f"{chart}.svg").read_text()
        assert all(f">{name}</text>" in drawing for name in ALL)


def test_several_passes_are_told_as_their_medians(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    arguments = ("--models", "pool", "--connections", "1", "--seconds", "0.02", "--passes", "2")
    run = compare(*arguments, "--json", str(file))
    assert run.returncode == 0, run.stdout + run.stderr
    assert "the middle one of 2" in run.stdout
    assert "pass 2 of 2: pool, 1 connections" in run.stderr
    assert [result["connections"] for result in json.loads(file.read_text())["results"]] == [1]


def test_without_matplotlib_the_tables_are_there_and_it_is_said(tmp_path: Path) -> None:
    short = ("--models", "select", "--connections", "1", "--seconds", "0.02")
    nowhere = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "NETECHOD_BENCH_HOME": str(tmp_path / "bench")}
    run = compare(*short, "--charts", str(tmp_path / "charts"), **nowhere)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "messages a second" in run.stdout
    assert "No charts: cannot install matplotlib" in run.stdout


@contextmanager
def server(serve: Callable[[socket.socket], object]) -> Iterator[tuple[str, int]]:
    """A server that treats its first client, who says something, as told; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve_one() -> None:
            with listener.accept()[0] as sock:
                serve(sock)

        thread = threading.Thread(target=serve_one)
        thread.start()
        yield listener.getsockname()
        thread.join()


def flip_a_bit(sock: socket.socket) -> None:
    """Echo the first message with one bit wrong, and the rest as it is."""
    data = sock.recv(64, socket.MSG_WAITALL)
    sock.sendall(bytes([data[0] ^ 1]) + data[1:])
    while data := sock.recv(65536):
        sock.sendall(data)


@pytest.fixture
def crowd(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The load's module: it is not part of the package. And a UDP echo that nobody serves."""
    monkeypatch.syspath_prepend(ROOT)
    from scripts.lib.compare import crowd

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        yield lambda address, messages: crowd.Crowd(address, silent.getsockname(), 1, messages)


def test_one_wrong_bit_is_found(crowd: Any) -> None:  # noqa: ANN401
    with server(flip_a_bit) as address, closing(crowd(address, 1000)) as load:
        tally = load.run(0.1)
        while not tally.answered:
            tally = load.run(0.1)
        assert (tally.wrong, tally.lost) == (1, 0)


def test_who_is_cut_off_is_counted(crowd: Any) -> None:  # noqa: ANN401
    with server(lambda sock: sock.recv(64)) as address, closing(crowd(address, 1000)) as load:
        tally = load.run(0.1)
        while not tally.lost:
            tally = load.run(0.1)
        assert tally.answered == tally.wrong == 0


def test_who_still_waits_has_waited_as_long_as_it_was_measured(crowd: Any) -> None:  # noqa: ANN401
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        closing(crowd(listener.getsockname(), 1)) as load,
    ):
        tally = load.run(0.05)
        assert tally.answered == 0
        assert [waited >= 0.05 for waited in tally.waited] == [True]
        assert [probed > 0 for probed in tally.probed] == [True]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--models", "twisted"),
        ("--connections", "0"),
        ("--connections", "1,1001"),
        ("--seconds", "-1"),
        ("--x",),
    ],
)
def test_a_wrong_command_line_exits_with_64_and_a_hint(arguments: tuple[str, ...]) -> None:
    run = compare(*arguments)
    assert run.returncode == 64
    assert run.stderr.endswith("hint: scripts/compare-models --help\n")


def test_the_help_names_every_option_and_model() -> None:
    command = [str(ROOT / "scripts/compare-models"), "--help"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    options = [
        "--quick",
        "--models",
        "--selectors",
        "--connections",
        "--seconds",
        "--passes",
        "--charts",
        "--json",
    ]
    assert all(word in text for word in (*options, *MODELS))
