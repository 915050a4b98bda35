"""The daemon under soak, its files, and the words that it may answer with."""

import os
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from signal import Signals
from typing import Any, TypeVar

from support.daemon import Daemon, any_port
from support.network import Network

from netechod.client.operator.control import Target

PATIENCE = 20.0  # seconds without an answer after which it counts as lost
TICK = 0.02  # seconds between two looks at something that is expected
SERVICES = ("echo-tcp", "echo-udp", "dictionary", "chat", "command")
WORDS = 20_000  # entries of an edition: enough that something can happen while it is read
CONSTANT, CONSTANT_MEANING = "always", "总是"  # an entry of every edition

# Sources: who is trusted (all of 127.0.0.0/16), and who is not.
STRANGERS = "127.1.0"

KEY_ID, SECRET = "soak", b"no-secret-at-all-but-long"
LONGEST_OUTPUT = 65536  # bytes of a command's output

SETTINGS: Mapping[str, object] = {
    "access.trusted": ["127.0.0.0/16", "::1"],
    "access.bounce_limit": 1_000_000_000,  # a long soak says the same more often than any loop guard likes
    "chat.idle_timeout": 20,
    "chat.max_members_per_source": 64,
    "echo.tcp.max_connections": 500,
    "echo.tcp.max_connections_per_source": 200,
    "daemon.drain_timeout": 5,
    "command.enabled": True,
    "command.key_file": "keys",
    "command.max_output": LONGEST_OUTPUT,
    "command.allow.say.argv": ["/usr/bin/printf", "%s", "{1}"],
    "command.allow.say.parameters": ["(?s).{0,100}"],
    "command.allow.flood.argv": ["/usr/bin/head", "-c", "300000", "/dev/zero"],
    "command.allow.sleep.argv": ["/bin/sleep", "60"],
    "command.allow.sleep.timeout": 0.2,
    "command.allow.orphan.argv": ["/bin/sh", "-c", "sleep 60 >/dev/null 2>&1 & echo left one behind"],
}


_Found = TypeVar("_Found")


class Wrong(Exception):
    """Something that did not come back as it should have; the text says what."""


def expect(condition: object, what: str) -> None:
    """Raise Wrong unless `condition` holds."""
    if not condition:
        raise Wrong(what)


def wait_for(look: Callable[[], _Found], what: str) -> _Found:
    """Look until there is something, and return it; `what` is what is wrong when there never is."""
    end = time.monotonic() + PATIENCE
    while not (found := look()):
        expect(time.monotonic() < end, what)
        threading.Event().wait(TICK)
    return found


def meaning_in(edition: int, word: int) -> str:
    """Return a word's meaning in an edition. Each edition changes every meaning and lacks other words."""
    return "unknown" if word % 7 == edition % 7 else f"{word} 的第 {edition} 个意思"


def text_of(edition: int) -> str:
    """The dictionary file of an edition."""
    meanings = ((word, meaning_in(edition, word)) for word in range(WORDS))
    lines = [f"word{word}:{meaning}\n" for word, meaning in meanings if meaning != "unknown"]
    return "".join([*lines, f"{CONSTANT}:{CONSTANT_MEANING}\n"])


def entries_of(edition: int) -> int:
    """How many there are in it."""
    return sum(word % 7 != edition % 7 for word in range(WORDS)) + 1


class Place:
    """The daemon under soak. `loaded` and `written` are editions of its words: answers come from between."""

    def __init__(
        self,
        directory: Path,
        seed: int,
        settings: Mapping[str, object] = SETTINGS,
        network: Network | None = None,
    ) -> None:
        self.directory = directory
        self.seed = seed
        self.network = network  # None: no network of our own can be had
        self.members = 300  # of the large room
        self.loaded = self.written = 1
        self.daemon = Daemon(directory, text_of(1))
        self.daemon.configure(settings)
        keys = directory / "keys"
        keys.touch(0o600)
        keys.write_bytes(f"{KEY_ID} ".encode() + SECRET + b"\n")
        self.logs = directory / "log"
        self.control = Target(directory / "control.sock", PATIENCE)
        self.ports: dict[str, int] = {}

    def start(self, **environment: str) -> None:
        """Start it on free ports, of IPv4 and IPv6."""
        self.daemon.spawn("--foreground", *any_port("[::]"), "--set", "command.listen=[::]:0", **environment)
        bound = self.daemon.bound()[: len(SERVICES)]  # that of the metrics may follow
        self.ports = dict(zip(SERVICES, (port for _, port in bound), strict=True))

    @property
    def pid(self) -> int:
        """Its process id."""
        process = self.daemon.process
        expect(process is not None and process.poll() is None, "the daemon has ended")
        return process.pid if process is not None else 0

    def rng(self, *words: object) -> random.Random:
        """Random numbers for a purpose: the same in every run with the same seed."""
        return random.Random(repr((self.seed, *words)))  # noqa: S311 (nobody is to guess them)

    def signal(self, number: Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def status(self) -> dict[str, Any]:
        """Return its answer to `status`."""
        status: dict[str, Any] = self.control.ask("status")
        return status

    def connect(self, service: str, source: str, receive_buffer: int = 0) -> socket.socket:
        """A socket of ours at the address `source`, connected to a service, that does not wait for ever."""
        kind = socket.SOCK_STREAM if service == "echo-tcp" else socket.SOCK_DGRAM
        sock = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET, kind)
        try:
            if receive_buffer:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            sock.settimeout(PATIENCE)
            sock.bind((source, 0))
            sock.connect(("::1" if ":" in source else "127.0.0.1", self.ports[service]))
        except OSError:
            sock.close()
            raise
        return sock


def reset(sock: socket.socket) -> None:
    """Close a connection with a reset (socket(7), SO_LINGER)."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("@ii", 1, 0))
    sock.close()
