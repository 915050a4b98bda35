"""Finds the files of a source, and the reader of its format."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from netechod.errors import DictionaryError
from netechod.process.dictionary.importing import cedict, dictd, ecdict, lists, stardict
from netechod.process.dictionary.importing.reading import Entry, Reading, guessed

Reader: TypeAlias = Callable[[Reading], Iterator[Entry]]
"""Yields the entries of a source, and notes what else it finds. Raises DictionaryError."""

READERS: Mapping[str, Reader] = {
    "dictd": dictd.read,
    "stardict": stardict.read,
    "ecdict": ecdict.read,
    "cedict": cedict.read,
    "tsv": lists.read_tabs,
    "csv": lists.csv_reader(","),
    "semicolon": lists.csv_reader(";"),
    **{form: lists.reader_of(*separator) for form, separator in lists.SEPARATORS.items()},
}
INDEXES = {"stardict": ".ifo", "dictd": ".index"}
"""The formats of several files, and the ending of the one that their readers begin with."""

_ENDINGS = (".ifo", ".index", ".idx.gz", ".idx.dz", ".idx", ".syn.gz", ".syn.dz", ".syn", ".dict.dz", ".dict")


def located(source: Path, form: str) -> tuple[str, Path]:
    """The format of a source, if `form` does not say it, and the file to read. Raises DictionaryError.

    A dictionary of several files may be named by any of them, by their common part, or by their directory.
    """
    if source.is_dir():
        source = _only_index(source)
    ending = next((ending for ending in _ENDINGS if source.name.endswith(ending)), "")
    if ending or not source.exists():
        base = str(source)[: len(str(source)) - len(ending)]
        for known, index in INDEXES.items():
            if form in ("", known) and Path(base + index).exists():
                return known, Path(base + index)
    return form or guessed(source), source


def _only_index(directory: Path) -> Path:
    """The one dictionary in a directory. Raises DictionaryError when there are more, or none."""
    found = sorted(file for file in directory.iterdir() if file.suffix in INDEXES.values())
    if len(found) != 1:
        names = ", ".join(file.name for file in found) or "no .ifo and no .index file"
        raise DictionaryError(f"{directory}: a directory with {names}; name one file")
    return found[0]
