"""A server under test as a process, with the bench as its service manager: the bench hands it its sockets.

So there is no port to agree on and no readiness to poll for: a question sent before the start waits in the
socket, and its answer says that the server serves.

The tests and the soak start netechod with `tests/support/daemon.py`. The bench cannot: its peers are other
programs, which know no sd_notify(3) and no configuration, and each server runs on a CPU of its own.
"""

import ctypes
import fcntl
import os
import random
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

PATIENCE = 30.0  # seconds without an answer after which a server is taken to be dead
RETRY = 0.02  # seconds between two tries to connect to a program that opens its own socket
PR_SET_PDEATHSIG = 1  # prctl(2)
LISTEN_FDS_START = 3  # sd_listen_fds(3)
BACKLOG = 1024
PORTS = (16384, 32768)  # below those that the kernel gives to clients (ip(7), ip_local_port_range)
TRIES = 100

Address = tuple[str, int]

KINDS = {
    "echo-tcp": socket.SOCK_STREAM,
    "echo-udp": socket.SOCK_DGRAM,
    "dictionary": socket.SOCK_DGRAM,
    "dict": socket.SOCK_STREAM,
    "chat": socket.SOCK_DGRAM,
    "command": socket.SOCK_DGRAM,
    "stamp": socket.SOCK_DGRAM,
}

_libc = ctypes.CDLL(None, use_errno=True)


class ServerError(Exception):
    """A server did not start, answer or survive; the text says how."""


def die_with_parent() -> None:
    """In a child, before it becomes another program: it shall not outlive us."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Server:
    """One process on one CPU, and the sockets of the services that it is to serve.

    A command with `PORT` in it is of a program that can only open its own socket.
    """

    def __init__(self, command: Sequence[str], services: Sequence[str], home: Path, cpu: int | None) -> None:
        self._errors = home / "stderr"
        self._cpu = cpu
        self._sockets = {service: _bind(KINDS[service]) for service in services}
        self._process: subprocess.Popen[bytes] | None = None
        self._clock = 0
        self._manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify = str(home / "notify")
        self._manager.bind(self._notify)
        self.addresses: Mapping[str, Address] = {
            service: sock.getsockname() for service, sock in self._sockets.items()
        }
        port = str(next(iter(self.addresses.values()))[1])
        self._command = [word.replace("PORT", port) for word in command]
        self._opens = self._command != list(command)
        if self._opens:
            self._close_sockets()
            self._sockets.clear()

    @property
    def pid(self) -> int:
        """Its process id, once started."""
        assert self._process is not None  # noqa: S101 (for the type checker)
        return self._process.pid

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
        die_with_parent()
        if self._cpu is not None:
            os.sched_setaffinity(0, {self._cpu})
        moved = [fcntl.fcntl(sock, fcntl.F_DUPFD_CLOEXEC, 100) for sock in self._sockets.values()]
        for target, fd in enumerate(moved, LISTEN_FDS_START):
            os.dup2(fd, target, inheritable=True)
        os.environ.update(
            LISTEN_PID=str(os.getpid()),
            LISTEN_FDS=str(len(moved)),
            LISTEN_FDNAMES=":".join(self._sockets),
            NOTIFY_SOCKET=self._notify,
        )

    def wait_until_ready(self, patience: float = PATIENCE) -> None:
        """Wait until it says that it is, as sd_notify(3) has it, or is again."""
        self._manager.settimeout(patience)
        try:
            while b"READY=1" not in self._manager.recv(4096):
                pass
        except TimeoutError as error:
            raise self.failure(error) from error

    def wait_for_answer(self, service: str) -> None:
        """Wait until it answers a question to that service. A datagram that is asked early waits for it."""
        kind = KINDS[service]
        with socket.socket(socket.AF_INET, kind) as sock:
            limit = struct.pack("@ll", int(PATIENCE), 0)  # a time-out that costs no extra system call
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
            try:
                while sock.connect_ex(self.addresses[service]) and self._opens and self._waited():
                    pass
                sock.send(b"ready?")
                if not sock.recv(2048):
                    raise self.failure("it hung up")
            except OSError as error:
                raise self.failure(error) from error

    def _waited(self) -> bool:
        """Wait a moment for a program that opens its own socket; False when it has ended instead."""
        assert self._process is not None  # noqa: S101 (for the type checker)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(RETRY)
        return self._process.returncode is None

    def cpu_seconds(self) -> float:
        """CPU time that it has used, user and system (clock_getcpuclockid(3): finer than /proc's ticks)."""
        return time.clock_gettime(self._clock)

    def memory(self) -> int:
        """Bytes of memory that it has made itself: anonymous PSS, proc_pid_smaps_rollup(5).

        The whole PSS would not do: the pages of python and its libraries count the less in it the more
        processes run them, and so it changes when somebody else starts or ends one.
        """
        return self._kibibytes("smaps_rollup", "Pss_Anon:") * 1024

    def anonymous(self) -> int:
        """About the same, and it may be asked often: the server is not stopped to count it (RssAnon)."""
        return self._kibibytes("status", "RssAnon:") * 1024

    def resident(self) -> int:
        """Bytes of memory that it has in all, libraries included: VmRSS, proc_pid_status(5)."""
        return self._kibibytes("status", "VmRSS:") * 1024

    def _kibibytes(self, file: str, label: str) -> int:
        text = Path(f"/proc/{self.pid}/{file}").read_text(encoding="ascii", errors="replace")
        return int(next(line.split()[1] for line in text.splitlines() if line.startswith(label)))

    def failure(self, what: object) -> ServerError:
        """Return a client's error together with the last line that the server has written on stderr."""
        lines = self._errors.read_text(encoding="utf-8", errors="replace").splitlines()
        if isinstance(what, BlockingIOError | TimeoutError) and what.errno is None:
            what = str(what) or f"no answer within {PATIENCE:g} seconds"
        elif isinstance(what, BlockingIOError):  # how the kernel says that a time limit is over (socket(7))
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
        self._manager.close()
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _bind(kind: socket.SocketKind) -> socket.socket:
    """A socket on a free port, with the options that a socket unit gives it.

    No client gets that port from the kernel, on whichever address: the daemon answers no port of its own.
    """
    sock = socket.socket(socket.AF_INET, kind)
    if kind == socket.SOCK_STREAM:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for _ in range(TRIES):
        with suppress(OSError):
            sock.bind(("127.0.0.1", random.randrange(*PORTS)))  # noqa: S311 (any of them will do)
            break
    if kind == socket.SOCK_STREAM:
        sock.listen(BACKLOG)
    return sock
