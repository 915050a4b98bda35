"""The editions that all services answer from, and their history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from netechod.process.config.schema import Dictionary as Settings
from netechod.process.dictionary.editions import Editions, close_unused
from netechod.process.dictionary.index import IndexedDictionary
from netechod.process.unix.clock import wall_clock
from netechod.services.dict.catalogue import Database, Databases
from netechod.services.dictionary.service import Dictionary, DictionaryService


@dataclass(frozen=True, kw_only=True)
class DictionaryStatus:
    """An edition in use."""

    file: str
    entries: int
    skipped: int
    sha256: str
    store: str  # where the words are: "memory", or "index" for its file
    generation: int  # how many editions there have been since the start
    loaded: float  # when, in seconds since the epoch
    name: str
    udp: bool  # whether look-ups over UDP find its words


class Words:
    """Holds the editions in use. A reload replaces all of them: a query sees the old ones or the new ones."""

    def __init__(self, editions: Editions, section: Settings, texts: Mapping[str, str]) -> None:
        """`texts` are those of the configuration's files, by its keys."""
        self.editions: Editions = {}
        self.service = DictionaryService(*editions.values())
        self._generation = 0
        self.replace(editions, section, texts)

    def replace(self, editions: Editions, section: Settings, texts: Mapping[str, str]) -> None:
        """Answer from other editions from now on, and close those that are not used any more."""
        old, self.editions = self.editions, editions
        self.settings = section.all
        self._information = {
            each.name: texts.get(f"{key}.information", "") for key, each in section.sections.items()
        }
        self._databases: Databases = ()  # made when somebody asks for them
        self._in_udp = {name for name in editions if name not in section.more or section.more[name].udp}
        self.service.replace(*(edition for name, edition in editions.items() if name in self._in_udp))
        close_unused(old, editions.values())
        self._generation += 1
        self._loaded = wall_clock()

    @property
    def in_use(self) -> Sequence[tuple[Settings, Dictionary]]:
        """The editions with the settings that they were loaded with."""
        return [(self.settings[name], edition) for name, edition in self.editions.items()]

    @property
    def databases(self) -> Databases:
        """The dictionaries as DICT clients see them."""
        self._databases = self._databases or tuple(
            Database(
                about.name,
                about.title or edition.title or about.file.name,
                edition,
                self._information[about.name] or edition.information,
            )
            for about, edition in self.in_use
        )
        return self._databases

    def status(self) -> Sequence[DictionaryStatus]:
        """Return which editions are in use, in order."""
        return [
            DictionaryStatus(
                file=str(self.settings[name].file),
                entries=len(edition),
                skipped=edition.skipped,
                sha256=edition.sha256,
                store="index" if isinstance(edition, IndexedDictionary) else "memory",
                generation=self._generation,
                loaded=self._loaded,
                name=name,
                udp=name in self._in_udp,
            )
            for name, edition in self.editions.items()
        ]
