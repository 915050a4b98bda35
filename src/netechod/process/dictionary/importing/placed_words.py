"""The words of an index in the order of their texts: each text is read once, for all its words."""

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from netechod.process.dictionary.external_sort import SortedRuns


class Place(NamedTuple):
    """Where a text lies in its file, in bytes."""

    offset: int
    length: int


class PlacedWords:
    """Takes words in any order, in little memory: see SortedRuns. A word is bytes without LF."""

    def __init__(self, directory: Path | None) -> None:
        self._runs = SortedRuns(directory)

    def add(self, place: Place, number: int, word: bytes) -> None:
        """Take a word, the place of its text, and its number in the index."""
        self._runs.add(b"%016x%016x%016x%b" % (*place, number, word))

    def texts(self) -> Iterator[tuple[Place, list[tuple[int, bytes]]]]:
        """Every place, in order, with the numbers and words of those that name it."""
        rows = (row for batch in self._runs.batches() for row in batch)
        for place, words in groupby(rows, key=itemgetter(slice(32))):
            yield (
                Place(int(place[:16], 16), int(place[16:], 16)),
                [(int(row[32:48], 16), row[48:]) for row in words],
            )

    def close(self) -> None:
        """Give the files back."""
        self._runs.close()
