"""`netechod --check`: would a start, or a reload, accept the files?"""

from collections.abc import Sequence
from pathlib import Path

from netechod.errors import ConfigError, DictionaryError
from netechod.process.command_check import doubts
from netechod.process.command_keys import with_keys
from netechod.process.config_file import load
from netechod.process.dictionary_file import completed, load_dictionary


def check(path: Path | None, overrides: Sequence[str]) -> list[str]:
    """Check configuration and dictionary without touching anything; returns the good news, a line a file.

    Raises ConfigError for both: a daemon with a bad dictionary is a daemon configured badly.
    """
    loaded = with_keys(load(path, overrides))
    config = loaded.config
    lines = [*doubts(loaded), f"{path or 'built-in configuration'}: ok"]
    section = config.dictionary
    if section.enabled:
        loading = load_dictionary(section.file, max_size=section.max_size, strict=section.strict)
        try:
            dictionary = completed(loading)
        except DictionaryError as error:
            raise ConfigError(f"error: {error}") from None
        lines += dictionary.warnings
        lines.append(f"{section.file}: ok, {len(dictionary)} words, {dictionary.skipped} lines skipped")
    return lines
