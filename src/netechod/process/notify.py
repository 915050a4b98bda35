"""The service manager's protocol: sd_notify(3) to say how we are, sd_listen_fds(3) to take its sockets.

libsystemd speaks it, through `systemd.daemon`; but that has to be compiled where no package has it, and a
unit of Type=notify is killed for its silence. So the few lines that are needed stand here as well.
"""

import os
import select
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TypeAlias

from netechod.errors import SocketError
from netechod.reactor.loop import Loop
from netechod.services.wire import harmless

FDS_PER_MESSAGE = 200  # the kernel passes at most 253 at once (SCM_MAX_FD, unix(7))
PATIENCE = 5.0  # seconds of loading after which the service manager is asked for more time
BARRIER_TIMEOUT = 5.0  # seconds to wait for a manager that does not read; sd_notify_barrier(3) has the same

LISTEN_FDS_START = 3
"""The first of the descriptors that are passed (sd_listen_fds(3))."""

_LISTEN_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")

Sender: TypeAlias = Callable[[str, str, Sequence[int]], None]
"""Sends a message, and descriptors with it, to the address that $NOTIFY_SOCKET had; may raise OSError."""

Lister: TypeAlias = Callable[[], dict[int, str]]
"""Makes the passed descriptors close-on-exec and names them; raises OSError or ValueError for nonsense."""


class Notifier:
    """Tells the service manager how we are; without one it does nothing, and nothing that it does can fail.

    The variables are read once and leave the environment, so that no child speaks to the manager for us.
    `sender` replaces the choice between libsystemd and `send_datagram`.
    """

    def __init__(self, sender: Sender | None = None) -> None:
        self._address = os.environ.pop("NOTIFY_SOCKET", "")
        self._watchdog_interval = _watchdog_interval(
            os.environ.pop("WATCHDOG_USEC", ""), os.environ.pop("WATCHDOG_PID", "")
        )
        self.keeps = _number(os.environ.pop("FDSTORE", ""))  # descriptors that it stores for us, 0 for none
        if self._address:
            self._send = sender or _libsystemd_sender() or send_datagram

    @property
    def watchdog_interval(self) -> float | None:
        """Seconds between two calls of `feed_watchdog`, half of what is allowed; None: nobody watches."""
        return self._watchdog_interval

    def ready(self, status: str) -> None:
        """Everything serves, for the first time or again after a reload, also a failed one."""
        self._tell(f"READY=1\n{_status(status)}")

    def reloading(self) -> None:
        """A reload begins; `ready` has to follow. The time stamp is for Type=notify-reload (systemd 253)."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def status(self, text: str) -> None:
        """Say in one line what `systemctl status` shows."""
        self._tell(_status(text))

    def stopping(self, status: str) -> None:
        """The end begins; TimeoutStopSec= runs."""
        self._tell(f"STOPPING=1\n{_status(status)}")

    def feed_watchdog(self) -> None:
        """Show that the loop turns."""
        self._tell("WATCHDOG=1")

    def extend_timeout(self, seconds: float) -> None:
        """Ask for `seconds` from now for the start, reload or stop that is under way."""
        self._tell(f"EXTEND_TIMEOUT_USEC={round(seconds * 1_000_000)}")

    def store(self, name: str, fds: Sequence[int]) -> None:
        """Have the manager keep descriptors for the process after us, which gets them passed as `name`."""
        for start in range(0, len(fds), FDS_PER_MESSAGE):
            self._tell(f"FDSTORE=1\nFDNAME={name}", fds[start : start + FDS_PER_MESSAGE])

    def take_back(self, name: str) -> None:
        """Have the manager keep them no longer: what we have inherited is ours to close."""
        self._tell(f"FDSTOREREMOVE=1\nFDNAME={name}")

    def barrier(self) -> None:
        """Wait until the manager has read all that was sent: it does not know senders that have gone."""
        reader, writer = os.pipe()
        self._tell("BARRIER=1", [writer])
        os.close(writer)
        poll = select.poll()
        poll.register(reader, 0)  # POLLHUP, when the manager closes its end too, needs no asking for
        poll.poll(BARRIER_TIMEOUT * 1000)
        os.close(reader)

    def _tell(self, message: str, fds: Sequence[int] = ()) -> None:
        """Send, if there is somebody to hear it; a manager that went away is no reason to stop serving."""
        if self._address:
            with suppress(OSError):
                self._send(self._address, message, fds)


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


def send_datagram(address: str, message: str, fds: Sequence[int] = ()) -> None:
    """Send one message as sd_notify(3) does; a leading `@` is the abstract namespace of unix(7)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect("\0" + address[1:] if address.startswith("@") else address)
        if fds:
            socket.send_fds(sock, [message.encode()], list(fds))
        else:
            sock.sendall(message.encode())


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
    """What sd_listen_fds_with_names(3) finds, read from the environment by ourselves."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return {}
    count = int(os.environ.get("LISTEN_FDS", "0"))
    listed = os.environ.get("LISTEN_FDNAMES")
    names = ["unknown"] * count if listed is None else listed.split(":")
    found = dict(zip(range(LISTEN_FDS_START, LISTEN_FDS_START + count), names, strict=True))
    for fd in found:
        os.set_inheritable(fd, False)
    return found


def _libsystemd_sender() -> Sender | None:
    """sd_notify(3) itself; None where the binding is not installed."""
    try:
        from systemd import daemon
    except (ImportError, OSError):
        return None

    def send(address: str, message: str, fds: Sequence[int] = ()) -> None:
        # The library takes the address from the environment only, and removes it there again (getenv(3)'s
        # table, of which os.environ is a copy that must not know of it).
        os.putenv("NOTIFY_SOCKET", address)
        daemon.notify(message, unset_environment=True, fds=list(fds))

    return send


def _libsystemd_lister() -> Lister | None:
    """sd_listen_fds_with_names(3) itself; None where the binding is not installed."""
    try:
        from systemd import daemon
    except (ImportError, OSError):
        return None
    listed: Lister = daemon.listen_fds_with_names
    return listed


def _watchdog_interval(allowed: str, pid: str) -> float | None:
    """Half of the microseconds `allowed`, in seconds, if it is `pid`, or anybody, who is watched: us."""
    if pid not in ("", str(os.getpid())) or not _number(allowed):
        return None
    return _number(allowed) / 2 / 1_000_000


def _number(text: str) -> int:
    """A number out of the environment; 0 where there is none."""
    return int(text) if text.isdecimal() else 0


def _status(text: str) -> str:
    """The assignment for one line of free text: no second assignment can hide in it."""
    return f"STATUS={harmless(text)}"
