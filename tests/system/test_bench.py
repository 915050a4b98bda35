"""The benchmark, as short as it gets: that everybody answers and everything is reported, never how fast."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

ROOT = Path(__file__).resolve().parents[2]
TCP = {"asyncio-streams", "asyncio-protocol", "asyncio-buffered"}
UDP = {"asyncio-datagrams"}
PEERS = {
    "tcp-echo": TCP,
    "tcp-bulk": TCP,
    "tcp-connect": TCP,
    "lookup-64": UDP,
    "lookup-1": UDP,
    "udp-echo": UDP,
    "memory": TCP,
    "start-tcp": {"asyncio-protocol"},
    "start-lookup": UDP,
}
SHORT = ("--seconds", "0.01", "--pairs", "1", "--connections", "300")


def bench(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The program, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "scripts.benching", *arguments],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        cwd=ROOT,
        env=os.environ | environment,
    )


def test_every_contestant_answers_everything_right_and_the_report_is_complete(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    run = bench("--against", "asyncio", *SHORT, "--json", str(file))
    assert run.returncode == 0, run.stdout + run.stderr
    data = json.loads(file.read_text())
    assert [trial["name"] for trial in data["trials"]] == list(PEERS)
    for trial in data["trials"]:
        assert f"{trial['name']}: {trial['title']}\n" in run.stdout
        assert {row["name"] for row in trial["rows"]} == PEERS[trial["name"]] | {"netechod"}
        for row in trial["rows"]:
            assert f"  {row['name']:<17} " in run.stdout
            assert not row["trouble"]
            assert len(row["ratios"]) == (row["name"] != "netechod")
            assert row["samples"]
            assert all(sample["lost"] == sample["wrong"] == 0 for sample in row["samples"])
    assert run.stdout.endswith(data["machine"] + "\n")
    assert re.fullmatch(
        r"Linux \S+, \w+ 3\S+, \d+ CPUs \(.+\), load .+ at the end, .*pinned.*\.", data["machine"]
    )


def test_without_uvloop_the_report_says_so_and_the_others_compete() -> None:
    run = bench("--only", "lookup-1", *SHORT, PIP_NO_INDEX="1", PIP_FIND_LINKS="")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "asyncio-datagrams" in run.stdout
    assert ("uvloop does not take part" in run.stdout) != ("uvloop-datagrams" in run.stdout)


def lie(server: socket.socket) -> None:
    """Answer the first question with one bit wrong, and everything after it with nothing."""
    if server.type == socket.SOCK_DGRAM:
        question, address = server.recvfrom(100)
        server.sendto(question[:-1] + bytes([question[-1] ^ 1]), address)
    else:
        with server.accept()[0] as connection:
            question = connection.recv(100)
            connection.send(question[:-1] + bytes([question[-1] ^ 1]))


@contextmanager
def liar(kind: socket.SocketKind) -> Iterator[tuple[str, int]]:
    """A server that is wrong once and then gone; its address."""
    with socket.socket(socket.AF_INET, kind) as server, ThreadPoolExecutor(1) as executor:
        server.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            server.listen()
        lying = executor.submit(lie, server)
        yield server.getsockname()
        lying.result()


@pytest.fixture
def _scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the bench's modules importable: they are not part of the package."""
    monkeypatch.syspath_prepend(ROOT)


@pytest.mark.usefixtures("_scripts")
def test_one_wrong_bit_in_an_echo_is_found() -> None:
    from scripts.benching.tcp_load import EchoLoad

    with liar(socket.SOCK_STREAM) as address, closing(EchoLoad(address, 1, 32)) as load:
        assert load.run(0)[:3] == (0, 0, 1)


@pytest.mark.usefixtures("_scripts")
def test_one_wrong_bit_in_an_answer_is_found() -> None:
    from scripts.benching.udp_load import SingleLoad

    with liar(socket.SOCK_DGRAM) as address, closing(SingleLoad(address, {b"apple": b"apple"})) as load:
        assert load.run(0)[:3] == (0, 0, 1)


@pytest.mark.usefixtures("_scripts")
def test_answers_that_do_not_come_are_counted() -> None:
    from scripts.benching.udp_load import WindowLoad

    with liar(socket.SOCK_DGRAM) as address, closing(WindowLoad(address, {b"apple": b"apple"})) as load:
        assert load.run(0)[:3] == (0, 64, 0)


@pytest.mark.parametrize(
    "arguments",
    [("--only", "nothing"), ("--against", "twisted"), ("--seconds", "-1"), ("--pairs", "x"), ("unasked",)],
)
def test_a_wrong_command_line_exits_with_64_and_a_hint(arguments: tuple[str, ...]) -> None:
    run = bench(*arguments)
    assert run.returncode == 64
    assert run.stderr.endswith("hint: scripts/bench --help\n")


def test_the_help_names_every_trial_and_option() -> None:
    text = subprocess.run(
        [ROOT / "scripts/bench", "--help"], capture_output=True, text=True, check=True
    ).stdout
    options = ["--quick", "--only", "--against", "--seconds", "--pairs", "--connections", "--json"]
    assert all(word in text for word in (*options, *PEERS))
