"""The trials, and who takes part in them."""

import importlib.util
import itertools
import subprocess
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from scripts.benching.contest import HOME, Contestant, Load, Racer, Row, compete
from scripts.benching.server import KINDS, Address, Server, ServerError
from scripts.benching.single_shots import MemoryHolder, Starter, knock_tcp, knock_udp
from scripts.benching.tcp_load import MESSAGE, ConnectLoad, EchoLoad
from scripts.benching.udp_load import SingleLoad, WindowLoad, echoes
from scripts.benching.words import load_words

DICTIONARY = Path(__file__).resolve().parents[2] / "etc/dict.txt"
BULK = 65536  # bytes of a message of the bulk trial
GREETING = bytes(range(MESSAGE))
INSTALL_LIMIT = 60  # seconds that pip may take to fetch uvloop
NO_LIMIT = 1_000_000


class Effort(NamedTuple):
    """How much is measured."""

    seconds: float  # of one window
    pairs: int  # of neighbouring windows, for every peer
    connections: int  # held in the memory trial


class Stage:
    """Where the trials take place: the directory, the CPU, the dictionary, the effort."""

    def __init__(self, directory: Path, cpu: int | None, effort: Effort) -> None:
        self._directory = directory
        self._cpu = cpu
        self._numbers = itertools.count()
        self.effort = effort
        self.words = load_words(DICTIONARY)

    def server(self, name: str, service: str) -> Server:
        """A server that is not started yet: netechod with all its services, or the peer of that name."""
        home = self._directory / str(next(self._numbers))
        home.mkdir()
        if name == HOME:
            return Server(_netechod(home), tuple(KINDS), home, self._cpu)
        engine, _, style = name.partition("-")
        peer = [sys.executable, "-m", "scripts.benching.peers", service, engine, style, str(DICTIONARY)]
        return Server(peer, (service,), home, self._cpu)

    def racer(
        self, service: str, make: Callable[[Address], Load], name: str, size: float = 1.0
    ) -> Contestant:
        """A server that runs, and its load."""
        server = self.server(name, service).start()
        try:
            load = make(server.addresses[service])
        except OSError as error:
            server.stop()
            raise server.failure(error) from error
        return Racer(server, load, self.effort.seconds, size)

    def holder(self, name: str) -> Contestant:
        """A server to fill with connections."""
        return MemoryHolder(partial(self.server, name, "echo-tcp"), self.effort.connections)

    def tcp_starter(self, name: str) -> Contestant:
        """A server to start, until it echoes."""
        return Starter(
            partial(self.server, name, "echo-tcp"), "echo-tcp", partial(knock_tcp, GREETING), GREETING
        )

    def dictionary_starter(self, name: str) -> Contestant:
        """A server to start, until it answers a word."""
        word, meaning = next(iter(self.words.items()))
        return Starter(
            partial(self.server, name, "dictionary"), "dictionary", partial(knock_udp, word), meaning
        )


@dataclass(frozen=True)
class Trial:
    """One comparison. `enter` makes the contestant of a name."""

    name: str
    title: str
    unit: str
    enter: Callable[[Stage, str], Contestant]
    styles: Sequence[str] = ("datagrams",)
    most_pairs: int = 1000

    def run(self, stage: Stage, engines: Collection[str]) -> list[Row]:
        """Let netechod and its peers compete; who cannot even start is among the rows, with the reason."""
        names = [HOME, *(f"{engine}-{style}" for engine in engines for style in self.styles)]
        contestants: dict[str, Contestant] = {}
        absent = []
        try:
            for name in names:
                try:
                    contestants[name] = self.enter(stage, name)
                except ServerError as error:
                    absent.append(Row(name, trouble=str(error)))
            if HOME not in contestants:
                return absent
            return compete(contestants, min(stage.effort.pairs, self.most_pairs)) + absent
        finally:
            for contestant in contestants.values():
                contestant.close()


TCP = ("streams", "protocol", "buffered")
TRIALS = (
    Trial(
        "tcp-echo",
        "TCP echo, 64 connections, 32 bytes to and fro on each",
        "messages/s",
        lambda stage, name: stage.racer("echo-tcp", partial(EchoLoad, connections=64, size=MESSAGE), name),
        TCP,
    ),
    Trial(
        "tcp-bulk",
        "TCP echo, 8 connections, 64 KiB to and fro on each",
        "MiB/s",
        lambda stage, name: stage.racer(
            "echo-tcp", partial(EchoLoad, connections=8, size=BULK), name, size=BULK / 2**20
        ),
        TCP,
    ),
    Trial(
        "tcp-connect",
        "TCP connect, one echo of 32 bytes, close; 32 side by side",
        "connections/s",
        lambda stage, name: stage.racer("echo-tcp", ConnectLoad, name),
        TCP,
    ),
    Trial(
        "lookup-64",
        "UDP dictionary, 64 look-ups in flight",
        "look-ups/s",
        lambda stage, name: stage.racer("dictionary", partial(WindowLoad, answers=stage.words), name),
    ),
    Trial(
        "lookup-1",
        "UDP dictionary, one look-up in flight",
        "look-ups/s",
        lambda stage, name: stage.racer("dictionary", partial(SingleLoad, answers=stage.words), name),
    ),
    Trial(
        "udp-echo",
        "UDP echo, 64 datagrams of 32 bytes in flight",
        "datagrams/s",
        lambda stage, name: stage.racer("echo-udp", partial(WindowLoad, answers=echoes()), name),
    ),
    Trial(
        "memory",
        "Memory by idle TCP connection (less is better)",
        "bytes",
        Stage.holder,
        TCP,
        most_pairs=1,
    ),
    Trial(
        "start-tcp",
        "Start: exec to the first TCP echo (less is better)",
        "ms",
        Stage.tcp_starter,
        ("protocol",),
    ),
    Trial(
        "start-lookup", "Start: exec to the first look-up (less is better)", "ms", Stage.dictionary_starter
    ),
)


def install_uvloop() -> str:
    """Put uvloop into this environment if it is missing; returns why it could not be had, or nothing."""
    if importlib.util.find_spec("uvloop") is not None:
        return ""
    install = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "uvloop"]
    try:
        subprocess.run(install, check=True, capture_output=True, text=True, timeout=INSTALL_LIMIT)
    except subprocess.TimeoutExpired:
        return f"pip took more than {INSTALL_LIMIT} seconds"
    except subprocess.CalledProcessError as error:
        return str(error.stderr).strip().rpartition("\n")[2]
    return ""


def _netechod(home: Path) -> list[str]:
    """The daemon with its default configuration, its files under `home`, and room for the memory trial."""
    settings = {
        "daemon.pidfile": home / "netechod.pid",
        "daemon.control": home / "control.sock",
        "log.directory": home / "log",
        "dictionary.file": DICTIONARY,
        "echo.tcp.max_connections": NO_LIMIT,
        "echo.tcp.max_connections_per_source": NO_LIMIT,
    }
    options = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    return [sys.executable, "-m", "netechod", "--foreground", *options]
