"""A server under test as a process, with the bench as its service manager: it is handed its sockets.

So there is no port to agree on and no readiness to poll for: a question sent before the start waits in the
socket, and its answer says that the server serves.
"""

import ctypes
import fcntl
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

PATIENCE = 5.0  # seconds without an answer after which a server is taken to be dead
PR_SET_PDEATHSIG = 1  # prctl(2)
LISTEN_FDS_START = 3  # sd_listen_fds(3)

Address = tuple[str, int]

KINDS = {
    "echo-tcp": socket.SOCK_STREAM,
    "echo-udp": socket.SOCK_DGRAM,
    "dictionary": socket.SOCK_DGRAM,
    "chat": socket.SOCK_DGRAM,
}

_libc = ctypes.CDLL(None, use_errno=True)


class ServerError(Exception):
    """A server did not start, answer or survive; the text says how."""


class Server:
    """One process on one CPU, and the sockets of the services that it is to serve."""

    def __init__(self, command: Sequence[str], services: Sequence[str], home: Path, cpu: int | None) -> None:
        self._command = command
        self._errors = home / "stderr"
        self._cpu = cpu
        self._sockets = {service: _bind(KINDS[service]) for service in services}
        self._process: subprocess.Popen[bytes] | None = None
        self._clock = 0
        self.addresses: Mapping[str, Address] = {
            service: sock.getsockname() for service, sock in self._sockets.items()
        }

    def start(self) -> Self:
        """Start it; the first answer tells when it serves."""
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                close_fds=False,  # all of ours close themselves (PEP 446), but those that are passed
                preexec_fn=self._prepare,  # safe: this process has no threads
            )
        clock = ctypes.c_int()
        if _libc.clock_getcpuclockid(self._process.pid, ctypes.byref(clock)):
            raise ServerError("its CPU clock cannot be read")
        self._clock = clock.value
        self._close_sockets()
        return self

    def _prepare(self) -> None:
        """In the child, before it becomes the server: its CPU, its sockets, and its end with ours."""
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if self._cpu is not None:
            os.sched_setaffinity(0, {self._cpu})
        moved = [fcntl.fcntl(sock, fcntl.F_DUPFD_CLOEXEC, 100) for sock in self._sockets.values()]
        for target, fd in enumerate(moved, LISTEN_FDS_START):
            os.dup2(fd, target, inheritable=True)
        os.environ.update(
            LISTEN_PID=str(os.getpid()),
            LISTEN_FDS=str(len(moved)),
            LISTEN_FDNAMES=":".join(self._sockets),
        )

    def cpu_seconds(self) -> float:
        """CPU time that it has used, user and system (clock_getcpuclockid(3): finer than /proc's ticks)."""
        return time.clock_gettime(self._clock)

    def memory(self) -> int:
        """Bytes of memory that it has made itself: anonymous PSS, proc_pid_smaps_rollup(5).

        The whole PSS would not do: the pages of python and its libraries count the less in it the more
        processes run them, and so it changes when somebody else starts or ends one.
        """
        assert self._process is not None  # noqa: S101 (for the type checker)
        rollup = Path(f"/proc/{self._process.pid}/smaps_rollup").read_text(encoding="ascii")
        kibibytes = next(line.split()[1] for line in rollup.splitlines() if line.startswith("Pss_Anon:"))
        return int(kibibytes) * 1024

    def failure(self, what: object) -> ServerError:
        """What happened to a client of it, together with the last line that it has written on stderr."""
        lines = self._errors.read_text(encoding="utf-8", errors="replace").splitlines()
        if isinstance(what, BlockingIOError):  # how the kernel says that a time limit is over (socket(7))
            what = f"no answer within {PATIENCE:g} seconds"
        elif isinstance(what, OSError):
            what = what.strerror or what
        return ServerError(f"{what}; its last words: {lines[-1] if lines else 'none'}")

    def _close_sockets(self) -> None:
        """The server alone holds them from now on: when it dies, its clients are told."""
        for sock in self._sockets.values():
            sock.close()

    def stop(self) -> None:
        """End it: in the ordinary way, else by force."""
        self._close_sockets()
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _bind(kind: socket.SocketKind) -> socket.socket:
    """A socket on a free port, with the options that a socket unit gives it."""
    sock = socket.socket(socket.AF_INET, kind)
    if kind == socket.SOCK_STREAM:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.bind(("127.0.0.1", 0))
    if kind == socket.SOCK_STREAM:
        sock.listen(1024)
    return sock
