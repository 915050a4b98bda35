"""Starts of which one call fails: each serves, or ends with a reason and a status that is documented."""

import fcntl
import os
import random
import select
import signal
import socket
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.daemon import NETECHOD, PATIENCE, SERVICES, Daemon, wait_for_end

from torture.strace import INJECTED, Fault, calls, started

STATUSES = {1, 2, 3, 4, 5, 75, 77, 78}  # netechod(8), EXIT STATUS
Address = tuple[str, int]
ROUND = 0.2  # seconds after which a question is asked again

# An error that each call can have. What is not here cannot fail, or is the interpreter's: memory, threads.
ERRORS = {
    "accept4": "ECONNABORTED", "bind": "EADDRINUSE", "chdir": "EACCES", "chmod": "EPERM", "clone": "EAGAIN",
    "clone3": "EAGAIN", "close": "EIO", "connect": "ECONNREFUSED", "dup2": "EBUSY", "epoll_create1": "EMFILE",
    "epoll_ctl": "ENOMEM", "fchmod": "EPERM", "fcntl": "EMFILE", "flock": "ENOLCK", "fork": "EAGAIN",
    "fstat": "EIO", "ftruncate": "ENOSPC", "getdents64": "EIO", "getsockname": "ENOBUFS",
    "getsockopt": "ENOBUFS", "ioctl": "ENOTTY", "listen": "EADDRINUSE", "lseek": "ESPIPE", "mkdir": "EACCES",
    "newfstatat": "EACCES", "open": "EMFILE", "openat": "EMFILE", "pipe2": "EMFILE", "poll": "ENOMEM",
    "pread64": "EIO", "prlimit64": "EPERM", "pwrite64": "ENOSPC", "read": "EIO", "readlink": "EIO",
    "recvmmsg": "ENOMEM", "rename": "EIO", "sendmmsg": "ENOBUFS", "sendmsg": "ECONNREFUSED",
    "sendto": "ECONNREFUSED", "setsid": "EPERM", "setsockopt": "ENOBUFS", "socket": "EMFILE",
    "stat": "EACCES", "statx": "EACCES", "unlink": "EACCES", "vfork": "EAGAIN", "write": "ENOSPC",
}  # fmt: skip


ON_FILES = {"close", "read", "write"}  # the same with a pipe or a socket cannot fail like that


@dataclass(frozen=True)
class Way:
    """A way to start."""

    name: str
    options: tuple[str, ...]


WAYS = (Way("in the foreground", ("--foreground",)), Way("as a daemon", ()))


@dataclass(frozen=True)
class Start:
    """The start whose k-th call fails."""

    way: Way
    k: int
    fault: Fault

    def __str__(self) -> str:
        return f"start {self.way.name}, call {self.k}: {self.fault}"


class Trial:
    """One start on addresses and files of its own."""

    def __init__(self, daemon: Daemon, way: Way) -> None:
        self.daemon = daemon
        self.way = way
        self.addresses = dict(zip(SERVICES, free_addresses(), strict=True))
        settings = {
            f"{SERVICES[name][0]}.listen": f"{host}:{port}" for name, (host, port) in self.addresses.items()
        }
        settings["daemon.strict_start"] = (
            "true"  # else a service without its port would come some seconds later
        )
        self.options = [word for item in settings.items() for word in ("--set", "=".join(item))]

    def run(self) -> str:
        """Start, ask, stop; returns how it went, or raises AssertionError."""
        daemon = self.daemon
        process = daemon.spawn(*self.way.options, *self.options)
        ended = os.pidfd_open(process.pid)
        try:
            served = self._is_answered(ended)
        finally:
            os.close(ended)
        if served:
            self._stop()
        told = daemon.stderr()
        assert "Traceback" not in told + self._logs(), told + self._logs()
        if served:
            return "serves"
        status = daemon.wait()
        assert status in STATUSES, f"exit status {status}: {told}"
        assert "error: " in told, f"exit status {status} without a reason: {told!r}"
        assert not self._is_locked(), "it says that it has ended, but holds its pidfile"
        return f"ends with {status}: {told.splitlines()[0]}"

    def _is_answered(self, ended: int) -> bool:
        """Wait until a look-up is answered or it has ended, and return whether it serves."""
        watched: list[int] = [ended]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((self.addresses["dictionary"][0], 0))
            for _ in range(round(PATIENCE / ROUND)):
                sock.sendto(b"apple", self.addresses["dictionary"])
                ready, _, _ = select.select([sock.fileno(), *watched], [], [], ROUND)
                if sock.fileno() in ready:
                    return sock.recv(64).decode() == "苹果"
                if ready:
                    if self.daemon.wait() != 0:
                        return False
                    watched.clear()  # the starter says that the daemon serves
        raise AssertionError("it neither serves nor ends")

    def _stop(self) -> None:
        """Have everything answered, then have it stop."""
        host, _ = self.addresses["chat"]
        with socket.socket() as stream, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            for sock in (stream, datagrams):
                sock.settimeout(PATIENCE)
                sock.bind((host, 0))
            stream.connect(self.addresses["echo-tcp"])
            stream.sendall(b"echo")
            assert stream.recv(64) == b"echo"
            datagrams.sendto(b"echo", self.addresses["echo-udp"])
            assert datagrams.recv(64) == b"echo"
            datagrams.sendto(b"online", self.addresses["chat"])
            assert datagrams.recv(64).endswith(b"#online")
        if self.way.options:
            status = self.daemon.stop()
            assert status == 0, f"it served, and ended with {status}: {self.daemon.stderr()}"
            return
        pid = int(self.daemon.pidfile.read_text())
        os.kill(pid, signal.SIGTERM)
        wait_for_end(pid)

    def _is_locked(self) -> bool:
        """Return whether a process still holds the pidfile."""
        if not self.daemon.pidfile.exists():
            return False
        with self.daemon.pidfile.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    def _logs(self) -> str:
        files = sorted((self.daemon.directory / "log").glob("log.*"))
        return "".join(file.read_text(encoding="utf-8") for file in files)


def free_addresses() -> Iterator[Address]:
    """A free address for each service, on a loopback host that nobody else uses: it stays free."""
    host = "127.{}.{}.{}".format(*random.SystemRandom().choices(range(1, 255), k=3))
    for _, kind in SERVICES.values():
        with socket.socket(socket.AF_INET, kind) as sock:
            sock.bind((host, 0))
            yield sock.getsockname()


@contextmanager
def trial(way: Way, fault: Fault | None = None) -> Iterator[tuple[Trial, Path]]:
    """A start under strace in a directory of its own, and the trace that it will leave."""
    with tempfile.TemporaryDirectory(prefix="netechod-torture-") as name:
        trace = Path(name) / "trace"
        # Of a directory that changes meanwhile Python reads the listing again: it gets none of our files.
        home = Path(name) / "home"
        home.mkdir()
        options = fault.options(home) if fault else []
        with Daemon(home, program=[*started(trace, *options), *NETECHOD]) as daemon:
            yield Trial(daemon, way), trace


def starts_of(way: Way) -> list[Start]:
    """The starts whose k-th call fails, for every k: of the calls that a start makes when all goes well.

    strace counts in each process anew: a call of the daemon whose number the starter's interpreter has had
    already, would fail there, and is left out.
    """
    with trial(way) as (faultless, trace):
        how = faultless.run()
        assert how == "serves", how
        home = faultless.daemon.directory
        counts: Counter[tuple[int, str, str]] = Counter()
        faults: dict[Fault, bool] = {}
        begun = False
        for call in calls(trace):
            if begun and call.name == "epoll_wait":
                break
            # A write that is not to this file may be the bell of the signals, which cannot fail.
            path = call.file.removeprefix(f"{home}/") if call.name == "write" else ""
            counts[call.process, call.name, path] += 1
            if call.name in ERRORS and (call.file or call.name not in ON_FILES):
                number = str(counts[call.process, call.name, path])
                faults.setdefault(Fault(call.name, ERRORS[call.name], number, path), begun)
            begun = begun or f'"{faultless.daemon.config}"' in call.text
    chosen = [fault for fault, ours in faults.items() if ours]
    return [Start(way, k, fault) for k, fault in enumerate(chosen, 1)]


def attempt(start: Start) -> str:
    """How that start goes, in words. Raises AssertionError when it goes as no start may."""
    with trial(start.way, start.fault) as (failing, trace):
        how = failing.run()
        failed = trace.read_text(errors="replace").count(INJECTED)
    return f"{how} ({failed} failed)" if failed else f"{how} (the call was not reached)"
