"""Key files: lines of `<key id> <secret>`, for the daemon and for the client.

An error never quotes the file: the text may be a secret.
"""

import errno
import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

from netechod.errors import NetechodError, reason_of
from netechod.file_access import has_access_list, unwelcome
from netechod.regular_file import open_regular
from netechod.services.command.signing import KEY_ID

MAX_SIZE = 1 << 20  # bytes; a longer file holds something else
WEAK = 16  # bytes; a shorter secret can be guessed


class KeyFileError(NetechodError):
    """A key file cannot be used: the reason, and a hint what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def read_keys(path: Path, owners: Collection[int]) -> dict[str, bytes]:
    """Return the secrets by key id, in the order of the file. Raises KeyFileError.

    The file has to belong to one of `owners`, user ids, and nobody else may be able to read or write it.
    """
    keys: dict[str, bytes] = {}
    for number, key_id, secret in _entries(path, _text_of(path, owners)):
        if key_id in keys:
            raise KeyFileError(f"{path}:{number}: the id {key_id} stands there twice")
        keys[key_id] = secret.encode()
    if not keys:
        raise KeyFileError(f"{path}: has no keys", "a line of it is <key id> <secret>")
    return keys


def read_password(path: Path, owners: Collection[int]) -> bytes:
    """Return the one line of a file, which is protected like a key file. Raises KeyFileError."""
    lines = _text_of(path, owners).splitlines()
    if len(lines) != 1 or not lines[0]:
        raise KeyFileError(f"{path}: has {len(lines)} lines", "it has to have one, the password")
    return lines[0].encode()


def _text_of(path: Path, owners: Collection[int]) -> str:
    """Read a file that nobody but `owners` can use."""
    try:
        fd = open_regular(path)
    except OSError as error:
        is_odd = error.errno == errno.EINVAL
        raise KeyFileError(f"{path}: is {error.strerror}" if is_odd else reason_of(error)) from None
    try:
        _check(path, fd, owners)
        return os.read(fd, MAX_SIZE).decode()
    except UnicodeDecodeError:
        raise KeyFileError(f"{path}: is not UTF-8") from None
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from None
    finally:
        os.close(fd)


def _check(path: Path, fd: int, owners: Collection[int]) -> None:
    """Refuse a file that is too large, or that somebody else than one of its owners can use."""
    found = os.fstat(fd)
    mode = stat.S_IMODE(found.st_mode)
    if found.st_size > MAX_SIZE:
        raise KeyFileError(f"{path}: is larger than {MAX_SIZE} bytes")
    if found.st_uid not in owners:
        wanted = " or ".join(f"user {uid}" for uid in sorted(owners))
        raise KeyFileError(f"{path}: belongs to user {found.st_uid}", f"it has to belong to {wanted}: chown")
    if mode & ~0o666:
        raise KeyFileError(f"{path}: has mode {mode:04o}, more than 0600", _remedy(path, fd))
    grant = unwelcome(fd, owners)
    if grant is not None:
        raise KeyFileError(f"{path}: has mode {mode:04o}, {grant} can use it", _remedy(path, fd))


def _remedy(path: Path, fd: int) -> str:
    """Return a hint how to close the file to others."""
    if os.fstatvfs(fd).f_flag & os.ST_RDONLY:
        return (
            "the file system is read-only: have the secret store hand the file out with mode 0400, "
            "or 0440 to a group that the daemon's user alone is in"
        )
    return f"setfacl -b {path}; chmod 600 {path}" if has_access_list(fd) else f"chmod 600 {path}"


def _entries(path: Path, text: str) -> Iterator[tuple[int, str, str]]:
    """The lines that are not empty and no comments: number, key id and secret."""
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 2:
            raise KeyFileError(f"{path}:{number}: is not <key id> <secret>, two words")
        if not KEY_ID.fullmatch(words[0]):
            raise KeyFileError(f"{path}:{number}: a key id has 1 to 32 of a-z, 0-9 and -")
        yield number, words[0], words[1]
