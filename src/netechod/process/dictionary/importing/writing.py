"""Writes a Tabfile (see `netechod.services.dictionary.tabfile`)."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from netechod.errors import DictionaryError
from netechod.process.dictionary.importing.merging import Merged
from netechod.process.dictionary.importing.reading import MAX_SIZE
from netechod.services.dictionary.tabfile import escaped

MAX_MEANING = 120 * 1024  # bytes, escaped; with its words a line stays below the limit of the daemon's parser
MAX_WORDS = 4 * 1024  # bytes of the words of a line; more get the meaning again


class Tabfile:
    """Writes entries to a file that is open."""

    def __init__(self, file: BinaryIO) -> None:
        self.cut = 0  # meanings that were too long
        self.longest = 0  # characters of the longest meaning
        self._file = file
        self._size = 0  # bytes of the entries

    def head(self, facts: Mapping[str, str]) -> None:
        """Write the lines at the top, those that say something."""
        for key, value in facts.items():
            if value:
                text = _shortened(value) if len(escaped(value).encode()) > MAX_MEANING else value
                self._file.write(f"##{key}\t{escaped(text)}\n".encode())

    def write(self, entry: Merged) -> None:
        """Write an entry; meanings are joined by an empty line."""
        text = "\n\n".join(entry.meanings)
        meaning = escaped(text).encode()
        if len(meaning) > MAX_MEANING:
            self.cut += 1
            text = _shortened(text)
            meaning = escaped(text).encode()
        self.longest = max(self.longest, len(text))
        for words in _grouped([escaped(word).replace("|", "\\|").encode() for word in entry.words]):
            line = b"%b\t%b\n" % (b"|".join(words), meaning)
            self._size += len(line)
            if self._size > MAX_SIZE:
                raise DictionaryError(f"the dictionary would have more than {MAX_SIZE} bytes")
            self._file.write(line)


def _shortened(text: str) -> str:
    """So much of a text, in whole lines if there are some, as a line can hold whatever its characters are."""
    start = text[: MAX_MEANING // 8].rpartition("\n")[0] or text[: MAX_MEANING // 8]
    return start.rstrip()


def _grouped(words: Sequence[bytes]) -> Iterator[list[bytes]]:
    """The words, so many at a time as a line can hold."""
    group: list[bytes] = []
    size = 0
    for word in words:
        size += len(word) + 1
        if group and size > MAX_WORDS:
            yield group
            group, size = [], len(word) + 1
        group.append(word)
    yield group


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file that takes the place of `path` when all has gone well; if not, nothing has changed.

    Raises OSError.
    """
    path = Path(os.path.realpath(path))  # a link stays a link
    draft = path.with_name(f".{path.name[:200]}.{os.getpid()}.new")
    try:
        with suppress(FileNotFoundError):
            draft.unlink()  # left by a process of our number that was killed
        with draft.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
        _sync_directory(path.parent)
    finally:
        with suppress(OSError):
            draft.unlink()


def _sync_directory(path: Path) -> None:
    """Have the file's new name on the disk as well (rename(2) alone does not)."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
