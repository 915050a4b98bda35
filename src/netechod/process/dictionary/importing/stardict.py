"""The reader of StarDict's format: `.ifo`, `.idx`, `.dict` and perhaps `.syn`, packed or not.

The format is that of doc/StarDictFileFormat. Numbers are big-endian. A text is a sequence of parts,
each of a type. Small letters are texts that end with NUL, capitals are data behind their length in 32 bits.
"""

from array import array
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from netechod.errors import DictionaryError
from netechod.process.dictionary.importing.markup import plain
from netechod.process.dictionary.importing.placed_words import Place, PlacedWords
from netechod.process.dictionary.importing.reading import (
    Entry,
    Reading,
    Texts,
    Unpacked,
    opened,
    text_lines,
    texts_of,
)

MAX_WORD = 64 * 1024  # bytes of a word in an index; more is no index
TEXT = "mlwn"  # types that are plain text; w is MediaWiki's, which can be read as it is
PHONETIC = "ty"
MARKUP = "ghxk"  # Pango, HTML, XDXF, KingSoft
FIRST_LINE = "StarDict's dict ifo file"


class _MalformedError(Exception):
    """A text that is no sequence of parts; says what is wrong."""


def read(reading: Reading) -> Iterator[Entry]:
    """The entries of the dictionary whose `.ifo` is `reading.path`. Raises DictionaryError."""
    facts = _facts(reading)
    offset_size = {"": 4, "32": 4, "64": 8}.get(facts.get("idxoffsetbits", ""), 0)
    if not offset_size:
        raise DictionaryError(
            f"{reading.path}: idxoffsetbits={facts['idxoffsetbits']!r}: only 32 and 64 are known"
        )
    with closing(PlacedWords(reading.scratch)) as words:
        _index(reading, words, offset_size, facts)
        with texts_of(reading, _beside(reading.path, "dict.dz", "dict")) as texts:
            yield from _read(reading, words, texts, facts.get("sametypesequence", ""))


def _read(reading: Reading, words: PlacedWords, texts: Texts, sequence: str) -> Iterator[Entry]:
    """The entries, when index and texts are at hand."""
    for place, named in words.texts():
        reading.progress("reading", place.offset / max(1, texts.size))
        at = f"{reading.path}:entry {named[0][0]}"
        try:
            meaning = meaning_of(texts.at(*place), sequence)
            spelt = tuple(word.decode() for _, word in named)
        except _MalformedError as error:
            reading.skip(at, str(error))
        except UnicodeDecodeError:
            reading.skip(at, "not UTF-8")
        else:
            yield Entry(spelt, meaning, at)


def meaning_of(data: bytes, sequence: str) -> str:
    """The texts of a sequence of parts, from a new line each; pictures, sounds and data are left out."""
    lines = []
    for kind, part in _parts(data, sequence):
        text = part.decode() if kind.islower() else ""
        if kind in PHONETIC and text.strip():
            lines.append(f"[{text.strip()}]")
        elif kind in MARKUP:
            lines.append(plain(text).strip("\n"))
        elif kind in TEXT:
            lines.append(text.strip("\n"))
    return "\n".join(line for line in lines if line.strip())


def _parts(data: bytes, sequence: str) -> Iterator[tuple[str, bytes]]:
    """The parts of a text. Where a `sequence` gives their types, the last one has no end of its own."""
    at = count = 0
    while count < len(sequence) if sequence else at < len(data):
        kind = sequence[count] if sequence else chr(data[at])
        at += not sequence
        count += 1
        if sequence and count == len(sequence):
            end = behind = len(data)
        elif kind.isupper():
            length, at = int.from_bytes(data[at : at + 4]), at + 4
            end = behind = at + length
        else:
            end = data.find(b"\0", at)
            end = len(data) if end < 0 and not sequence else end
            behind = end + 1
        if not at <= end <= len(data):
            raise _MalformedError(f"the text ends in its part of type {kind!r}")
        yield kind, data[at:end]
        at = behind


def _facts(reading: Reading) -> Mapping[str, str]:
    """The `.ifo` file: key=value lines behind a first line. Raises DictionaryError."""
    lines = [line.strip() for _, line in text_lines(reading, reading.path)]
    if not lines or lines[0] != FIRST_LINE:
        raise DictionaryError(f"{reading.path}:1: not a StarDict .ifo file: it begins with {FIRST_LINE!r}")
    facts = {key.strip(): value.strip() for key, _, value in (line.partition("=") for line in lines[1:])}
    sequence = facts.get("sametypesequence", "")
    if not sequence.isascii() or not (sequence.isalpha() or not sequence):
        raise DictionaryError(f"{reading.path}: sametypesequence={sequence!r}: not letters")
    reading.title = facts.get("bookname", "")
    about = [
        facts.get(key, "") for key in ("description", "copyright", "license", "author", "website", "date")
    ]
    reading.information = plain("\n".join(filter(None, about)))
    return facts


def _index(reading: Reading, words: PlacedWords, offset_size: int, facts: Mapping[str, str]) -> None:
    """Take the words out of `.idx` and `.syn`. Raises DictionaryError."""
    offsets, lengths = array("Q"), array("Q")
    path = _beside(reading.path, "idx", "idx.gz", "idx.dz")
    for number, (word, rest) in enumerate(_rows(path, offset_size + 4), 1):
        place = Place(int.from_bytes(rest[:offset_size]), int.from_bytes(rest[offset_size:]))
        words.add(place, number, word.replace(b"\n", b" "))
        offsets.append(place.offset)
        lengths.append(place.length)
    if facts.get("wordcount", str(len(offsets))) != str(len(offsets)):
        reading.warnings.append(
            f"{reading.path}: wordcount={facts['wordcount']}, but there are {len(offsets)} words"
        )
    synonyms = _beside_or_none(reading.path, "syn", "syn.gz", "syn.dz")
    if synonyms is None:
        return
    for word, rest in _rows(synonyms, 4):
        number = int.from_bytes(rest)
        if number >= len(offsets):
            raise DictionaryError(
                f"{synonyms}: a synonym of word {number}, but there are {len(offsets)} words"
            )
        words.add(Place(offsets[number], lengths[number]), number + 1, word.replace(b"\n", b" "))


def _rows(path: Path, size: int) -> Iterator[tuple[bytes, bytes]]:
    """The rows of an index: a word, NUL, and `size` bytes. Raises DictionaryError."""
    data, number = b"", 0
    with opened(path) as file:
        for block in Unpacked(path, file).blocks():
            data += block
            at = 0
            while (end := data.find(b"\0", at)) >= 0 and end + 1 + size <= len(data):
                yield data[at:end], data[end + 1 : end + 1 + size]
                at = end + 1 + size
                number += 1
            data = data[at:]
            if len(data) > MAX_WORD + size:
                raise DictionaryError(
                    f"{path}: entry {number + 1} has more than {MAX_WORD} bytes: not an index"
                )
    if data:
        raise DictionaryError(f"{path}: ends in the middle of entry {number + 1}; the file is cut short")


def _beside(path: Path, *endings: str) -> Path:
    """The first file of these endings beside the `.ifo`. Raises DictionaryError when there is none."""
    found = _beside_or_none(path, *endings)
    if found is None:
        raise DictionaryError(
            f"{path.with_suffix('')}.{endings[0]}: no such file; a .ifo file alone holds no words"
        )
    return found


def _beside_or_none(path: Path, *endings: str) -> Path | None:
    files = (Path(f"{path.with_suffix('')}.{ending}") for ending in endings)
    return next(filter(Path.exists, files), None)
