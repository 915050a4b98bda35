"""Opens the files that an operator names. They must be regular ones: a FIFO could be waited for for ever."""

import errno
import os
import stat
from pathlib import Path

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def open_regular(path: Path) -> int:
    """Return a descriptor of a regular file. Raises OSError, also for any other kind of file."""
    try:
        fd = os.open(path, _FLAGS)
    except OSError as error:
        if error.errno != errno.ENXIO:  # what open(2) says of a socket
            raise
        raise _refusal(path) from None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise _refusal(path)
    return fd


def read_regular(path: Path, most: int) -> bytes:
    """Return the content of a regular file, at most `most` bytes of it. Raises OSError."""
    with os.fdopen(open_regular(path), "rb") as file:
        return file.read(most)


def _refusal(path: Path) -> OSError:
    return OSError(errno.EINVAL, "not a regular file", str(path))
