"""The service manager's protocol: sd_notify(3) to say how we are, sd_listen_fds(3) to take its sockets.

Messages are sent here and not by libsystemd, which waits as long as the manager does not read: the loop must
never wait for anybody. Sockets are taken once, before there is a loop, and libsystemd does that where it is.
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
PATIENCE = 5.0  # seconds of loading after which the service manager is asked for more time
RETRY = 1.0  # seconds after which a message that must arrive is sent again to a manager that did not read
MAX_UNSENT = 16  # such messages; of more the oldest are dropped
BARRIER_TIMEOUT = 5.0  # seconds to wait for a manager that does not read; sd_notify_barrier(3) has the same

LISTEN_FDS_START = 3
"""The first of the descriptors that are passed (sd_listen_fds(3))."""

_LISTEN_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")

Sender: TypeAlias = Callable[[str, str, Sequence[int], float], None]
"""Sends a message, and descriptors with it, to the address that $NOTIFY_SOCKET had, within so many seconds.

Raises OSError; TimeoutError or BlockingIOError when the manager has not read what was sent before.
"""

Lister: TypeAlias = Callable[[], dict[int, str]]
"""Makes the passed descriptors close-on-exec and names them; raises OSError or ValueError for nonsense."""


class Notifier:
    """Tells the service manager how we are; without one it does nothing, and nothing that it does can fail.

    No message waits for a manager that does not read, except at the very end, where `store` and `barrier` do,
    for a bounded time. Such a manager misses the message; what it must know, how a start, reload or stop
    goes, is sent again once there is a loop (`retry_on`).

    The variables are read once and leave the environment, so that no child speaks to the manager for us.
    """

    def __init__(self, sender: Sender | None = None) -> None:
        self._address = os.environ.pop("NOTIFY_SOCKET", "")
        self._watchdog_interval = _watchdog_interval(
            os.environ.pop("WATCHDOG_USEC", ""), os.environ.pop("WATCHDOG_PID", "")
        )
        self.keeps = _number(os.environ.pop("FDSTORE", ""))  # descriptors that it stores for us, 0 for none
        self._send = sender or send_datagram
        self._loop: Loop | None = None
        self._unsent: list[str] = []  # messages that must arrive, in order
        self._timer: Timer | None = None  # when they are sent again

    def retry_on(self, loop: Loop) -> None:
        """From now on, send messages that must arrive again on this loop until they are taken."""
        self._loop = loop
        self._retry_later()

    @property
    def watchdog_interval(self) -> float | None:
        """Seconds between two calls of `feed_watchdog`, half of the allowed time; None without a watchdog."""
        return self._watchdog_interval

    def ready(self, status: str) -> None:
        """Everything serves, for the first time or again after a reload, also a failed one."""
        self._insist(f"READY=1\n{_status(status)}")

    def reloading(self) -> None:
        """A reload begins; `ready` has to follow. The time stamp is for Type=notify-reload (systemd 253)."""
        self._insist(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def status(self, text: str) -> None:
        """Set the line that `systemctl status` shows."""
        self._tell(_status(text))

    def stopping(self, status: str) -> None:
        """The end begins; TimeoutStopSec= runs."""
        self._insist(f"STOPPING=1\n{_status(status)}")

    def feed_watchdog(self) -> None:
        """Show that the loop turns."""
        self._tell("WATCHDOG=1")

    def extend_timeout(self, seconds: float) -> None:
        """Ask for `seconds` from now for the start, reload or stop that is under way."""
        self._tell(f"EXTEND_TIMEOUT_USEC={round(seconds * 1_000_000)}")

    def store(self, name: str, fds: Sequence[int]) -> int:
        """Have the manager keep descriptors for the process after us, which gets them passed as `name`.

        Returns how many it has taken, from the first on. Waits for it, but no longer than BARRIER_TIMEOUT.
        """
        end = time.monotonic() + BARRIER_TIMEOUT
        for start in range(0, len(fds), FDS_PER_MESSAGE):
            some = fds[start : start + FDS_PER_MESSAGE]
            if not self._tell(f"FDSTORE=1\nFDNAME={name}", some, max(0.0, end - time.monotonic())):
                return start
        return len(fds)

    def take_back(self, name: str) -> None:
        """Have the manager keep them no longer. We own the descriptors that we have inherited."""
        self._insist(f"FDSTOREREMOVE=1\nFDNAME={name}")

    def barrier(self) -> None:
        """Wait until the manager has read all that was sent: it does not know senders that have gone."""
        reader, writer = os.pipe()
        sent = self._tell("BARRIER=1", [writer], BARRIER_TIMEOUT)
        os.close(writer)
        if sent:
            poll = select.poll()
            poll.register(reader, 0)  # POLLHUP, when the manager closes its end too, needs no asking for
            poll.poll(BARRIER_TIMEOUT * 1000)
        os.close(reader)

    def _tell(self, message: str, fds: Sequence[int] = (), patience: float = 0.0) -> bool:
        """Send a message. Returns False if there is no manager, or it does not take the message."""
        if not self._address:
            return False
        try:
            self._send(self._address, message, fds, patience)
        except OSError:
            return False
        return True

    def _insist(self, message: str) -> None:
        """Send a message that must arrive, after those that wait already."""
        if self._address:
            self._unsent.append(message)
            self._flush()

    def _flush(self) -> None:
        """Send the waiting messages, in order, until one is not taken."""
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
    """While this lasts, which may be long, ask the service manager for more time again and again."""

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
    """Send one message as sd_notify(3) does; a leading `@` is the abstract namespace of unix(7).

    Waits at most `patience` seconds for a manager whose socket is full, then raises OSError.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.settimeout(patience)
        sock.connect("\0" + address[1:] if address.startswith("@") else address)
        if fds:
            socket.send_fds(sock, [message.encode()], list(fds))
        else:
            sock.send(message.encode())


def listen_fds(lister: Lister | None = None) -> dict[str, list[int]]:
    """The sockets that systemd opened for us, by FileDescriptorName=: their order changes, the names stay.

    To be called before any fork, because they are passed to one pid; afterwards the environment has no trace
    of them. `lister` replaces the choice between libsystemd and `listed_in_environment`.
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
    """sd_listen_fds_with_names(3) itself; None where the binding is not installed."""
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
    """A number out of the environment; 0 where there is none."""
    return int(text) if text.isdecimal() else 0


def _status(text: str) -> str:
    """The assignment for one line of free text: no second assignment can hide in it."""
    return f"STATUS={escape_controls(text)}"
