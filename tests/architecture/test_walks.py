"""Five walks through the code, recorded while it runs: each enters few rooms, and the page names them all."""

import re
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from support import walk
from support.daemon import WORDS, Daemon, client
from support.netecho import environment
from support.tmux import Tmux

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
NETECHO = "netechod.cli.netecho"

Rooms = dict[str, list[str]]

LIMITS = {
    "A look-up over UDP": 4,
    "A byte over TCP": 3,
    "SIGHUP": 22,
    "A line in the chat": 6,
    "A ping and its answer": 4,
}
"""How many rooms each walk may enter."""


@pytest.fixture(scope="module")
def walks(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Rooms]:
    """The rooms of each walk, by its title in the page."""
    directory = tmp_path_factory.mktemp("walks")
    calls = {name: directory / f"{name}.calls" for name in ("daemon", "chat", "ping")}
    with Daemon(directory, program=walk.command(calls["daemon"], "netechod")) as daemon:
        daemon.start()
        daemon.dictionary.write_text(f"{WORDS}cat:猫\n", encoding="utf-8")
        daemon.reload()
        chat(daemon, directory, calls["chat"])
        ping(daemon, calls["ping"])
        exchange(client(daemon.address("dictionary")), b"apple", b"banana", b"hello")
        exchange(client(daemon.address("echo-tcp"), socket.SOCK_STREAM), b"a", b"b", b"c")
        daemon.stop()
    recorded = {name: walk.read(file) for name, file in calls.items()}
    # The log has a thread of its own that nobody waits for; the other threads work for the reload.
    served = [call for call in recorded["daemon"] if call.thread != "log writer"]
    found = {
        "A look-up over UDP": walk.turns(served, "DictionaryService.datagrams_received", occurrence=3),
        "A byte over TCP": walk.turns(served, "EchoSession.data_received", occurrence=2),
        "SIGHUP": walk.turns(served, "App.reload", "Notifier.ready"),
        "A line in the chat": walk.between(recorded["chat"], "ScreenUI._accept", "ScreenUI._print"),
        "A ping and its answer": walk.between(recorded["ping"], "Prober._send", "Prober._send", 2),
    }
    return {title: walk.rooms(part) for title, part in found.items()}


def exchange(sock: socket.socket, *requests: bytes) -> None:
    with sock:
        for request in requests:
            sock.send(request)
            assert sock.recv(1024)


def chat(daemon: Daemon, directory: Path, calls: Path) -> None:
    host, port = daemon.address("chat")
    with Tmux(directory, "chat", f"{host}:{port}", program=walk.command(calls, NETECHO)) as terminal:
        terminal.wait_for("online: 1")
        terminal.type("hello\r")
        terminal.wait_for("hello ✓")
        terminal.press("C-c")
        assert terminal.status() == 0


def ping(daemon: Daemon, calls: Path) -> None:
    host, port = daemon.address("echo-udp")
    program = [*walk.command(calls, NETECHO), "ping", "-u", "-c", "3", "-i", "0.05", f"{host}:{port}"]
    subprocess.run(program, env=environment(), check=True, capture_output=True)


def told_of(title: str) -> str:
    """Return what the page says under a title: the numbers, and the rooms and modules of each row."""
    section = PAGE.partition(f"### {title}\n")[2].partition("\n#")[0]
    return "\n".join(re.findall(r"^\d+ rooms, \d+ modules\.$|^\| `[^|]*\|[^|]*\|", section, re.MULTILINE))


def to_tell(rooms: Rooms) -> str:
    """Return what the page has to say about these rooms."""
    count = sum(len(modules) or 1 for modules in rooms.values())
    rows = (f"| `{room}` | {', '.join(f'`{name}`' for name in names)} |" for room, names in rooms.items())
    return "\n".join([f"{len(rooms)} rooms, {count} modules.", *rows])


@pytest.mark.parametrize("title", LIMITS)
def test_a_walk_enters_the_rooms_that_the_page_names_and_no_more_than_it_may(
    title: str, walks: Mapping[str, Rooms]
) -> None:
    assert told_of(title) == to_tell(walks[title])
    assert len(walks[title]) <= LIMITS[title]
