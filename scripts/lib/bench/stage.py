"""The surroundings of the trials: servers by name, each with its load; directory, CPU and effort."""

import itertools
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from scripts.lib.bench import ROOT, dictd, words
from scripts.lib.bench.commands import SETTINGS, BesideCommands, write_keys
from scripts.lib.bench.contest import HOME, Racer
from scripts.lib.bench.environment import MissingError, compiled, python_with, system_program
from scripts.lib.bench.load import Generator
from scripts.lib.bench.server import Server, ServerError

UNGUARDED = f"{HOME}-unguarded"
REFLECTING = f"{HOME}-reflecting"
DICTIONARY = ROOT / "etc/dict.txt"
NO_LIMIT = 1_000_000
LEAST_WORDS = 1000
REFERENCES = {
    "echo-tcp": "reference_tcp",
    "echo-udp": "reference_udp",
    "dictionary": "reference_udp",
    "chat": "reference_chat",
    "stamp": "reference_stamp",
}
SERVED = ("echo-tcp", "echo-udp", "dictionary", "chat")  # by netechod, always
TOGETHER = {"stamp": ("stamp", "echo-udp")}  # by a reference, in the order of its sockets; others have one
DICT = {"dict.enabled": "true", "dict.max_connections_per_source": NO_LIMIT}


# A load that asks one question at a time and never pauses looks like a loop: one in so many is dropped.
ENDLESS = {"access.bounce_limit": 1_000_000_000}


class Effort(NamedTuple):
    """How much is measured."""

    seconds: float  # of one window
    pairs: int  # of neighbouring windows, for every peer
    scale: float = 1.0  # what the numbers of connections, members and words are multiplied with

    def scaled(self, number: int, least: int) -> int:
        """A number of connections, members or words at this scale."""
        return max(least, round(number * self.scale))


class Stage:
    """Makes the servers of a trial and what asks them."""

    def __init__(self, directory: Path, cpu: int | None, effort: Effort) -> None:
        self._directory = directory
        self._cpu = cpu
        self._numbers = itertools.count()
        self._programs = compiled()
        self.effort = effort

    def server(
        self,
        name: str,
        service: str,
        *,
        dictionary: Path = DICTIONARY,
        settings: Mapping[str, object] | None = None,
    ) -> Server:
        """A server that is not started yet: netechod by default but for ENDLESS, or the peer of that name.

        Netechod serves STAMP only where that is asked for, and where its name is REFLECTING.
        """
        home = self._directory / str(next(self._numbers))
        home.mkdir()
        if name.startswith(HOME):
            module = f"{PEERS}.unguarded" if name == UNGUARDED else HOME
            reflects = service == "stamp" or name == REFLECTING
            own = {**ENDLESS, **(DICT if service == "dict" else {})}
            own["stamp.enabled"] = str(reflects).lower()
            command = netechod(home, dictionary, {**own, **(settings or {})}, module)
            services = (*SERVED, "dict") if service == "dict" else (*SERVED, "stamp") if reflects else SERVED
            return Server(command, services, home, self._cpu)
        command = self._peer(name, service, dictionary, home)
        return Server(command, TOGETHER.get(service, (service,)), home, self._cpu)

    def racer(
        self,
        name: str,
        service: str,
        load: Sequence[object],
        *,
        dictionary: Path = DICTIONARY,
        size: float = 1.0,
    ) -> Racer:
        """A server that runs, and its load: a generator and its arguments."""
        server = self.server(name, service, dictionary=dictionary).start()
        try:
            server.wait_for_answer(service)
            program, *arguments = load
            generator = Generator(self._programs / str(program), server.addresses[service], arguments)
        except (OSError, ServerError) as error:
            server.stop()
            raise error if isinstance(error, ServerError) else server.failure(error) from error
        return Racer(server, generator, self.effort.seconds, size)

    def beside_commands(self, name: str) -> BesideCommands:
        """A server of look-ups and commands, on all CPUs: the commands are not to stay on its own."""
        home = self._directory / str(next(self._numbers))
        home.mkdir()
        requests = home / "requests"
        requests.touch()
        dictionary, questions = self.dictionary(LEAST_WORDS)
        command = netechod(home, dictionary, {**SETTINGS, "command.key_file": write_keys(home)})
        server = Server(command, (*SERVED, "command"), home, None).start()
        try:
            server.wait_for_answer("dictionary")
            arguments = (server.addresses["command"][1], questions, requests)
            load = Generator(self._programs / "load_beside", server.addresses["dictionary"], arguments)
        except OSError as error:
            server.stop()
            raise server.failure(error) from error
        return BesideCommands(server, load, requests, self.effort.seconds)

    def dictionary(self, size: int) -> tuple[Path, Path]:
        """A dictionary of so many words, and the questions about it."""
        return words.write_dictionary(self._directory, self.effort.scaled(size, LEAST_WORDS))

    def commands(self, size: int, command: str) -> tuple[Path, Path]:
        """A dictionary of so many words, and commands of DICT about it."""
        return words.write_commands(self._directory, self.effort.scaled(size, LEAST_WORDS), command)

    def echoes(self) -> Path:
        """The questions for UDP echo."""
        return words.write_echoes(self._directory)

    def _peer(self, name: str, service: str, dictionary: Path, home: Path) -> list[str]:
        """The command line of a peer. Raises ServerError when it cannot be had."""
        engine, _, style = name.partition("-")
        file = [str(dictionary)] if service == "dictionary" else []
        try:
            match engine:
                case "C":
                    return [str(self._programs / REFERENCES[service]), *file]
                case "asyncio":
                    return [sys.executable, "-m", f"{PEERS}.asyncio_peer", service, engine, style, *file]
                case "uvloop":
                    python = str(python_with("uvloop"))
                    return [python, "-m", f"{PEERS}.asyncio_peer", service, engine, style, *file]
                case "dictd":
                    return dictd.command(home, dictionary)
                case "recvfrom":
                    return [sys.executable, "-m", f"{PEERS}.recvfrom_peer", service, *file]
                case "gevent" | "twisted":
                    return [str(python_with(engine)), "-m", f"{PEERS}.{engine}_peer"]
                case _:
                    return [
                        system_program("socat"),
                        "TCP-LISTEN:PORT,bind=127.0.0.1,fork,reuseaddr,backlog=1024",
                        "EXEC:cat",
                    ]
        except MissingError as error:
            raise ServerError(str(error)) from error


PEERS = "scripts.lib.bench.peers"
ENGINES = ("C", "uvloop", "asyncio", "gevent", "twisted", "socat", "recvfrom", "dictd")


def netechod(home: Path, dictionary: Path, settings: Mapping[str, object], module: str = HOME) -> list[str]:
    """The daemon with its default configuration: accounting, limits, logs. Its files are under `home`.

    One talker stands for many, so it has no rate of its own.
    """
    own = {
        "daemon.pidfile": home / "netechod.pid",
        "daemon.control": home / "control.sock",
        "log.directory": home / "log",
        "dictionary.file": dictionary,
        "dictionary.index": home / "dictionary.index",
        "echo.tcp.max_connections": NO_LIMIT,
        "chat.rate": 0,
    }
    options = [word for key, value in {**own, **settings}.items() for word in ("--set", f"{key}={value}")]
    return [sys.executable, "-m", module, "--foreground", *options]
