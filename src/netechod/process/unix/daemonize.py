"""Leaving the terminal, with a starter that tells the truth.

`daemon.DaemonContext` ends the process that started it with status 0 at the first fork, before anything is
known to work (daemon(7), step 14 asks for the opposite). So there is a fork and a pipe in front of it: the
starter waits for the daemon's word, repeats it and exits with its status.
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
PIPE_BUF = 4095  # bytes of text that surely reach the starter in one write (pipe(7))


class Readiness:
    """The daemon's end of the pipe to its starter; without a starter, in the foreground, it says nothing."""

    def __init__(self, fd: int | None = None) -> None:
        self._fd = fd

    def ready(self, complaints: str = "") -> None:
        """The daemon serves: the starter exits with 0, after it has passed on the complaints."""
        self._tell(0, complaints)

    def failed(self, exit_code: int, reason: str) -> bool:
        """The start failed: the starter says why and exits with the code. False without a starter."""
        return self._tell(exit_code, reason)

    def _tell(self, exit_code: int, text: str) -> bool:
        if self._fd is None:
            return False
        with suppress(BrokenPipeError):  # the starter was ended
            os.write(self._fd, bytes([exit_code]) + text.encode(errors="backslashreplace")[:PIPE_BUF])
        os.close(self._fd)
        self._fd = None
        return True


def ensure_stdio() -> None:
    """Open descriptors 0 to 2 on /dev/null where they are closed, or sockets would take their numbers."""
    for fd, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: all below are open by now
        if getattr(sys, name) is None:
            setattr(sys, name, open(fd, "r" if fd == 0 else "w", encoding="utf-8"))  # noqa: PTH123, SIM115


def outlive_terminal() -> None:
    """Go on when a terminal would stop us for a line that we write, or try to read, in the background."""
    for number in (signal.SIGTTIN, signal.SIGTTOU):
        signal.signal(number, signal.SIG_IGN)


def settle_in() -> None:
    """Move to `/` and set the umask, detached or not: a daemon must not keep a file system busy."""
    os.chdir("/")
    os.umask(UMASK)


def detach(keep: Iterable[int], pidfile: Pidfile) -> Readiness:
    """Become a daemon; returns in the daemon, while the starter waits in here and never comes back.

    Double fork, setsid, `/` as the directory, stdio on /dev/null, `UMASK`, no core dumps; all descriptors
    are closed but `keep`. The pidfile is written. Signal handlers stay as they are.
    """
    signal.signal(
        signal.SIGTSTP, signal.SIG_IGN
    )  # as daemonize(1) does: a start must not be stopped half-way
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
        detach_process=True,  # the default asks whether init started us, and guesses wrong in containers
        files_preserve=[*keep, pidfile.fileno(), writer],
        working_directory="/",
        umask=UMASK,
        signal_map={},  # its default ends the process with status 1 wherever a SIGTERM meets it
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
    """The context sets its own user and limits, which a sandbox may forbid."""
    return PermissionRefusedError(
        f"cannot detach: {error}\n  hint: under a service manager, use --foreground"
    )


def _wait_for(reader: int) -> NoReturn:
    """The starter: wait for the daemon's word, pass it on, exit with its status."""
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)  # the starter may be interrupted
    word = os.read(reader, 1 + PIPE_BUF)
    code, text = (
        (word[0], word[1:].decode(errors="replace")) if word else (1, "the daemon died before it was ready")
    )
    with suppress(OSError):  # nobody reads stderr; the exit status still tells
        if text:
            sys.stderr.write(f"netechod: {'error' if code else 'warning'}: {text}\n")
            sys.stderr.flush()
    os._exit(code)
