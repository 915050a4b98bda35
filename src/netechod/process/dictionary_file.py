"""The dictionary's file: read in steps, so that whoever loads it decides what happens between two of them."""

import logging
import os
import stat
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path

from netechod.errors import DictionaryError
from netechod.services.dictionary import Dictionary, MemoryDictionary
from netechod.services.dictionary_parser import DictionaryParser

BLOCK = 16 * 1024  # bytes parsed in one step: well under a millisecond

log = logging.getLogger(__name__)

Loading = Generator[None, None, MemoryDictionary]
"""The steps of a load; its value is the dictionary."""


def load_dictionary(path: Path, *, max_size: int, strict: bool) -> Loading:
    """Load the file in steps. Raises DictionaryError, at whatever step, with the reason in words.

    Only a regular file is read, and opening never waits: a FIFO or a device would stop the daemon.
    """
    try:
        dictionary = yield from _loaded(path, max_size, strict)
    except OSError as error:
        raise DictionaryError(f"{path}: {error.strerror}") from None
    return dictionary


def _loaded(path: Path, max_size: int, strict: bool) -> Loading:
    """The same; also raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    parser = DictionaryParser(str(path), strict=strict)
    try:
        before = os.fstat(fd)
        if not stat.S_ISREG(before.st_mode):
            raise DictionaryError(f"{path}: not a regular file")
        if before.st_size > max_size:
            raise DictionaryError(f"{path}: {before.st_size} bytes, dictionary.max_size is {max_size}")
        for block in iter(partial(os.read, fd, BLOCK), b""):
            parser.feed(block)
            yield
        after = os.fstat(fd)
    finally:
        os.close(fd)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise DictionaryError(f"{path}: changed while it was read; reload when it is written")
    return parser.finish()


def completed(loading: Loading, between: Callable[[], object] = lambda: None) -> MemoryDictionary:
    """Take all the steps at once, with a call of `between` after each, and return the dictionary."""
    while True:
        try:
            next(loading)
        except StopIteration as done:
            dictionary: MemoryDictionary = done.value
            return dictionary
        between()


def log_loaded(dictionary: Dictionary, seconds: float) -> None:
    """Tell the operator what is in use now, and which lines are not."""
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
