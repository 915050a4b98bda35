"""The readers of word lists: a word, a separator, and its meaning in each line."""

import csv
import re
from collections.abc import Callable, Iterator

from netechod.process.dictionary.importing.reading import MAX_LINE, Entry, Reading, text_lines
from netechod.services.dictionary.tabfile import About, entry_of

SEPARATORS = {
    "spaces": (re.compile(r"[ \u3000]{2,}|\u3000"), "several spaces"),
    "colon": (re.compile("[:：]"), "a colon"),
    "comma": (re.compile("[，,]"), "a comma"),
    "equals": (re.compile("[=＝]"), "an equals sign"),
    "bar": (re.compile(r"\|"), "a bar"),
    "dash": (re.compile(r"\s-+\s"), "a dash between spaces"),
    "space": (re.compile(" "), "a space"),
}


def reader_of(separator: re.Pattern[str], name: str) -> Callable[[Reading], Iterator[Entry]]:
    """The reader of lists with this separator."""

    def read(reading: Reading) -> Iterator[Entry]:
        for number, line in text_lines(reading, reading.path):
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            word, *rest = separator.split(text, maxsplit=1)
            if rest:
                yield Entry((word,), rest[0], f"{reading.path}:{number}")
            else:
                reading.skip(f"{reading.path}:{number}", f"no separator; {name} should stand behind the word")

    return read


def read_tabs(reading: Reading) -> Iterator[Entry]:
    """The entries of a Tabfile, or of any list with tabs. Raises DictionaryError."""
    about = About()
    is_top = True
    for number, line in text_lines(reading, reading.path):
        text = line.rstrip("\r\n")
        if is_top and about.note(text):
            continue
        if (entry := entry_of(text)) is not None:
            is_top = False
            words, meaning = entry
            yield Entry(tuple(words) or ("",), meaning, f"{reading.path}:{number}")
        elif text.strip() and not text.startswith("#"):
            reading.skip(f"{reading.path}:{number}", "no tab between a word and its meaning")
    reading.title, reading.licence, reading.information = about.title, about.licence, about.information


def csv_reader(delimiter: str) -> Callable[[Reading], Iterator[Entry]]:
    """The reader of CSV: a word, and what belongs to it in further columns, which become a line each."""

    def read(reading: Reading) -> Iterator[Entry]:
        for number, row in csv_rows(reading, delimiter):
            place = f"{reading.path}:{number}"
            if len(row) < 2:
                reading.skip(place, "one column; write the word, the separator, and its meaning")
            elif number > 1 or row[0].lower() != "word":
                yield Entry((row[0],), "\n".join(filter(None, row[1:])), place)

    return read


def csv_rows(reading: Reading, delimiter: str = ",") -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, each with the number of its last line."""
    csv.field_size_limit(MAX_LINE)
    rows = csv.reader((line for _, line in text_lines(reading, reading.path)), delimiter=delimiter)
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            reading.skip(f"{reading.path}:{rows.line_num}", str(error))
        else:
            if row:
                yield rows.line_num, row
