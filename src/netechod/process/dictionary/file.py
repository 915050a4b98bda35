"""Reading the dictionary's file in steps: the caller decides what happens between two of them."""

import logging
import os
import stat
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias, TypeVar

from netechod.errors import DictionaryError
from netechod.services.dictionary.parser import DictionaryParser
from netechod.services.dictionary.service import Dictionary, MemoryDictionary

BLOCK = 16 * 1024  # bytes parsed in one step: well under a millisecond
CHANGED = "changed while it was read; reload when it is written"

log = logging.getLogger(__name__)

T = TypeVar("T")
Feed: TypeAlias = Callable[[bytes], object]
"""Takes the blocks of a file."""

Loading: TypeAlias = Generator[None, None, MemoryDictionary]
"""The steps of a load; its value is the dictionary."""


class Stamp(NamedTuple):
    """Size and time of a file: when the file changes, one of them almost always does, too."""

    size: int
    mtime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Stamp":
        """The stamp of the file with this status."""
        return cls(status.st_size, status.st_mtime_ns)


def load_dictionary(path: Path, *, max_size: int, strict: bool) -> Loading:
    """Load the file into memory in steps. Raises DictionaryError with the reason, at any step."""
    parser = DictionaryParser(str(path), strict=strict)
    yield from read_file(path, parser.feed, max_size=max_size)
    return parser.finish()


def read_file(path: Path, feed: Feed, *, max_size: int, size: int = BLOCK) -> Generator[None, None, Stamp]:
    """Read the file, a block of `size` bytes a step. Raises DictionaryError with the reason, at any step.

    Only a regular file is read, and opening never waits: a FIFO or a device would stop the daemon.
    """
    try:
        stamp = yield from _read(path, feed, max_size, size)
    except OSError as error:
        raise DictionaryError(f"{path}: {error.strerror}") from None
    return stamp


def _read(path: Path, feed: Feed, max_size: int, size: int) -> Generator[None, None, Stamp]:
    """The same as `read_file`; also raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise DictionaryError(f"{path}: not a regular file")
        if status.st_size > max_size:
            raise DictionaryError(f"{path}: {status.st_size} bytes, dictionary.max_size is {max_size}")
        for block in iter(partial(os.read, fd, size), b""):
            feed(block)
            yield
        stamp = Stamp.of(os.fstat(fd))
    finally:
        os.close(fd)
    if stamp != Stamp.of(status):
        raise DictionaryError(f"{path}: {CHANGED}")
    return stamp


def completed(steps: Generator[None, None, T]) -> T:
    """Take all steps at once. Returns their value."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            value: T = done.value
            return value


def log_loaded(dictionary: Dictionary, seconds: float) -> None:
    """Log the edition that is in use now, and its bad lines."""
    fields = {"event": "loaded", "service": "dictionary"}
    for warning in dictionary.warnings:
        log.warning("%s", warning, extra=fields)
    log.info(
        "dictionary loaded entries=%d skipped=%d sha256=%s seconds=%.3f",
        len(dictionary),
        dictionary.skipped,
        dictionary.sha256[:12],
        seconds,
        extra=fields,
    )
