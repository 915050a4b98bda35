"""The pidfile: a lock that ends with its process, and the pid for people and scripts.

Only the lock counts. The content is information: no process is signalled or judged by it.
"""

import errno
import fcntl
import os
import re
import stat
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from netechod.errors import AlreadyRunningError, PermissionRefusedError
from netechod.process.unix.privileges import Identity, acting_for, identity_of, make_directory, set_mode

PID_MAX = 2**22
"""The largest pid on Linux (proc(5), /proc/sys/kernel/pid_max)."""

_PID = re.compile(rb"([0-9]{1,7})\n?")

_FLAGS = (
    os.O_RDWR
    | os.O_CREAT
    | os.O_NOFOLLOW  # a planted link must not make us empty its target (CVE-2020-14367)
    | os.O_CLOEXEC
    | os.O_NONBLOCK  # a FIFO or a device must not block us
)


def is_held(path: Path | None) -> bool:
    """Return whether a daemon has locked the file. False also if that cannot be found out."""
    if path is None:
        return False
    with suppress(OSError), ExitStack() as undo:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        undo.callback(os.close, fd)
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


class Pidfile:
    """One daemon's claim on a path, by flock(2) on an open descriptor.

    The lock belongs to the open file description. So it survives the forks of a start if the descriptor is
    preserved, and it ends with the last process that has it. `DaemonContext(pidfile=...)` enters it as a
    context manager in the daemon itself, so the written pid is right.
    """

    def __init__(self, path: Path, identity: Identity | None = None) -> None:
        """`identity`: the daemon's user, for whom file and directory are made."""
        self._path = path
        self._identity = identity or identity_of("", "")
        self._fd = -1
        # The process that took the lock or, after a fork, wrote its pid. Only that process removes the file.
        self._owner = 0

    def lock(self) -> None:
        """Lock the file; a stale file is reused. Raises AlreadyRunningError or PermissionRefusedError."""
        try:
            make_directory(self._path.parent, self._identity)
            with acting_for(self._identity, self._path.parent):
                while not self._try_lock():
                    pass
        except OSError as error:
            raise self._refusal(error) from error

    def renew(self) -> bool:
        """Make the file again if its name is gone or names another file. Returns whether that was so.

        Raises AlreadyRunningError if another daemon has taken the name, and PermissionRefusedError if the
        file cannot be made. In both cases the lock on the lost file is kept.
        """
        if self._is_ours(self._fd):
            return False
        lost = self._fd
        self.lock()
        os.close(lost)
        self.__enter__()
        return True

    def fileno(self) -> int:
        """Return the descriptor of the lock. It has to stay open when others are closed."""
        return self._fd

    def __enter__(self) -> Self:
        """Write this process's pid."""
        try:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, b"%d\n" % os.getpid(), 0)
        except OSError as error:
            raise self._refusal(error) from error
        self._owner = os.getpid()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove the file and release the lock."""
        self.remove()

    def remove(self) -> None:
        """Remove the file and release the lock, if this process owns it and the path still names it.

        Without root we may have no right to write to the directory. Then the file is emptied.
        """
        if self._owner != os.getpid():
            return
        try:
            with acting_for(self._identity, self._path.parent):
                if self._is_ours(self._fd):
                    self._path.unlink()
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._fd, 0)
        os.close(self._fd)
        self._fd, self._owner = -1, 0

    def _try_lock(self) -> bool:
        """Lock the file that the path names. Returns False if the path names another file by then.

        A daemon that ends between our open(2) and our flock(2) removes the file. A lock on a file without a
        name would not stop a second daemon.
        """
        with ExitStack() as undo:
            fd = self._open()
            undo.callback(os.close, fd)
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                raise self._unusable("not a regular file")
            if found.st_nlink > 1:  # a planted hard link must not make us empty another file
                raise self._unusable("it has another name as well")
            self._lock_or_refuse(fd)
            if not self._is_ours(fd):
                return False
            set_mode(fd, 0o644, self._path)  # open(2) has applied the umask
            os.ftruncate(fd, 0)  # nobody must read a stale pid before ours is written
            undo.pop_all()
        self._fd, self._owner = fd, os.getpid()
        return True

    def _open(self) -> int:
        """Open or create the file."""
        try:
            return os.open(self._path, _FLAGS, 0o644)
        except PermissionError:
            self._remove_stale()
            return os.open(self._path, _FLAGS, 0o644)

    def _remove_stale(self) -> None:
        """Remove an unlocked file of another user. An earlier start as root may have left it."""
        with suppress(OSError), ExitStack() as undo:
            fd = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            undo.callback(os.close, fd)
            if stat.S_ISREG(os.fstat(fd).st_mode):
                self._lock_or_refuse(fd)
                self._path.unlink()

    def _lock_or_refuse(self, fd: int) -> None:
        """Take the lock. Raises AlreadyRunningError with the pid of its holder."""
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            found = _PID.fullmatch(os.pread(fd, 32, 0))
            holder = f" (pid {int(found[1])})" if found and 0 < int(found[1]) <= PID_MAX else ""
            raise AlreadyRunningError(
                f"already running{holder}: {self._path} is locked\nhint: netechoctl status"
            ) from None

    def _is_ours(self, fd: int) -> bool:
        """Return whether the path still names the open file."""
        try:
            return os.path.samestat(self._path.lstat(), os.fstat(fd))
        except FileNotFoundError:
            return False

    def _refusal(self, error: OSError) -> PermissionRefusedError:
        """Return an error that says why the path cannot be used."""
        return self._unusable("it is a symbolic link" if error.errno == errno.ELOOP else str(error.strerror))

    def _unusable(self, why: str) -> PermissionRefusedError:
        return PermissionRefusedError(f"cannot use {self._path} as the pidfile: {why}")
