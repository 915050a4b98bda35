"""A throw-away machine with a real systemd as PID 1: boot it, run commands in it, talk to it.

`boot-machine`, beside this module, makes root file systems and sets the machine up. Where none can be booted,
the tests fail with a sentence; they are never skipped.
"""

import ctypes
import json
import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import SIGKILL, SIGRTMIN
from types import TracebackType
from typing import Any, Self

from support.daemon import PATIENCE, Lines
from support.notify_socket import NotifySocket

BENCH = Path(__file__).with_name("boot-machine")
ECHO, DICTIONARY, CHAT = 8080, 8081, 8082  # ports of the package
SOCKETS = tuple(f"netechod-{name}.socket" for name in ("echo-tcp", "echo-udp", "dictionary", "chat"))
BOOT = 60.0  # seconds; it takes half a second
ENDED = "ENDED=1"  # what we tell ourselves in the words of sd_notify(3)
COMMAND = 60.0  # seconds; the longest installs a package
POWER_OFF = SIGRTMIN + 4  # starts poweroff.target (systemd(1))
CLONE_NEWNET = 0x40000000  # sched.h; os.setns() came with Python 3.12

# What is in every root file system: what the package depends on, and what the tests use.
PACKAGES = ("iproute2", "logrotate", "procps", "python3", "python3-lmdb", "python3-systemd")
MORE = {"bookworm": (), "trixie": ("python3-daemon", "python3-pydantic")}

# PID 1 of a machine without systemd: takes in orphans, whose end the kernel need not tell (signal(7)).
REAPER = (
    "import os, signal, socket; signal.signal(signal.SIGCHLD, signal.SIG_IGN); "
    "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'READY=1', os.environ['NOTIFY_SOCKET']); "
    "signal.pause()"
)
NO_SYSTEMD = ("/usr/bin/python3", "-c", f"while True: exec({REAPER!r})")

ENVIRONMENT = (
    "HOME=/root", "USER=root", "LANG=C.UTF-8", "TERM=dumb",
    "SYSTEMD_PAGER=cat", "DEBIAN_FRONTEND=noninteractive",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
)  # fmt: skip


def build_root(suite: str) -> Path:
    """The root file system of a Debian suite, made when it is not there yet."""
    made = subprocess.run(
        [BENCH, "build", suite, *PACKAGES, *MORE[suite]], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, f"no machine of {suite} can be booted: {made.stderr}"
    return Path(made.stdout.strip())


def client_of(package: Path) -> Path:
    """The package of the client, beside that of the daemon."""
    return package.with_name(re.sub(r"netechod_(.*)_\w+\.deb", r"netecho_\1_all.deb", package.name))


class Machine:
    """One booted machine. `directory` is what it has as /run/host."""

    def __init__(self, root: Path, directory: Path, init: Sequence[str] = ()) -> None:
        assert os.geteuid() == 0, (
            "a machine can be booted by root only: run this as root, or -m 'not machine'"
        )
        self._directory = directory
        self._systemd = not init
        self._notify = NotifySocket(directory / "notify")
        with (directory / "console").open("w") as console:
            self._parent = subprocess.Popen(
                [BENCH, "boot", root, directory, *init],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
            )
        threading.Thread(target=self._tell_the_end, name="end of the machine", daemon=True).start()
        try:
            word = self._notify.wait_for("READY=1", BOOT)
            assert not word.endswith(ENDED), "it has ended"
        except AssertionError as error:
            self._clean_up()
            text = (directory / "console").read_text()
            raise AssertionError(f"no machine can be booted here: {error}; {BENCH} says: {text}") from None
        (self._pid,) = _children(self._parent.pid)  # PID 1, as this machine numbers it
        self._maker = ThreadPoolExecutor(1, "sockets", _enter_network_of, (self._pid,))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._maker.shutdown()
        if self._systemd:
            os.kill(self._pid, POWER_OFF)
            with suppress(subprocess.TimeoutExpired):
                self._parent.wait(PATIENCE)
        self._clean_up()

    def enter(self, *command: str) -> list[str]:
        """The command line that runs a command in the machine, as its root."""
        namespaces = ("-m", "-p", "-n", "-C", "-u", "-i", "-r", "-w")
        return ["nsenter", "-t", str(self._pid), *namespaces, "env", "-i", *ENVIRONMENT, *command]

    def attempt(self, *command: str, timeout: float = COMMAND) -> subprocess.CompletedProcess[str]:
        """Run a command in the machine to its end, which may be a failure."""
        with subprocess.Popen(
            self.enter(*command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                stdout, stderr = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                for child in _children(process.pid):  # nsenter(1) has forked and ends with it
                    os.kill(child, SIGKILL)
                raise
        return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)

    def run(self, *command: str, timeout: float = COMMAND) -> str:
        """Run a command that must succeed, and return what it prints."""
        done = self.attempt(*command, timeout=timeout)
        assert done.returncode == 0, f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    def path(self, name: str) -> Path:
        """A file of the machine, as this process can open it."""
        return Path(f"/proc/{self._pid}/root") / name.removeprefix("/")

    def open(self, kind: int) -> socket.socket:
        """A socket in the machine's network that does not wait for ever."""
        sock = self._maker.submit(socket.socket, socket.AF_INET, kind).result()
        sock.settimeout(PATIENCE)
        return sock

    def connect(self, port: int, kind: int = socket.SOCK_DGRAM) -> socket.socket:
        """A socket connected to a port of the machine."""
        sock = self.open(kind)
        try:
            sock.connect(("127.0.0.1", port))
        except OSError:
            sock.close()
            raise
        return sock

    def ask(self, question: str, port: int = DICTIONARY) -> str:
        """One datagram, and the answer to it."""
        with self.connect(port) as sock:
            sock.send(question.encode())
            return sock.recv(65536).decode()

    def show(self, name: str, unit: str = "netechod.service") -> str:
        """One property of a unit."""
        return self.run("systemctl", "show", "--value", "--property", name, unit).strip()

    def exposure(self, unit: str = "netechod.service") -> float:
        """The score of systemd-analyze(1): 0 is best, 10 is worst."""
        table = self.run("systemd-analyze", "security", "--no-pager", unit)
        score = re.search(rf"Overall exposure level for {re.escape(unit)}: (\d+\.\d+)", table)
        assert score, table
        return float(score[1])

    def install(self, package: Path) -> None:
        """Install daemon and client with dpkg(1), which wants everything that they depend on to be there."""
        self.run("dpkg", "--install", *self.bring(client_of(package), package))

    def bring(self, *packages: Path) -> list[str]:
        """Copy packages to the machine; returns their names in there."""
        for package in packages:
            shutil.copy(package, self._directory)
        return [f"/run/host/{package.name}" for package in packages]

    def write(self, name: str, text: str) -> None:
        """Write a file of the machine, as most editors do: a new file takes the place of the old one."""
        fresh = self.path(name + ".new")
        fresh.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(text, encoding="utf-8")
        fresh.chmod(0o644)
        fresh.rename(self.path(name))

    def journal(self, *matches: str) -> list[dict[str, Any]]:
        """The entries of the journal, with every field."""
        self.run("journalctl", "--sync")
        lines = self.run("journalctl", "--output=json", "--all", *matches).splitlines()
        return [json.loads(line) for line in lines]

    @contextmanager
    def listen(self, unit: str) -> Iterator[Lines]:
        """The messages that a unit, or systemd about it, writes to the journal from now on."""
        self.run("journalctl", "--sync")
        shown = self.run("journalctl", "--lines=1", "--output=json", "--output-fields=MESSAGE")
        cursor = json.loads(shown)["__CURSOR"]
        lines = Lines()
        command = (
            "journalctl",
            "--follow",
            "--no-tail",
            "--output=cat",
            "--unit",
            unit,
            "--after-cursor",
            cursor,
        )
        shell = ("sh", "-c", 'echo "$0" && exec "$@"', "listening")
        with subprocess.Popen(self.enter(*shell, *command), stdout=lines.fileno()) as follower:
            try:
                lines.wait_for("listening")
                yield lines
            finally:
                for child in _children(follower.pid):
                    os.kill(child, SIGKILL)
                follower.wait(PATIENCE)
                lines.rest()

    def _tell_the_end(self) -> None:
        """Tell whoever waits for the boot that the machine has ended."""
        self._parent.wait()
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(f"READY=1\n{ENDED}".encode(), self._notify.address)

    def _clean_up(self) -> None:
        """End the machine whatever state it is in; nothing of it stays."""
        for child in _children(self._parent.pid):
            os.kill(child, SIGKILL)  # the end of PID 1 is everybody's in there (pid_namespaces(7))
        self._parent.wait(PATIENCE)
        self._notify.close()
        group = self._directory / "cgroup"
        for directory, _, _ in os.walk(group.read_text().strip(), topdown=False) if group.exists() else ():
            Path(directory).rmdir()


def _children(pid: int) -> list[int]:
    """The processes that a process has started and not waited for."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in children.read_text().split()] if children.exists() else []


def _enter_network_of(pid: int) -> None:
    """Take this thread, and no other, into the network of a process (setns(2))."""
    namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(namespace, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "the network of the machine cannot be entered")
    finally:
        os.close(namespace)


Boot = Callable[
    ..., Machine
]  # a fixture that boots a machine, with systemd or with the PID 1 that it is given
