"""Loads several dictionaries at once: a reload replaces all of them, or none."""

from collections.abc import Mapping
from typing import TypeAlias

from netechod.errors import DictionaryError
from netechod.process.config.schema import Dictionary as Settings
from netechod.process.dictionary.loader import Loader
from netechod.reactor.tasks import Work
from netechod.services.dictionary.service import Dictionary

Editions: TypeAlias = Mapping[str, Dictionary]
"""The editions of dictionaries by the names of these, in their order."""


def load_all(
    loader: Loader, settings: Mapping[str, Settings], current: Editions | None = None
) -> Work[Editions]:
    """Load the dictionaries in steps, one after the other.

    Raises DictionaryError if one of them cannot be loaded; then those that were loaded are closed.
    """
    in_use = current or {}
    editions: dict[str, Dictionary] = {}
    try:
        for name, section in settings.items():
            editions[name] = yield from loader.load(section, in_use.get(name))
    except (DictionaryError, GeneratorExit):
        close_unused(editions, in_use)
        raise
    return editions


def close_unused(editions: Editions, in_use: Editions) -> None:
    """Close the editions that are not, or no longer, in use."""
    kept = {id(edition) for edition in in_use.values()}
    for edition in editions.values():
        if id(edition) not in kept:
            edition.close()
