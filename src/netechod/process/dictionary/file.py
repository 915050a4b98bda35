"""Reading the dictionary's file: a function that reads it whole, and the steps in which it is parsed."""

import logging
import os
import stat
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

from netechod.errors import DictionaryError
from netechod.regular_file import open_regular
from netechod.services.dictionary.memory_parser import DictionaryParser
from netechod.services.dictionary.parser import Rules
from netechod.services.dictionary.service import Dictionary, MemoryDictionary

BLOCK = 16 * 1024  # bytes parsed in one step: well under a millisecond
CHANGED = "changed while it was read; reload when it is written"
MISSING = "; dictionary.file names the file, dictionary.enabled = false goes without"

log = logging.getLogger(__name__)

Feed: TypeAlias = Callable[[bytes], object]
"""Takes the blocks of a file."""

Loading: TypeAlias = Generator[None, None, MemoryDictionary]
"""The steps of a load; its value is the dictionary."""


class Stamp(NamedTuple):
    """What tells a file from another one, and from itself after a change, without reading it."""

    size: int
    mtime_ns: int
    inode: int
    ctime_ns: int  # nobody can set it back; renaming the file changes it, too

    @classmethod
    def of(cls, status: os.stat_result) -> "Stamp":
        """The stamp of the file with this status."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns)

    def resembles(self, other: "Stamp") -> bool:
        """Whether size and time are the same. Then the content mostly is, and renames keep both."""
        return self[:2] == other[:2]


def stamp_of(path: Path) -> Stamp | None:
    """The stamp of a file; None when it is no regular one."""
    try:
        status = path.stat()
    except OSError:
        return None
    return Stamp.of(status) if stat.S_ISREG(status.st_mode) else None


def read_file(path: Path, feed: Feed, *, max_size: int, size: int = BLOCK) -> Stamp:
    """Read the file, `size` bytes at a time. Raises DictionaryError with the reason.

    Only a regular file is read: opening a FIFO or a device never waits. A disk may make the caller wait.
    """
    try:
        return _read(path, feed, max_size, size)
    except OSError as error:
        hint = MISSING if isinstance(error, FileNotFoundError) else ""
        raise DictionaryError(f"{path}: {error.strerror}{hint}") from None


def _read(path: Path, feed: Feed, max_size: int, size: int) -> Stamp:
    """The same as `read_file`; also raises OSError."""
    fd = open_regular(path)
    try:
        status = os.fstat(fd)
        if status.st_size > max_size:
            raise DictionaryError(f"{path}: {status.st_size} bytes, dictionary.max_size is {max_size}")
        for block in iter(partial(os.read, fd, size), b""):
            feed(block)
        stamp = Stamp.of(os.fstat(fd))
    finally:
        os.close(fd)
    if not stamp.resembles(Stamp.of(status)):  # the rest also changes when another file takes its name
        raise DictionaryError(f"{path}: {CHANGED}")
    return stamp


def read_blocks(path: Path, *, max_size: int) -> list[bytes]:
    """The whole file, in blocks. Raises DictionaryError with the reason."""
    blocks: list[bytes] = []
    read_file(path, blocks.append, max_size=max_size)
    return blocks


def parsed(path: Path, blocks: list[bytes], rules: Rules) -> Loading:
    """Make an edition out of what was read, a block a step. The list is empty in the end.

    A block is given back when it is parsed, so that file and edition are never in memory both. Raises
    DictionaryError with the reason, at any step.
    """
    parser = DictionaryParser(str(path), rules)
    blocks.reverse()
    while blocks:
        parser.feed(blocks.pop())
        yield
    return parser.finish()


def log_loaded(dictionary: Dictionary, seconds: float, name: str = "") -> None:
    """Log the edition that is in use now, and its bad lines. A `name` tells which of several it is."""
    fields = {"event": "loaded", "service": "dictionary"}
    for warning in dictionary.warnings:
        log.warning("%s", warning, extra=fields)
    log.info(
        "dictionary loaded entries=%d skipped=%d sha256=%s seconds=%.3f%s",
        len(dictionary),
        dictionary.skipped,
        dictionary.sha256[:12],
        seconds,
        f" db={name}" if name else "",
        extra=fields,
    )
