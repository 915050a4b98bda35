"""Speaks to the service manager: reports our state (sd_notify(3)), takes sockets (sd_listen_fds(3)).

libsystemd does not send the messages, because it waits as long as the manager does not read, and the loop
must never wait. The sockets are taken once, before there is a loop, so libsystemd does that if it is
installed.
"""

import os
import select
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from netechod.errors import SocketError
from netechod.reactor.loop import Loop, Timer
from netechod.services.wire import escape_controls

FDS_PER_MESSAGE = 200  # the kernel passes at most 253 at once (SCM_MAX_FD, unix(7))
PATIENCE = 5.0  # seconds of loading after which we ask the service manager for more time
RETRY = 1.0  # seconds after which an important message is sent again to a manager that did not read
MAX_UNSENT = 16  # such messages that wait; if there are more, the oldest are dropped
BARRIER_TIMEOUT = 5.0  # seconds to wait for a manager that does not read; sd_notify_barrier(3) has the same

LISTEN_FDS_START = 3
"""The number of the first passed descriptor (sd_listen_fds(3))."""

_LISTEN_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")

Sender: TypeAlias = Callable[[str, str, Sequence[int], float], None]
"""Sends to an address (from $NOTIFY_SOCKET) a message and descriptors, within a number of seconds.

Raises OSError; TimeoutError or BlockingIOError if the manager has not read earlier messages.
"""

Lister: TypeAlias = Callable[[], dict[int, str]]
"""Makes the passed descriptors close-on-exec and returns their names. Raises OSError or ValueError."""


class Notifier:
    """Reports our state to the service manager. Without a manager it does nothing. It never fails.

    A manager that does not read misses the message. The important ones, about start, reload and stop, are
    sent again as soon as there is a loop (`retry_on`). Only `store` and `barrier`, at the end, wait for the
    manager, for a limited time.

    The variables are read once and removed from the environment, so that no child process uses them.
    """

    def __init__(self, sender: Sender | None = None) -> None:
        self._address = os.environ.pop("NOTIFY_SOCKET", "")
        self._watchdog_interval = _watchdog_interval(
            os.environ.pop("WATCHDOG_USEC", ""), os.environ.pop("WATCHDOG_PID", "")
        )
        # The number of descriptors that the manager stores for us.
        self.keeps = _number(os.environ.pop("FDSTORE", ""))
        self._send = sender or send_datagram
        self._loop: Loop | None = None
        self._unsent: list[str] = []  # important messages that wait, in order
        self._timer: Timer | None = None  # when they are sent again

    def retry_on(self, loop: Loop) -> None:
        """From now on, send important messages again on this loop until the manager takes them."""
        self._loop = loop
        self._retry_later()

    @property
    def watchdog_interval(self) -> float | None:
        """Seconds between two calls of `feed_watchdog`, half of the allowed time; None without a watchdog."""
        return self._watchdog_interval

    def ready(self, status: str) -> None:
        """Report that we serve: after the start, and after each reload, also a failed one."""
        self._insist(f"READY=1\n{_status(status)}")

    def reloading(self) -> None:
        """Report that a reload begins, and when (for Type=notify-reload). `ready` has to follow."""
        self._insist(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def status(self, text: str) -> None:
        """Set the line that `systemctl status` shows."""
        self._tell(_status(text))

    def stopping(self, status: str) -> None:
        """Report that we stop. TimeoutStopSec= begins."""
        self._insist(f"STOPPING=1\n{_status(status)}")

    def feed_watchdog(self) -> None:
        """Report that the loop runs."""
        self._tell("WATCHDOG=1")

    def extend_timeout(self, seconds: float) -> None:
        """Ask for `seconds` more, from now, for the current start, reload or stop."""
        self._tell(f"EXTEND_TIMEOUT_USEC={round(seconds * 1_000_000)}")

    def store(self, name: str, fds: Sequence[int]) -> int:
        """Have the manager keep descriptors for the next process, which gets them under `name`.

        Returns how many it has taken, from the first on. Waits at most BARRIER_TIMEOUT.
        """
        end = time.monotonic() + BARRIER_TIMEOUT
        for start in range(0, len(fds), FDS_PER_MESSAGE):
            some = fds[start : start + FDS_PER_MESSAGE]
            if not self._tell(f"FDSTORE=1\nFDNAME={name}", some, max(0.0, end - time.monotonic())):
                return start
        return len(fds)

    def take_back(self, name: str) -> None:
        """Have the manager close its copies of the descriptors that we have inherited."""
        self._insist(f"FDSTOREREMOVE=1\nFDNAME={name}")

    def barrier(self) -> None:
        """Wait until the manager has read all messages. It ignores those of processes that have ended."""
        reader, writer = os.pipe()
        sent = self._tell("BARRIER=1", [writer], BARRIER_TIMEOUT)
        os.close(writer)
        if sent:
            poll = select.poll()
            poll.register(reader, 0)  # POLLHUP, at the close of the manager's end, is always reported
            poll.poll(BARRIER_TIMEOUT * 1000)
        os.close(reader)

    def _tell(self, message: str, fds: Sequence[int] = (), patience: float = 0.0) -> bool:
        """Send a message. Returns False if there is no manager, or if it does not take the message."""
        if not self._address:
            return False
        try:
            self._send(self._address, message, fds, patience)
        except OSError:
            return False
        return True

    def _insist(self, message: str) -> None:
        """Send an important message, after those that wait already."""
        if self._address:
            self._unsent.append(message)
            self._flush()

    def _flush(self) -> None:
        """Send the waiting messages in order, until one is not taken."""
        while self._unsent and self._tell(self._unsent[0]):
            del self._unsent[0]
        del self._unsent[:-MAX_UNSENT]
        self._retry_later()

    def _retry_later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._unsent and self._loop is not None:
            self._timer = self._loop.call_at(self._loop.now + RETRY, self._flush)


@contextmanager
def extended(notifier: Notifier, loop: Loop) -> Iterator[None]:
    """During the block, ask the service manager for more time every PATIENCE seconds."""

    lasts = True

    def ask() -> None:
        if lasts:
            notifier.extend_timeout(2 * PATIENCE)
            loop.call_at(loop.now + PATIENCE, ask)

    loop.call_at(loop.now + PATIENCE, ask)
    try:
        yield
    finally:
        lasts = False


def send_datagram(address: str, message: str, fds: Sequence[int] = (), patience: float = 0.0) -> None:
    """Send one message as sd_notify(3) does. A leading `@` is the abstract namespace of unix(7).

    Waits at most `patience` seconds while the manager's socket is full, then raises OSError.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.settimeout(patience)
        sock.connect("\0" + address[1:] if address.startswith("@") else address)
        if fds:
            socket.send_fds(sock, [message.encode()], list(fds))
        else:
            sock.send(message.encode())


def listen_fds(lister: Lister | None = None) -> dict[str, list[int]]:
    """Return the sockets that systemd has opened for us, by FileDescriptorName=. Their order is not fixed.

    Call it before any fork, because they are passed to one pid. It removes their variables from the
    environment. `lister` replaces the choice between libsystemd and `listed_in_environment`.
    """
    list_all = lister or _libsystemd_lister() or listed_in_environment
    named: dict[str, list[int]] = {}
    try:
        for fd, name in list_all().items():
            named.setdefault(name, []).append(fd)
    except (OSError, ValueError) as error:
        raise SocketError(f"cannot take the sockets that LISTEN_FDS promises: {error}", 2) from error
    finally:
        for variable in _LISTEN_VARIABLES:
            os.environ.pop(variable, None)
    return named


def taker() -> str:
    """Return who takes passed sockets, for the log."""
    if _libsystemd_lister() is not None:
        return "libsystemd"
    return "netechod itself, because systemd-python is not installed"


def listed_in_environment() -> dict[int, str]:
    """Read the environment as sd_listen_fds_with_names(3) does."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return {}
    count = int(os.environ.get("LISTEN_FDS", "0"))
    listed = os.environ.get("LISTEN_FDNAMES")
    names = ["unknown"] * count if listed is None else listed.split(":")
    found = dict(zip(range(LISTEN_FDS_START, LISTEN_FDS_START + count), names, strict=True))
    for fd in found:
        os.set_inheritable(fd, False)
    return found


def _libsystemd_lister() -> Lister | None:
    """Return sd_listen_fds_with_names(3); None if the binding is not installed."""
    try:
        from systemd import daemon
    except (ImportError, OSError):
        return None
    listed: Lister = daemon.listen_fds_with_names
    return listed


def _watchdog_interval(allowed: str, pid: str) -> float | None:
    """Return half of the microseconds `allowed`, in seconds; None if another process than us is watched."""
    if pid not in ("", str(os.getpid())) or not _number(allowed):
        return None
    return _number(allowed) / 2 / 1_000_000


def _number(text: str) -> int:
    """Return a number from the environment; 0 if the text is none."""
    return int(text) if text.isdecimal() else 0


def _status(text: str) -> str:
    """Return the assignment for a line of free text. Control characters are escaped, so it stays one line."""
    return f"STATUS={escape_controls(text)}"
