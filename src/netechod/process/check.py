"""`netechod --check`: would a start, or a reload, accept the files?"""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from netechod.errors import ConfigError, DictionaryError
from netechod.process.command_check import doubts
from netechod.process.command_keys import with_keys
from netechod.process.config import Dictionary
from netechod.process.config_file import load
from netechod.process.dictionary_file import Stamp, stamp_of
from netechod.process.dictionary_index import open_index
from netechod.process.dictionary_loader import fits, is_large, rules_of
from netechod.process.index_builder import survey
from netechod.process.index_facts import UnusableIndexError


def check(path: Path | None, overrides: Sequence[str]) -> list[str]:
    """Check configuration and dictionary without touching anything; returns the good news, a line a file.

    Raises ConfigError for both: a daemon with a bad dictionary is a daemon configured badly.
    """
    loaded = with_keys(load(path, overrides))
    config = loaded.config
    lines = [*doubts(loaded), f"{path or 'built-in configuration'}: ok"]
    section = config.dictionary
    if section.enabled:
        try:
            entries, facts = survey(section.file, max_size=section.max_size, rules=rules_of(section))
        except DictionaryError as error:
            raise ConfigError(f"error: {error}") from None
        lines += facts.warnings
        lines.append(f"{section.file}: ok, {entries} words, {facts.skipped} lines skipped")
        stamp = stamp_of(section.file)
        if section.index is not None and stamp is not None and is_large(section, stamp):
            lines.append(f"{section.index}: {_state(section, stamp, section.index)}")
    return lines


def _state(section: Dictionary, stamp: Stamp, index: Path) -> str:
    """What there is of the index that a large dictionary has."""
    try:
        with closing(open_index(index)) as edition:
            if not fits(section, stamp, edition):
                return "the index of another file"
            known = edition.facts.stamp == stamp
            return (
                "ok, the index of this file"
                if known
                else "of a file of the same size and time; verified first"
            )
    except UnusableIndexError as error:
        return f"no index yet: {error}"
