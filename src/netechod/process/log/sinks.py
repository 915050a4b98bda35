"""Writes log lines to files, to a descriptor such as standard error, and to the journal."""

import errno
import fcntl
import os
import select
import socket
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from netechod.process.log.format import PRIORITIES, Entry

PASSING = frozenset({errno.ENXIO, errno.ENOSPC, errno.EDQUOT})
"""Temporary errors of open(2): a FIFO without a reader (fifo(7)), a full disk."""

_FLAGS = (
    os.O_WRONLY
    | os.O_APPEND  # without it, the file has a hole after logrotate's copytruncate
    | os.O_CLOEXEC
    | os.O_NONBLOCK  # a FIFO fails instead of waiting for its reader
    | os.O_NOCTTY
)
# Bytes that a pipe takes without blocking when poll(2) reports it writable (pipe(7)).
_PIPE_BUF = select.PIPE_BUF

JOURNAL_PATIENCE = 1.0
"""Seconds to wait for a full journal. After that it gets no more time until it takes a message again."""

_JOURNAL = "/run/systemd/journal/socket"


def journal_wanted(setting: str) -> bool:
    """Return whether the journal gets the messages: `on`, `off`, or `auto`: if stderr is connected to it.

    $JOURNAL_STREAM has the device and inode of that connection (systemd.exec(5)). They are compared because a
    child can inherit the variable with another stderr.
    """
    if setting != "auto":
        return setting == "on"
    try:
        stderr = os.fstat(2)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{stderr.st_dev}:{stderr.st_ino}"


class LogFile:
    """A log file of whole lines. It survives rotation, deletion and full disks."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = -1
        self._owed = b""  # the rest of a line of which a pipe has taken only a part

    def reopen(self) -> None:
        """Open the file that the path names now. Raises OSError, and keeps the open file then."""
        self.path.parent.mkdir(0o750, parents=True, exist_ok=True)
        fresh = _open(self.path)
        self.close()
        self._fd = fresh

    def follow(self) -> None:
        """Open a new file if the open one has been renamed or deleted."""
        if self._fd < 0 or self._is_current():
            return
        try:
            self.reopen()
        except OSError:
            # A renamed file can still be read, so it stays open. A deleted file cannot, so it is closed.
            with suppress(OSError):
                if os.fstat(self._fd).st_nlink == 0:
                    self.close()

    def append(self, line: bytes) -> None:
        """Write all of `line`. Raises OSError, and leaves no part of it in the file then."""
        if self._fd < 0:
            self.reopen()
        rest = self._owed + line
        size = len(rest)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError:
            self._take_back(size - len(rest), rest, line)
            raise
        self._owed = b""

    def close(self) -> None:
        """Close the file. The next `append` opens it again."""
        fd, self._fd, self._owed = self._fd, -1, b""
        if fd >= 0:
            with suppress(OSError):  # a network disk may report a lost write only now
                os.close(fd)

    def _is_current(self) -> bool:
        """Return whether the path still names the open file."""
        try:
            return os.path.samestat(self.path.stat(), os.fstat(self._fd))
        except OSError:
            return False

    def _take_back(self, written: int, rest: bytes, line: bytes) -> None:
        """Undo a partial write. A file is cut back. A pipe gets the rest of the line before the next one."""
        if not written:
            return
        try:
            os.ftruncate(self._fd, os.fstat(self._fd).st_size - written)
        except OSError:  # EINVAL: not a regular file
            self._owed = rest.removesuffix(line)


def _open(path: Path) -> int:
    """Return a descriptor that appends to `path`. A new file has mode 0640, whatever the umask is."""
    try:
        fd = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o640)
    except FileExistsError:
        if os.geteuid() == 0 != path.parent.stat().st_uid:
            return _open_as_it_is(path)
        return os.open(path, _FLAGS | os.O_CREAT, 0o640)  # the target of a symbolic link may be missing
    with suppress(OSError):  # some file systems have no modes
        os.fchmod(fd, 0o640)
    return fd


def _open_as_it_is(path: Path) -> int:
    """Open a file in another user's directory as root. Links could lead anywhere and are refused."""
    fd = os.open(path, _FLAGS | os.O_NOFOLLOW)
    if os.fstat(fd).st_nlink > 1:
        os.close(fd)
        raise OSError(errno.EMLINK, os.strerror(errno.EMLINK), str(path))
    return fd


class Copy(Protocol):
    """A second destination of every line, or the only one. `write` never raises."""

    def write(self, entry: Entry, line: bytes) -> bool:
        """Write the entry, or its formatted line. Return whether all of it could be written."""
        ...

    def close(self) -> None:
        """Close descriptors and sockets."""
        ...


class DescriptorCopy:
    """Writes the lines to a descriptor, for a daemon in the foreground.

    Other processes share its open file description. So it must not be set to O_NONBLOCK, and poll(2) is used.
    A duplicate is used because the number of a closed descriptor can become that of a client's socket.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLOUT)

    def write(self, entry: Entry, line: bytes) -> bool:
        """Write the line, or the part of it that can be written without waiting."""
        try:
            for start in range(0, len(line), _PIPE_BUF):
                if not self._poll.poll(0):
                    return False
                os.write(self._fd, line[start : start + _PIPE_BUF])
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Close the duplicate."""
        os.close(self._fd)


class JournalCopy:
    """Sends messages with their fields to journald(8), in its native protocol.

    https://systemd.io/JOURNAL_NATIVE_PROTOCOL/ describes it. `systemd.journal` cannot be used for two
    reasons. While journald hangs, it waits and holds the interpreter lock, so the service stops too. And
    libsystemd keeps the number of its socket for ever, even after that number has become a client's
    connection.
    """

    def __init__(self, address: str = _JOURNAL) -> None:
        self._address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(JOURNAL_PATIENCE)

    def write(self, entry: Entry, line: bytes) -> bool:
        """Send one journal entry (systemd.journal-fields(7))."""
        fields = {
            "MESSAGE": entry.message,
            "PRIORITY": str(PRIORITIES[entry.level_name]),
            "SYSLOG_IDENTIFIER": "netechod",
        } | {f"NETECHOD_{key.upper()}": value for key, value in entry.fields.items()}
        text = "".join(f"{key}={value}\n" for key, value in fields.items())  # no value has a newline
        try:
            # Connected, because poll(2) does not tell when the peer of an unconnected socket is full.
            self._socket.connect(self._address)
            self._socket.send(text.encode())
        except OSError:
            self._socket.settimeout(0)  # from now on the files do not wait for it
            return False
        self._socket.settimeout(JOURNAL_PATIENCE)
        return True

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
