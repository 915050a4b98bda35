"""A real Redis or Valkey server, Sentinel or cluster node on a free port of this machine."""

import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from support.waiting import eventually

from netechod.reactor.bus.resp import Command, Parser, Reply, pack

# Debian's redis-tools has the server under the name of one of its tools, and no service that would start.
PROGRAMS = ("redis-server", "valkey-server", "redis-check-rdb", "valkey-check-rdb")
PROGRAM = next(filter(None, map(shutil.which, PROGRAMS)), None)
NAME = "valkey-server" if PROGRAM and "valkey" in PROGRAM else "redis-server"


def free_port() -> int:
    """A port of TCP that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class RedisServer:
    """One server with its files under `directory`. It persists nothing, unless `options` say so."""

    def __init__(
        self, directory: Path, *options: str | int | Path, configuration: Path | None = None
    ) -> None:
        """`configuration` is the file of a Sentinel, which the Sentinel itself changes."""
        self.directory = directory
        self.port = free_port()
        self.options: Sequence[str] = list(map(str, options))
        self.configuration = configuration
        self.password = ""
        self.process: subprocess.Popen[bytes] | None = None
        directory.mkdir(exist_ok=True)

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Start it, and wait until it answers."""
        assert PROGRAM is not None, "scripts/setup test installs redis-tools"
        own = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory)]
        own += ["--logfile", str(self.directory / "redis.log")]
        if self.configuration is None:
            own += ["--save", ""]
        else:
            own = [str(self.configuration), "--sentinel", *own]
        self.process = subprocess.Popen([NAME, *own, *self.options], executable=PROGRAM, cwd=self.directory)
        try:
            eventually(self.answers)
        except AssertionError:
            self.kill()
            raise
        return self

    def answers(self) -> bool:
        """Whether it serves."""
        try:
            return self.ask("PING") is not None
        except OSError:
            return False

    def ask(self, *command: str | int | bytes) -> Reply:
        """Send one command as an operator would."""
        return ask(self.port, command, self.password)

    def kill(self) -> None:
        """End it at once."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        """Have it stand still, with its connections open."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()


def ask(port: int, command: Command, password: str = "") -> Reply:
    """Send one command to the server on a port of this machine, and return its reply."""
    with socket.socket() as sock:
        sock.settimeout(5)
        sock.connect(("127.0.0.1", port))
        if password:
            sock.sendall(pack(("AUTH", password)))
            _reply(sock)
        sock.sendall(pack(command))
        return _reply(sock)


def _reply(sock: socket.socket) -> Reply:
    parser = Parser()
    while data := sock.recv(65536):
        for reply in parser.replies(data):
            return reply
    raise ConnectionError("closed by the server")
