"""Opening sources within bounds: regular files only, gzip unpacked, and no more read than can be meant."""

import gzip
import os
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeAlias

from netechod.errors import DictionaryError, reason_of
from netechod.process.dictionary.foreign.advice import advice_on
from netechod.process.dictionary.foreign.formats import GZIP, HEAD, KEY_VALUE, format_of
from netechod.regular_file import open_regular

MAX_SIZE = 4 << 30  # bytes of a source, unpacked: no dictionary is larger
MAX_RATIO = 256  # times its size that a file may unpack to; texts have 20, and bombs 1000
FREE_SIZE = 64 << 20  # bytes that any file may unpack to
MAX_LINE = 1 << 20  # bytes of a line of text
BLOCK = 256 * 1024  # bytes unpacked at a time
REASONS = 10  # skipped entries that are described one by one
LINES_A_STEP = 4096  # lines between two reports of progress

AS_IT_IS = "it looks like lines of key:value: dictionary.file can name it as it is"
UNKNOWN = "neither its name nor its text tells the format: name it with --format"

Progress: TypeAlias = Callable[[str, float], object]
"""Is told what is being done, and which share of it, from 0 to 1, is."""


class Entry(NamedTuple):
    """Words that share a meaning, and where they stand, as `file:line`."""

    words: tuple[str, ...]
    meaning: str
    place: str


@dataclass
class Reading:
    """A source that is read, and what is found in it besides entries. Readers fill this in as they go.

    Temporary files are made in `scratch` (None: where temporary files are).
    """

    path: Path
    progress: Progress = lambda what, share: None
    scratch: Path | None = None
    title: str = ""
    information: str = ""
    licence: str = ""
    warnings: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)  # of the first entries that were skipped
    skipped: int = 0

    def skip(self, place: str, reason: str) -> None:
        """Note that the entry at `place` is left out, and why."""
        self.skipped += 1
        if len(self.reasons) < REASONS:
            self.reasons.append(f"{place}: {reason}")


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A regular file; opening never waits, as it would for a FIFO. Raises DictionaryError."""
    try:
        fd = open_regular(path)
    except OSError as error:
        raise DictionaryError(reason_of(error)) from None
    with os.fdopen(fd, "rb") as file:
        yield file


class Unpacked:
    """The bytes of a file, unpacked if it is a gzip."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self.size = os.fstat(file.fileno()).st_size
        self.packed = file.read(2) == GZIP
        file.seek(0)
        self._file = file
        self._stream: BinaryIO | gzip.GzipFile = gzip.GzipFile(fileobj=file) if self.packed else file
        self._limit = min(MAX_SIZE, max(FREE_SIZE, MAX_RATIO * self.size)) if self.packed else MAX_SIZE
        self._left = self._limit

    def blocks(self) -> Iterator[bytes]:
        """All of it, a block at a time."""
        return self._pieces(partial(self._stream.read, BLOCK))

    def lines(self) -> Iterator[bytes]:
        """Its lines, with their ends. Raises DictionaryError for a line that is too long."""
        for number, line in enumerate(self._pieces(partial(self._stream.readline, MAX_LINE + 1)), 1):
            if len(line) > MAX_LINE:
                raise DictionaryError(
                    f"{self.path}:{number}: longer than {MAX_LINE} bytes: not lines of text"
                )
            yield line

    @property
    def share(self) -> float:
        """How much of the file has been read, from 0 to 1."""
        return min(1.0, self._file.tell() / max(1, self.size))

    def _pieces(self, read: Callable[[], bytes]) -> Iterator[bytes]:
        """What `read` returns, up to the end. Raises DictionaryError for damaged data, and for too much."""
        try:
            for piece in iter(read, b""):
                self._left -= len(piece)
                if self._left < 0:
                    raise DictionaryError(
                        f"{self.path}: {'unpacks to ' * self.packed}more than {self._limit} bytes"
                    )
                yield piece
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DictionaryError(f"{self.path}: the compressed data are damaged: {error}") from None


def head_of(path: Path) -> bytes:
    """The first kilobytes of a file, unpacked if it is a gzip. Raises DictionaryError."""
    with opened(path) as file:
        unpacked = Unpacked(path, file)
        return next(unpacked.blocks(), b"")[:HEAD]


def raw_lines(reading: Reading, path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file, by number, without their ends (LF or CRLF); a BOM is dropped."""
    with opened(path) as file:
        unpacked = Unpacked(path, file)
        for number, line in enumerate(unpacked.lines(), 1):
            if number % LINES_A_STEP == 0:
                reading.progress("reading", unpacked.share)
            yield number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line


def text_lines(reading: Reading, path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a text in UTF-8, by number, with their ends. Raises DictionaryError for any other."""
    for number, line in raw_lines(reading, path):
        try:
            text = line.decode()
        except UnicodeDecodeError:
            raise DictionaryError(f"{path}:{number}: not UTF-8; {advice_on(path)}") from None
        if "\0" in text:
            raise DictionaryError(f"{path}:{number}: a NUL byte; {advice_on(path)}")
        yield number, text


def guessed(path: Path) -> str:
    """The importer for a file, by its beginning. Raises DictionaryError when there is none for it."""
    found = format_of(head_of(path))
    if found is not None and found.importer:
        return found.importer
    advice = advice_on(path)
    if not advice:
        advice = AS_IT_IS if found is KEY_VALUE else UNKNOWN
    raise DictionaryError(f"{path}: {advice}")


class Texts:
    """A file of texts, which are read at any place."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._fd = file.fileno()
        self.size = os.fstat(self._fd).st_size

    def at(self, offset: int, length: int) -> bytes:
        """The text there. Raises DictionaryError where the file has none."""
        if length > MAX_LINE:
            raise DictionaryError(f"{self._path}: a text of {length} bytes; more than {MAX_LINE} are none")
        text = os.pread(self._fd, length, offset) if offset + length <= self.size else b""
        if len(text) != length:
            raise DictionaryError(
                f"{self._path}: the index has a text at byte {offset} to {offset + length}, the file ends at "
                f"{self.size}: it is cut short, or of another edition"
            )
        return text


@contextmanager
def texts_of(reading: Reading, path: Path) -> Iterator[Texts]:
    """The texts of a file; a gzip is unpacked into a file without a name. Raises DictionaryError."""
    with opened(path) as file:
        unpacked = Unpacked(path, file)
        if not unpacked.packed:
            yield Texts(path, file)
            return
        with tempfile.TemporaryFile(dir=reading.scratch) as copy:
            for block in unpacked.blocks():
                copy.write(block)
                reading.progress("unpacking", unpacked.share)
            copy.flush()
            yield Texts(path, copy)
