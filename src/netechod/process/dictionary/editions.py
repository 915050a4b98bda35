"""The editions of several dictionaries: they are loaded together, and replaced together."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from netechod.errors import DictionaryError
from netechod.process.config.schema import Dictionary as Settings
from netechod.process.dictionary.changes import Changes, check_loss, compared
from netechod.process.dictionary.file import log_loaded
from netechod.reactor.tasks import Work
from netechod.services.dictionary.service import Dictionary, MemoryDictionary

Editions: TypeAlias = Mapping[str, Dictionary]
"""Editions by the names of their dictionaries, in the order in which these are asked."""

Load: TypeAlias = Callable[[Settings, Dictionary | None], Work[Dictionary]]
"""Loads a dictionary, beside the edition of it that is in use."""


def load_all(load: Load, settings: Mapping[str, Settings], in_use: Editions) -> Work[Editions]:
    """Load the dictionaries in steps, one after the other. Raises DictionaryError; then none stays open."""
    editions: dict[str, Dictionary] = {}
    try:
        for name, section in settings.items():
            editions[name] = yield from load(section, in_use.get(name))
    except (DictionaryError, GeneratorExit):
        close_unused(editions, in_use.values())
        raise
    return editions


def compare_all(
    old: Editions, new: Editions, settings: Mapping[str, Settings]
) -> Work[Mapping[str, Changes]]:
    """Compare the editions of each dictionary. Raises DictionaryError if a file is not to be believed."""
    found = {}
    for name in {**old, **new}:
        before, after = old.get(name, MemoryDictionary()), new.get(name, MemoryDictionary())
        found[name] = yield from compared(before, after)
        if name in new:
            check_loss(found[name], after, settings[name].max_skipped)
    return found


def close_unused(editions: Editions, in_use: Iterable[Dictionary]) -> None:
    """Close the editions that are not in use."""
    kept = {id(edition) for edition in in_use}
    for edition in editions.values():
        if id(edition) not in kept:
            edition.close()


def with_first_name(name: str, editions: Editions) -> Editions:
    """Return the editions with another name for the first one, as after a change of `dictionary.name`."""
    first, *_ = editions
    return {name if other == first else other: edition for other, edition in editions.items()}


def words_in(editions: Editions) -> int:
    """Return the number of words in all dictionaries."""
    return sum(map(len, editions.values()))


def log_all(editions: Editions, seconds: float) -> None:
    """Log the editions that are in use now. The names of all but the first are logged, too."""
    for number, (name, edition) in enumerate(editions.items()):
        log_loaded(edition, seconds, name if number else "")
