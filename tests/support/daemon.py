"""The real daemon as a process, with the test as its service manager: no port races, no blind waits."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
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
"""The services that are on by default."""

KINDS = {
    **{service: kind for service, (_, kind) in SERVICES.items()},
    "command": socket.SOCK_DGRAM,
    "stamp": socket.SOCK_DGRAM,
    "dict": socket.SOCK_STREAM,
}


def any_port(host: str = "127.0.0.1", *services: str) -> list[str]:
    """Options that have these services (all of them when none is named) bind a free port of `host` each."""
    sections = [SERVICES[service][0] for service in services or SERVICES]
    return [word for section in sections for word in ("--set", f"{section}.listen={host}:0")]


class Daemon:
    """One netechod with its files under `directory`. Its sockets are made here and passed, by name."""

    def __init__(self, directory: Path, words: str = WORDS, program: Sequence[str] = NETECHOD) -> None:
        self.directory = directory
        self.config = directory / "netechod.toml"
        self.dictionary = directory / "dict.txt"
        self.index = directory / "dictionary.index"
        self.dictionary.write_text(words, encoding="utf-8")
        self.pidfile = directory / "netechod.pid"
        self.manager = NotifySocket(directory / "notify.sock")
        Path(self.manager.address).chmod(0o777)  # as systemd's is, for daemons that become another user
        self.process: subprocess.Popen[bytes] | None = None
        self._program = program
        self._detached = 0  # the pid of a daemon that is not our child
        self._stderr = Lines()
        self._sockets: dict[str, socket.socket] = {}
        self.configure({})

    def configure(self, settings: Mapping[str, object]) -> None:
        """Write its configuration: `settings`, and what keeps it within its directory."""
        own = {
            "daemon.pidfile": self.pidfile,
            "daemon.control": self.directory / "control.sock",
            "log.directory": self.directory / "log",
            "dictionary.file": self.dictionary,
            "dictionary.index": self.index,
        }
        lines = [f"{key} = {json.dumps(value, default=str)}\n" for key, value in {**own, **settings}.items()]
        self.config.write_text("".join(lines), encoding="utf-8")

    def bind(self, *services: str) -> None:
        """Make the sockets of these services (all that are on when none is named), on a free port each."""
        for service in services or SERVICES:
            sock = socket.socket(socket.AF_INET, KINDS[service])
            sock.bind(("127.0.0.1", 0))
            if KINDS[service] == socket.SOCK_STREAM:
                sock.listen(1024)
            self.hand_over(service, sock)

    def hand_over(self, name: str, sock: socket.socket) -> None:
        """Have a socket passed under `name`, after those before; it is closed with the rest."""
        self._sockets[name] = sock

    def address(self, service: str) -> tuple[str, int]:
        """Where the service answers, on a socket that it was passed."""
        host, port = self._sockets[service].getsockname()
        return host, port

    def bound(self) -> list[tuple[str, int]]:
        """Return the addresses that it has bound itself: TCP echo, UDP echo, dictionary, chat."""
        self.said("ready: ")
        told = [line.rpartition(" ")[2] for line in self.log() if line.startswith("bind socket success ")]
        return [(host.strip("[]"), int(port)) for host, _, port in (text.rpartition(":") for text in told)]

    def spawn(self, *options: str, **environment: str | None) -> subprocess.Popen[bytes]:
        """Start it with the sockets made so far, and wait for nothing. None takes a variable away."""
        descriptors = [(name, sock.fileno()) for name, sock in self._sockets.items()] + self.manager.stored
        passed = ",".join(f"{name}={descriptor}" for name, descriptor in descriptors)
        activate = [sys.executable, str(Path(__file__).with_name("activate.py")), passed]
        variables = os.environ | {"NOTIFY_SOCKET": self.manager.address} | environment
        self.process = subprocess.Popen(
            [*(activate if passed else []), *self._program, "--config", str(self.config), *options],
            env={name: value for name, value in variables.items() if value is not None},
            cwd=self.directory,
            pass_fds=[descriptor for _, descriptor in descriptors],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._stderr.fileno(),
        )
        return self.process

    def output(self, *options: str) -> str:
        """Run it beside with these options and the sockets made so far, and return what it prints."""
        descriptors = [(name, sock.fileno()) for name, sock in self._sockets.items()]
        passed = ",".join(f"{name}={descriptor}" for name, descriptor in descriptors)
        activate = [sys.executable, str(Path(__file__).with_name("activate.py")), passed]
        return subprocess.run(
            [*(activate if passed else []), *self._program, "--config", str(self.config), *options],
            cwd=self.directory,
            pass_fds=[descriptor for _, descriptor in descriptors],
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE,
        ).stdout

    def start(self, *options: str, **environment: str | None) -> Self:
        """Start it in the foreground, with all its sockets if it has none, and wait until it serves."""
        if not self._sockets and not any(".listen=" in option for option in options):
            self.bind()
        self.spawn("--foreground", *options, **environment)
        self.manager.wait_for("READY=1", PATIENCE)
        return self

    def detach(self, *options: str, **environment: str | None) -> int:
        """Start it as a daemon; returns its pid when the starter says that it serves."""
        starter = self.spawn(*options, **environment)
        assert starter.wait(PATIENCE) == 0, self.stderr()
        self._detached = int(self.pidfile.read_text())
        return self._detached

    def end(self) -> str:
        """Stop the detached daemon, wait for its end, and return the last line of its log."""
        os.kill(self._detached, signal.SIGTERM)
        wait_for_end(self._detached)
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

    def said(self, text: str) -> str:
        """Wait, in the foreground, for the next line with `text`, which is in its file by then."""
        return self._stderr.wait_for(text)

    def stderr(self) -> str:
        """Return all that it or its starter wrote to stderr until it ended."""
        self.wait()
        return self._stderr.rest()

    def close(self) -> None:
        """End whatever still runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self._detached:
            with suppress(ProcessLookupError):
                os.kill(self._detached, signal.SIGKILL)
        for sock in self._sockets.values():
            sock.close()
        self._stderr.rest()
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


class Lines:
    """A pipe to write to, and its lines as they come."""

    def __init__(self) -> None:
        reader, self._writer = os.pipe()
        self._lines: list[str] = []
        self._heard = 0  # lines that `wait_for` has gone past
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._collect, args=(reader,), name="stderr", daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        """The end to write to."""
        return self._writer

    def wait_for(self, text: str) -> str:
        """The next line that has `text` in it; the one after it is looked for next time."""
        with self._news:
            if not self._news.wait_for(lambda: self._find(text) is not None, PATIENCE):
                raise AssertionError(f"no {text!r} in {PATIENCE} s; heard: {self._lines[self._heard :]}")
            found = self._find(text)
            assert found is not None
            self._heard = found + 1
            return self._lines[found]

    def rest(self) -> str:
        """Close the pipe and return everything that came, up to the end of the last writer."""
        if self._writer >= 0:
            os.close(self._writer)
            self._writer = -1
            self._thread.join(PATIENCE)
        return "".join(self._lines)

    def _find(self, text: str) -> int | None:
        """The place of the first line with `text` that was not waited for yet."""
        places = range(self._heard, len(self._lines))
        return next((place for place in places if text in self._lines[place]), None)

    def _collect(self, reader: int) -> None:
        """Take lines until the last writer has closed its end."""
        with os.fdopen(reader, encoding="utf-8") as pipe:
            for line in pipe:
                with self._news:
                    self._lines.append(line)
                    self._news.notify_all()


def wait_for_end(pid: int) -> None:
    """Wait until a process that need not be our child has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended, _, _ = select.select([descriptor], [], [], PATIENCE)
    os.close(descriptor)
    assert ended, f"process {pid} does not end"


def client(address: tuple[str, int], kind: int = socket.SOCK_DGRAM, source: str = "") -> socket.socket:
    """A connected client socket that does not wait for ever."""
    sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, kind)
    sock.settimeout(PATIENCE)
    sock.bind((source, 0))
    sock.connect(address)
    return sock


def ask(address: tuple[str, int], query: bytes, source: str = "") -> bytes:
    """One question, one answer."""
    with client(address, source=source) as sock:
        sock.send(query)
        return sock.recv(65536)


def run_netechod(*arguments: str, timeout: float = PATIENCE) -> subprocess.CompletedProcess[str]:
    """The program, to its end."""
    return subprocess.run(
        [*NETECHOD, *arguments], capture_output=True, text=True, timeout=timeout, check=False
    )
