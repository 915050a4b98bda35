"""The real daemon as a process, with the test as its service manager: no port races, no blind waits."""

import os
import select
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from support.notify_socket import NotifySocket

NETECHOD = [sys.executable, "-m", "netechod"]
PATIENCE = 20.0  # seconds after which what a test waits for is taken to be missing
WORDS = "apple:苹果\nbanana:香蕉\nhello:你好\n"

SERVICES = {
    "echo-tcp": ("echo.tcp", socket.SOCK_STREAM),
    "echo-udp": ("echo.udp", socket.SOCK_DGRAM),
    "dictionary": ("dictionary", socket.SOCK_DGRAM),
    "chat": ("chat", socket.SOCK_DGRAM),
}


class Daemon:
    """One netechod with its files under `directory`. Its sockets are made here and passed, by name."""

    def __init__(self, directory: Path, words: str = WORDS) -> None:
        self.directory = directory
        self.dictionary = directory / "dict.txt"
        self.dictionary.write_text(words, encoding="utf-8")
        self.pidfile = directory / "netechod.pid"
        self.manager = NotifySocket(directory / "notify.sock")
        self.process: subprocess.Popen[bytes] | None = None
        self._detached = 0  # the pid of a daemon that is not our child
        self._stderr = (directory / "stderr").open("wb")
        self._sockets: dict[str, socket.socket] = {}

    def options(self) -> list[str]:
        """The command line that keeps it within its directory."""
        settings = {
            "daemon.pidfile": self.pidfile,
            "daemon.control": self.directory / "control.sock",
            "log.directory": self.directory / "log",
            "dictionary.file": self.dictionary,
        }
        return [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]

    def bind(self, *services: str) -> None:
        """Make the sockets of these services (all of them when none is named), on a free port each."""
        for service in services or SERVICES:
            sock = socket.socket(socket.AF_INET, SERVICES[service][1])
            sock.bind(("127.0.0.1", 0))
            if SERVICES[service][1] == socket.SOCK_STREAM:
                sock.listen(1024)
            self._sockets[service] = sock

    def address(self, service: str) -> tuple[str, int]:
        """Where the service answers."""
        host, port = self._sockets[service].getsockname()
        return host, port

    def spawn(self, *options: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start it with the sockets made so far, and wait for nothing."""
        passed = ",".join(f"{name}={sock.fileno()}" for name, sock in self._sockets.items())
        activate = [sys.executable, str(Path(__file__).with_name("activate.py")), passed]
        self.process = subprocess.Popen(
            [*(activate if passed else []), *NETECHOD, *self.options(), *options],
            env=os.environ | {"NOTIFY_SOCKET": self.manager.address} | environment,
            pass_fds=[sock.fileno() for sock in self._sockets.values()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._stderr,
        )
        return self.process

    def start(self, *options: str) -> Self:
        """Start it in the foreground, with all its sockets if none were made, and wait until it serves."""
        if not self._sockets:
            self.bind()
        self.spawn("--foreground", *options)
        self.manager.wait_for("READY=1", PATIENCE)
        return self

    def detach(self, *options: str) -> int:
        """Start it as a daemon; returns its pid when the starter says that it serves."""
        starter = self.spawn(*options)
        assert starter.wait(PATIENCE) == 0, self.stderr()
        self._detached = int(self.pidfile.read_text())
        return self._detached

    def end(self) -> str:
        """Stop the detached daemon, wait for its end, and return the last line of its log."""
        descriptor = os.pidfd_open(self._detached)
        os.kill(self._detached, signal.SIGTERM)
        ended, _, _ = select.select([descriptor], [], [], PATIENCE)
        os.close(descriptor)
        assert ended, "the daemon does not stop"
        self._detached = 0
        return self.log()[-1]

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def reload(self) -> str:
        """Have it reload, wait until it has, and return its status line."""
        self.signal(signal.SIGHUP)
        self.manager.wait_for("RELOADING=1", PATIENCE)
        return self.manager.wait_for("READY=1", PATIENCE).partition("STATUS=")[2]

    def wait(self) -> int:
        """Wait until it has ended and return its exit status."""
        assert self.process is not None
        return self.process.wait(PATIENCE)

    def stop(self) -> int:
        """Stop it in the ordinary way and return its exit status."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def log(self, name: str = "log.txt") -> list[str]:
        """The messages of a log file, without level, time and pid."""
        file = self.directory / "log" / name
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return [line.split("]", 3)[3] for line in lines]

    def errors(self) -> list[str]:
        """The messages of `log.error`."""
        return self.log("log.error")

    def stderr(self) -> str:
        """What it has said on stderr."""
        return (self.directory / "stderr").read_text(encoding="utf-8")

    def close(self) -> None:
        """End whatever still runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._stderr.close()
        if self._detached:
            with suppress(ProcessLookupError):
                os.kill(self._detached, signal.SIGKILL)
        for sock in self._sockets.values():
            sock.close()
        self.manager.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def client(address: tuple[str, int], kind: int = socket.SOCK_DGRAM) -> socket.socket:
    """A connected client socket that does not wait for ever."""
    sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, kind)
    sock.settimeout(PATIENCE)
    sock.connect(address)
    return sock


def ask(address: tuple[str, int], query: bytes) -> bytes:
    """One question, one answer."""
    with client(address) as sock:
        sock.send(query)
        return sock.recv(65536)


def run_netechod(*arguments: str, timeout: float = PATIENCE) -> subprocess.CompletedProcess[str]:
    """The program, to its end."""
    return subprocess.run(
        [*NETECHOD, *arguments], capture_output=True, text=True, timeout=timeout, check=False
    )
