"""Detaches from the terminal. The starter waits for the result of the start and exits with its status.

By itself `daemon.DaemonContext` ends the starter with status 0 at the first fork, before anything is known to
work. daemon(7), step 14 asks for the opposite. So we fork once more before it, with a pipe: the starter reads
the daemon's message from the pipe, prints it and exits with its status.
"""

import os
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import NoReturn

from daemon import DaemonContext
from daemon.daemon import DaemonError

from netechod.errors import NetechodError, PermissionRefusedError
from netechod.process.unix.pidfile import Pidfile

UMASK = 0o027
PIPE_BUF = 4095  # bytes of text that reach the starter in one write (pipe(7))


class Readiness:
    """The daemon's end of the pipe to its starter. Without a starter it does nothing."""

    def __init__(self, fd: int | None = None) -> None:
        self._fd = fd

    def ready(self, complaints: str = "") -> None:
        """Report that the daemon serves. The starter prints `complaints` and exits with 0."""
        self._tell(0, complaints)

    def failed(self, exit_code: int, reason: str) -> bool:
        """Report a failed start. The starter prints the reason and exits with the code. False: no starter."""
        return self._tell(exit_code, reason)

    def _tell(self, exit_code: int, text: str) -> bool:
        if self._fd is None:
            return False
        with suppress(BrokenPipeError):  # the starter has been killed
            os.write(self._fd, bytes([exit_code]) + text.encode(errors="backslashreplace")[:PIPE_BUF])
        os.close(self._fd)
        self._fd = None
        return True


def ensure_stdio() -> None:
    """Open closed descriptors of 0 to 2 on /dev/null. Otherwise sockets would get these numbers."""
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # open(2) takes the lowest free number, which is `fd`
        if getattr(sys, name) is None:
            setattr(sys, name, open(fd, "r" if fd == 0 else "w", encoding="utf-8"))  # noqa: PTH123, SIM115


def outlive_terminal() -> None:
    """Ignore the signals by which a terminal stops a background process that reads or writes."""
    for number in (signal.SIGTTIN, signal.SIGTTOU):
        signal.signal(number, signal.SIG_IGN)


def settle_in() -> None:
    """Move to `/`, so that no file system stays busy, and set the umask. For a daemon in the foreground."""
    os.chdir("/")
    os.umask(UMASK)


def detach(keep: Iterable[int], pidfile: Pidfile | None) -> Readiness:
    """Become a daemon. Returns in the daemon; the starter waits in this function and exits.

    Double fork, setsid, working directory `/`, stdio on /dev/null, `UMASK`, no core dumps. All descriptors
    but `keep` are closed. The pidfile, if there is one, is written. Signal handlers stay as they are.
    """
    signal.signal(signal.SIGTSTP, signal.SIG_IGN)  # as daemonize(1) does: ^Z must not stop a start half-way
    try:
        reader, writer = os.pipe()
        starter = os.fork()
    except OSError as error:
        raise NetechodError(f"cannot detach: {error.strerror}") from error
    if starter:
        os.close(writer)
        _wait_for(reader)
    os.close(reader)
    context = DaemonContext(
        detach_process=True,  # the default guesses whether init started us, and fails in containers
        files_preserve=[*keep, *([pidfile.fileno()] if pidfile else []), writer],
        working_directory="/",
        umask=UMASK,
        signal_map={},  # its default raises SystemExit at a SIGTERM, wherever the code is
        pidfile=pidfile,
    )
    try:
        context.open()
    except (DaemonError, OSError, NetechodError) as error:
        failure = error if isinstance(error, NetechodError) else _refusal(error)
        Readiness(writer).failed(failure.exit_code, str(failure))
        os._exit(failure.exit_code)
    return Readiness(writer)


def _refusal(error: Exception) -> PermissionRefusedError:
    """Describe a failure of the context, which sets user and limits. A sandbox may forbid that."""
    return PermissionRefusedError(
        f"cannot detach: {error}\n  hint: under a service manager, use --foreground"
    )


def _wait_for(reader: int) -> NoReturn:
    """As the starter, wait for the daemon's message, print it and exit with its status."""
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)  # the starter may be interrupted
    word = os.read(reader, 1 + PIPE_BUF)
    code, text = (
        (word[0], word[1:].decode(errors="replace")) if word else (1, "the daemon died before it was ready")
    )
    with suppress(OSError):  # stderr may be closed; the exit status remains
        if text:
            sys.stderr.write(f"netechod: {'error' if code else 'warning'}: {text}\n")
            sys.stderr.flush()
    os._exit(code)
