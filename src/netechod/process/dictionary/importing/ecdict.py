r"""The reader of ECDICT: a csv of 13 columns, or an SQLite database with a table `stardict` of the same.

See github.com/skywind3000/ECDICT. In the csv a line break within a column is written as `\n`.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing

from netechod.errors import DictionaryError
from netechod.process.dictionary.importing.lists import csv_rows
from netechod.process.dictionary.importing.reading import (
    LINES_A_STEP,
    MAX_LINE,
    Entry,
    Reading,
    head_of,
    opened,
)
from netechod.services.wire import escape_controls

SQLITE = b"SQLite format 3\0"
COLUMNS = ("word", "phonetic", "translation", "definition", "exchange")


def read(reading: Reading) -> Iterator[Entry]:
    """The entries of `reading.path`. Raises DictionaryError."""
    reading.title = "ECDICT"
    return _database(reading) if head_of(reading.path).startswith(SQLITE) else _table(reading)


def _table(reading: Reading) -> Iterator[Entry]:
    """The csv: its first row names the columns."""
    names: Sequence[str] = ()
    for number, row in csv_rows(reading):
        place = f"{reading.path}:{number}"
        if not names:
            if missing := [name for name in ("word", "translation") if name not in row]:
                raise DictionaryError(f"{place}: not ECDICT: the first row names no column {missing[0]!r}")
            names = row
        elif len(row) != len(names):
            reading.skip(place, f"{len(row)} columns instead of {len(names)}")
        else:
            yield _entry(dict(zip(names, row, strict=True)), place)


def _database(reading: Reading) -> Iterator[Entry]:
    """The database; nothing that is written in it is run, as no view or trigger is used."""
    with opened(reading.path):  # is a file that we may read
        uri = f"{reading.path.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as database:
            database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_LINE)
            database.execute("PRAGMA trusted_schema = OFF")
            database.execute("PRAGMA cell_size_check = ON")
            yield from _records(reading, database)
    except (sqlite3.Error, UnicodeDecodeError, OverflowError) as error:
        raise DictionaryError(
            f"{reading.path}: the database cannot be read: {escape_controls(str(error))}"
        ) from None


def _records(reading: Reading, database: sqlite3.Connection) -> Iterator[Entry]:
    kinds = database.execute("SELECT type, sql FROM sqlite_master WHERE name = 'stardict'").fetchall()
    if [kind for kind, _ in kinds] != ["table"] or "virtual" in str(kinds[0][1]).lower():
        raise DictionaryError(f"{reading.path}: not ECDICT: the database has no table 'stardict'")
    (last,) = database.execute("SELECT max(rowid) FROM stardict").fetchone()
    rows = database.execute(f"SELECT rowid, {', '.join(COLUMNS)} FROM stardict ORDER BY rowid")  # noqa: S608 (ours)
    for number, *values in rows:
        if number % LINES_A_STEP == 0:
            reading.progress("reading", max(0.0, number / max(1, last)))
        record = {
            name: "" if value is None else str(value) for name, value in zip(COLUMNS, values, strict=True)
        }
        yield _entry(record, f"{reading.path}:row {number}")


def _entry(record: Mapping[str, str], place: str) -> Entry:
    """An entry: the sounds in brackets, the Chinese, the English, and the other forms in parentheses."""
    phonetic, exchange = record.get("phonetic", "").strip(), record.get("exchange", "").strip()
    texts = (
        f"[{phonetic}]" if phonetic else "",
        record["translation"],
        record.get("definition", ""),
        f"({exchange})" if exchange else "",
    )
    lines = (line.strip() for text in texts for line in text.replace("\\n", "\n").split("\n"))
    return Entry((record["word"].strip(),), "\n".join(filter(None, lines)), place)
