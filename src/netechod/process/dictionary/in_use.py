"""The edition that all services answer from, and its history."""

from dataclasses import dataclass
from pathlib import Path

from netechod.process.clock import wall_clock
from netechod.process.dictionary.index import IndexedDictionary
from netechod.services.dictionary import Dictionary, DictionaryService


@dataclass(frozen=True, kw_only=True)
class DictionaryStatus:
    """The edition in use."""

    file: str
    entries: int
    skipped: int
    sha256: str
    store: str  # where the words are: "memory", or "index" for its file
    generation: int  # how many editions there have been since the start
    loaded: float  # when, in seconds since the epoch


class Words:
    """Holds the edition in use. A reload replaces it by one assignment: a query sees one or the other."""

    def __init__(self, edition: Dictionary, file: Path) -> None:
        self.service = DictionaryService(edition)
        self._file = file
        self._generation = 1
        self._loaded = wall_clock()

    @property
    def edition(self) -> Dictionary:
        """The edition in use."""
        return self.service.dictionary

    def replace(self, edition: Dictionary, file: Path) -> None:
        """Answer from another edition from now on, and close the one before."""
        old = self.edition
        self.service.replace(edition)
        if old is not edition:
            old.close()
        self._file = file
        self._generation += 1
        self._loaded = wall_clock()

    def status(self) -> DictionaryStatus:
        """Return which edition is in use."""
        edition = self.edition
        return DictionaryStatus(
            file=str(self._file),
            entries=len(edition),
            skipped=edition.skipped,
            sha256=edition.sha256,
            store="index" if isinstance(edition, IndexedDictionary) else "memory",
            generation=self._generation,
            loaded=self._loaded,
        )
