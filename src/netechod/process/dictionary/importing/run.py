"""`netechoctl dict import`: read a source, write a dictionary, and say what became of it."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from netechod.errors import DictionaryError, NetechodError, reason_of
from netechod.process.dictionary.importing.cleaning import clean_meaning, clean_word
from netechod.process.dictionary.importing.merging import Merger
from netechod.process.dictionary.importing.reading import LINES_A_STEP, Progress, Reading
from netechod.process.dictionary.importing.sources import READERS, located
from netechod.process.dictionary.importing.writing import Tabfile, replacing
from netechod.services.dictionary.tabfile import is_tabfile

FIRST = "main"  # the name of the dictionary in the section [dictionary], unless it is set
LICENCE = 200  # characters of it that are told
_LICENCE = (
    re.compile(r"licen[cs]e|public domain|creativecommons", re.IGNORECASE),
    re.compile("copyright", re.IGNORECASE),
)


def import_dictionary(
    source: Path, *, form: str, output: Path | None, title: str, progress: Progress
) -> Iterator[str]:
    """Make a dictionary of `source`, and yield what there is to say, by lines. Raises NetechodError.

    `form` is one of READERS, or "" for a guess. `output` is by default a file of the source's name in the
    current directory.
    """
    begun = time.monotonic()
    try:
        form, path = located(source, form)
        target = output or Path(f"{_base(path)}.tsv")
        if target.exists() and target.samefile(path):
            raise NetechodError(f"{target} is the source itself; name another file with -o")
        if target.exists() and not target.is_file():
            raise NetechodError(f"{target}: exists and is not a regular file; name another one with -o")
        reading = Reading(path, progress, target.absolute().parent)
        with closing(Merger(reading.scratch)) as merger:
            tabfile = _converted(form, reading, merger, target, title)
    except OSError as error:
        raise NetechodError(f"no dictionary is written: {reason_of(error)}") from None
    yield (
        f"{target}: {merger.words} words of {path} ({form}), {merger.merged} merged, {reading.skipped} "
        f"skipped, longest meaning {tabfile.longest} characters, in {time.monotonic() - begun:.1f} s"
    )
    yield from _remarks(reading, tabfile)
    yield from _configuration(target)


def _converted(form: str, reading: Reading, merger: Merger, target: Path, title: str) -> Tabfile:
    """Read, merge and write. Raises DictionaryError and OSError; then nothing is written."""
    for entry in READERS[form](reading):
        merger.add(entry, reading)
    if not merger.size:
        reasons = f"; {reading.reasons[0]}" if reading.reasons else ""
        raise DictionaryError(f"{reading.path}: holds no entry at all{reasons}")
    information = clean_meaning(reading.information)
    reading.licence = clean_word(reading.licence or _licence_in(information))[:LICENCE]
    with replacing(target) as file:
        tabfile = Tabfile(file)
        tabfile.head(
            {
                "name": clean_word(title or reading.title or _base(reading.path)),
                "licence": reading.licence,
                "source": reading.path.name,
                "information": information,
            }
        )
        reading.progress("merging", 0.0)
        for number, merged in enumerate(merger.entries()):
            if number % LINES_A_STEP == 0:
                reading.progress("writing", min(1.0, number / merger.size))
            tabfile.write(merged)
    return tabfile


def _base(path: Path) -> str:
    """The name of a source without what says its format."""
    return re.sub(r"(?<=.)\.(ifo|index|tsv|tab|txt|csv|db|sqlite|u8)(\.gz)?$|(?<=.)\.gz$", "", path.name)


def _licence_in(text: str) -> str:
    """The first line that speaks of a licence, or else of a copyright; "" where there is none.

    If it goes on with a sentence, the lines before it belong to it.
    """
    lines = [line.strip() for line in text.splitlines()]
    found = (number for wanted in _LICENCE for number, line in enumerate(lines) if wanted.search(line))
    end = begin = next(found, -1)
    if end < 0:
        return ""
    while begin and lines[begin][0].islower() and lines[begin - 1]:
        begin -= 1
    return " ".join(lines[begin : end + 1])


def _remarks(reading: Reading, tabfile: Tabfile) -> Iterator[str]:
    """What was left out, and what else the operator should know."""
    yield from reading.warnings
    for reason in reading.reasons:
        yield f"{reason}; skipped"
    if (more := reading.skipped - len(reading.reasons)) > 0:
        yield f"{more} more are skipped"
    if tabfile.cut:
        yield f"{tabfile.cut} meanings are too long for a line and are cut"
    yield f"licence: {reading.licence or 'the source names none'}"


def _configuration(target: Path) -> Iterator[str]:
    """The lines that have the daemon serve the file."""
    name = re.sub("[^a-z0-9_-]+", "-", target.stem.lower()).strip("-_")[:32]
    if name in ("", FIRST):
        name = "imported"
    yield "to serve it, add these lines to /etc/netechod/netechod.toml, and run: netechoctl reload"
    yield ""
    yield f"[dictionary.more.{name}]"
    yield f"file = {json.dumps(str(target.absolute()), ensure_ascii=False)}"
    if not is_tabfile(target.name):
        yield 'format = "tsv"'
