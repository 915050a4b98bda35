"""One entry of each word: all that a source says about a word, wherever it says it, in little memory."""

import os
import tempfile
from array import array
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple, TypeAlias

from netechod.errors import DictionaryError
from netechod.process.dictionary.external_sort import SortedRuns
from netechod.process.dictionary.importing.cleaning import clean_meaning, clean_word
from netechod.process.dictionary.importing.reading import MAX_SIZE, Entry, Reading

MAX_WORD = 1000  # bytes of a word: a DICT command has 6144 octets, and everybody's headline is shorter
ENOUGH = 1 << 20  # characters of a word's meanings; a line holds less

Ids: TypeAlias = tuple[int, ...]
"""The numbers of meanings, in the order of the source."""


class Merged(NamedTuple):
    """Words of which a source says the same, and what it says: meanings, of which no two are equal."""

    words: list[str]
    meanings: list[str]


class Merger:
    """Takes entries, and returns them merged, in the order of the source.

    Meanings are kept in a file, and words are sorted in files: first by themselves, so that each finds its
    meanings, and then by these, so that words with the same ones share a line.
    """

    def __init__(self, directory: Path | None) -> None:
        self.words = 0  # different ones
        self.merged = 0  # entries of a word that had one
        self._texts = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 (closed by `close`)
        self._ends = array("Q", [0])  # where each text ends, and the next one begins
        self._by_word = SortedRuns(directory)
        self._by_meaning = SortedRuns(directory)

    def add(self, entry: Entry, reading: Reading) -> None:
        """Take an entry; what cannot be used of it is skipped, with the reason."""
        text = clean_meaning(entry.meaning).encode()
        if not text:
            reading.skip(entry.place, "no meaning")
            return
        words = [clean_word(word).encode() for word in entry.words]
        if flaws := [flaw for flaw in map(_flaw_of, words) if flaw]:
            for flaw in flaws:
                reading.skip(entry.place, flaw)
            words = [word for word in words if not _flaw_of(word)]
            if not words:
                return
        number = len(self._ends) - 1
        self._texts.write(text)
        self._ends.append(self._ends[-1] + len(text))
        if self._ends[-1] > MAX_SIZE:
            raise DictionaryError(f"{entry.place}: more than {MAX_SIZE} bytes of meanings up to here")
        for word in words:
            self._by_word.add(b"%b\0%09x" % (word, number))

    def entries(self) -> Iterator[Merged]:
        """All of them; `words` and `merged` are known as soon as the first one comes."""
        self._texts.flush()
        for word, ids in self._words():
            self.words += 1
            self.merged += len(ids) - 1
            self._by_meaning.add(b"%b\0%b" % (b"".join([b"%09x" % number for number in ids]), word))
        rows = (row.partition(b"\0") for batch in self._by_meaning.batches() for row in batch)
        for key, group in groupby(rows, key=itemgetter(0)):
            yield Merged([word.decode() for _, _, word in group], self._meanings(key))

    @property
    def size(self) -> int:
        """The number of meanings."""
        return len(self._ends) - 1

    def close(self) -> None:
        """Give the files back."""
        self._texts.close()
        self._by_word.close()
        self._by_meaning.close()

    def _words(self) -> Iterator[tuple[bytes, Ids]]:
        """Each word, and its meanings."""
        rows = (row.partition(b"\0") for batch in self._by_word.batches() for row in batch)
        for word, group in groupby(rows, key=itemgetter(0)):
            yield word, tuple(dict.fromkeys([int(number, 16) for _, _, number in group]))

    def _meanings(self, key: bytes) -> list[str]:
        """The texts of these numbers, each once; not all of those that no line can hold."""
        meanings: dict[str, None] = {}
        size = 0
        for at in range(0, len(key), 9):
            text = self._text(int(key[at : at + 9], 16))
            size += len(text)
            meanings[text] = None
            if size > ENOUGH:
                break
        return list(meanings)

    def _text(self, number: int) -> str:
        start, end = self._ends[number], self._ends[number + 1]
        return os.pread(self._texts.fileno(), end - start, start).decode()


def _flaw_of(word: bytes) -> str:
    """Why this can be no word; "" where it can."""
    if not word:
        return "no word"
    if len(word) > MAX_WORD:
        return f"a word of more than {MAX_WORD} bytes"
    if word.startswith(b"##"):
        return "the word begins with ##, as the head of a file does"
    return ""
