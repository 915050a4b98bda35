"""The reader of dictd's format: an `.index` of words and places, and texts in `.dict` or `.dict.dz`.

The format is that of dictfmt(1). Numbers are base64 digits, most significant first. Words that begin with
`00database` or `00-database-` are about the dictionary.
"""

import re
from binascii import a2b_base64
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from netechod.errors import DictionaryError
from netechod.process.dictionary.importing.markup import plain
from netechod.process.dictionary.importing.placed_words import Place, PlacedWords
from netechod.process.dictionary.importing.reading import Entry, Reading, Texts, raw_lines, texts_of
from netechod.services.dictionary.service import fold

_MAX_DIGITS = 10  # 60 bits
_FILLED = 12  # digits of whole bytes
_SIGNS = re.compile(r"[\W_]+")
_HEADER = re.compile(rb"00-?database-?")
_BEHIND_WORD = re.compile(r" +[/<\[(]|,|  ")  # what FreeDict and others write behind the word, in its line

Headers: TypeAlias = dict[bytes, Place]
"""Where the texts about the dictionary lie, by their names."""


def read(reading: Reading) -> Iterator[Entry]:
    """The entries of a dictionary whose index is `reading.path`. Raises DictionaryError."""
    index = reading.path
    with closing(PlacedWords(reading.scratch)) as words:
        headers = _index(reading, words)
        with texts_of(reading, texts_beside(index)) as texts:
            yield from _read(reading, words, headers, texts)


def _read(reading: Reading, words: PlacedWords, headers: Headers, texts: Texts) -> Iterator[Entry]:
    """The entries, when index and texts are at hand."""
    is_markup = _about(reading, texts, headers)
    own = set(headers.values())
    for place, named in words.texts():
        reading.progress("reading", place.offset / max(1, texts.size))
        if place not in own:  # an alias of a header, such as GCIDE's 00-gcide-long
            entry = _entry(reading, named, texts.at(*place), is_markup=is_markup)
            if entry is not None:
                yield entry


def texts_beside(index: Path) -> Path:
    """The file of texts that belongs to an index. Raises DictionaryError when there is none."""
    base = index.with_suffix("")
    for name in (f"{base}.dict.dz", f"{base}.dict"):
        if Path(name).exists():
            return Path(name)
    raise DictionaryError(
        f"{base}.dict.dz: no such file, and no {base.name}.dict; an index alone holds no texts"
    )


def number_of(digits: bytes) -> int:
    """The number in base64 digits. Raises ValueError."""
    if not 0 < len(digits) <= _MAX_DIGITS or b"=" in digits:
        raise ValueError
    return int.from_bytes(a2b_base64(digits.rjust(_FILLED, b"A"), strict_mode=True))  # A is the digit 0


def _index(reading: Reading, words: PlacedWords) -> Headers:
    """Take the words out of the index; returns what is about the dictionary. Raises DictionaryError."""
    headers: Headers = {}
    for number, line in raw_lines(reading, reading.path):
        fields = line.removesuffix(b"\n").split(b"\t")
        try:
            if not line.endswith(b"\n"):
                raise ValueError
            place = Place(number_of(fields[1]), number_of(fields[2]))
        except (ValueError, IndexError):
            raise DictionaryError(
                f"{reading.path}:{number}: not a line of an index: word, offset and length between tabs"
            ) from None
        if found := _HEADER.match(fields[0]):
            headers[fields[0][found.end() :]] = place
        else:
            words.add(place, number, fields[3] if len(fields) > 3 else fields[0])
    return headers


def _about(reading: Reading, texts: Texts, headers: Headers) -> bool:
    """Find out about the dictionary; returns whether its texts are HTML. Raises DictionaryError."""

    def header(name: bytes) -> str:
        """Its text, without the first line if that is its name."""
        text = texts.at(*headers[name]).decode(errors="replace") if name in headers else ""
        first, _, rest = text.partition("\n")
        return rest.strip() if first.startswith(("00-database", "00database")) else text.strip()

    reading.title = " ".join(header(b"short").split())
    reading.information = header(b"info")
    if any(name.startswith(b"8bit") for name in headers):
        raise DictionaryError(
            f"{reading.path}: a dictionary in an 8-bit character set; convert index and texts with iconv, "
            "and make it again with dictfmt --utf8"
        )
    return "html" in header(b"mimeheader").lower() + header(b"mime-header").lower()


def _entry(
    reading: Reading, named: Sequence[tuple[int, bytes]], text: bytes, *, is_markup: bool
) -> Entry | None:
    """A text as an entry, or none, with the reason.

    Its words are found as the text spells them, and as the index does: that is how dictd's users know them.
    """
    place = f"{reading.path}:{named[0][0]}"
    try:
        meaning = text.decode()
        words = [word.decode() for _, word in named]
    except UnicodeDecodeError:
        reading.skip(place, "not UTF-8")
        return None
    if is_markup:
        meaning = plain(meaning)
    first, _, rest = meaning.lstrip("\n").partition("\n")
    whole = _skeleton(first)
    start = _BEHIND_WORD.split(first, maxsplit=1)[0]
    spelt = {whole: first, _skeleton(start): start}  # as the text spells it: most indexes are folded
    if rest.strip() and all(_skeleton(word) == whole for word in words):
        meaning = rest  # the line says the word and nothing else
    heads: dict[str, str] = {}
    for word in words:
        for head in (spelt.get(_skeleton(word), word), word):
            heads.setdefault(fold(head), head)
    return Entry(tuple(heads.values()), meaning, place)


@lru_cache(maxsize=16)
def _skeleton(word: str) -> str:
    """What is left of a word in an index: dictfmt drops case, and all but letters and digits."""
    folded = word.casefold()
    return folded if folded.isalnum() else _SIGNS.sub("", folded) or " ".join(word.split())
