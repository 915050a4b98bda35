"""Where log lines end: files that outlive rotation and full disks, the terminal, the journal."""

import errno
import fcntl
import os
import select
import socket
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from netechod.process.log.format import Entry

PASSING = frozenset({errno.ENXIO, errno.ENOSPC, errno.EDQUOT})
"""Errors of open(2) that go away by themselves: a FIFO without a reader (fifo(7)), a full disk."""

_FLAGS = (
    os.O_WRONLY
    | os.O_APPEND  # after logrotate's copytruncate the file must not begin with a hole
    | os.O_CLOEXEC
    | os.O_NONBLOCK  # a FIFO fails instead of waiting for its reader
    | os.O_NOCTTY
)
_PIPE_BUF = select.PIPE_BUF  # a pipe that poll(2) calls writable takes this much without blocking (pipe(7))

JOURNAL_PATIENCE = 1.0
"""Seconds that a full journal may hold up the files, once, until it takes a message again."""

_JOURNAL = "/run/systemd/journal/socket"

# syslog(3) severities
_PRIORITIES = {"DEBUG": 7, "NORMAL": 6, "WARNING": 4, "ERROR": 3, "FATAL": 2}


class LogFile:
    """A file that takes whole lines, whatever rotation, deletion and full disks do to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = -1
        self._owed = b""  # the end of a line whose beginning a pipe's reader already has

    def reopen(self) -> None:
        """Open the file that the path names now, or raise OSError and keep the open one."""
        self.path.parent.mkdir(0o750, parents=True, exist_ok=True)
        fresh = _open(self.path)
        self.close()
        self._fd = fresh

    def follow(self) -> None:
        """Go on in a new file when the path names another than the open one: renamed, deleted."""
        if self._fd < 0 or self._is_current():
            return
        try:
            self.reopen()
        except OSError:
            # Renamed, and no successor is allowed: its old name's reader still sees it. Deleted: nobody does.
            with suppress(OSError):
                if os.fstat(self._fd).st_nlink == 0:
                    self.close()

    def append(self, line: bytes) -> None:
        """Write the whole of `line`; or raise OSError, and nothing of it stays behind."""
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
        """Close the file; the next `append` opens it again."""
        fd, self._fd, self._owed = self._fd, -1, b""
        if fd >= 0:
            with suppress(OSError):  # a network disk may report lost data only now
                os.close(fd)

    def _is_current(self) -> bool:
        """Whether the path still names the open file."""
        try:
            return os.path.samestat(self.path.stat(), os.fstat(self._fd))
        except OSError:
            return False

    def _take_back(self, written: int, rest: bytes, line: bytes) -> None:
        """Leave no torn line: a file is cut back, a pipe gets the rest before anything else."""
        if not written:
            return
        try:
            os.ftruncate(self._fd, os.fstat(self._fd).st_size - written)
        except OSError:  # EINVAL: not a regular file
            self._owed = rest.removesuffix(line)


def _open(path: Path) -> int:
    """A descriptor that appends to `path`; a file made here is 0640, whatever the umask."""
    try:
        fd = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o640)
    except FileExistsError:
        if os.geteuid() == 0 != path.parent.stat().st_uid:
            return _open_as_it_is(path)
        return os.open(path, _FLAGS | os.O_CREAT, 0o640)  # a symbolic link may still have to make its target
    with suppress(OSError):  # not every file system knows modes, or has a moment for them
        os.fchmod(fd, 0o640)
    return fd


def _open_as_it_is(path: Path) -> int:
    """A descriptor for root in another user's directory: a link there must not have root write elsewhere."""
    fd = os.open(path, _FLAGS | os.O_NOFOLLOW)
    if os.fstat(fd).st_nlink > 1:
        os.close(fd)
        raise OSError(errno.EMLINK, os.strerror(errno.EMLINK), str(path))
    return fd


class Copy(Protocol):
    """A second place for every line. `write` never fails."""

    def write(self, entry: Entry, line: bytes) -> None:
        """Show the entry, or its finished line."""
        ...

    def close(self) -> None:
        """Close descriptors and sockets."""
        ...


class DescriptorCopy:
    """The lines for whoever started us in the foreground, on a duplicate of that descriptor.

    Its open file description is shared with other processes and must stay as they left it, hence poll(2)
    instead of O_NONBLOCK. The duplicate keeps its number: a closed 2 may come back as a client's socket.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLOUT)

    def write(self, entry: Entry, line: bytes) -> None:
        """Write the line, or as much of it as the other side takes without waiting."""
        with suppress(OSError):
            for start in range(0, len(line), _PIPE_BUF):
                if not self._poll.poll(0):
                    return
                os.write(self._fd, line[start : start + _PIPE_BUF])

    def close(self) -> None:
        """Close the duplicate."""
        os.close(self._fd)


class JournalCopy:
    """The messages for journald(8), with their fields, in its native protocol.

    https://systemd.io/JOURNAL_NATIVE_PROTOCOL/ invites one's own client, and `systemd.journal` is no choice:
    while journald is stuck it waits without letting go of the interpreter, so that serving stops as well; and
    libsystemd keeps its socket's number for ever, even when that has become a client's connection.
    """

    def __init__(self, address: str = _JOURNAL) -> None:
        self._address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(JOURNAL_PATIENCE)

    def write(self, entry: Entry, line: bytes) -> None:
        """Send one journal entry (systemd.journal-fields(7))."""
        fields = {
            "MESSAGE": entry.message,
            "PRIORITY": str(_PRIORITIES[entry.level_name]),
            "SYSLOG_IDENTIFIER": "netechod",
        } | {f"NETECHOD_{key.upper()}": value for key, value in entry.fields.items()}
        text = "".join(f"{key}={value}\n" for key, value in fields.items())  # no value has a newline
        try:
            self._socket.connect(
                self._address
            )  # of an unconnected socket, poll(2) does not say when it is full
            self._socket.send(text.encode())
        except OSError:
            self._socket.settimeout(0)  # it was given its chance; now the files come first
        else:
            self._socket.settimeout(JOURNAL_PATIENCE)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
