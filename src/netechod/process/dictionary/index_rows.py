"""The rows of an index's tables, and how those of folded words and headwords are made of sorted lines."""

import hashlib
from collections.abc import Callable, Iterator
from itertools import chain, count, groupby, islice
from typing import TypeAlias

from netechod.process.dictionary.external_sort import SortedRuns
from netechod.services.dictionary.headwords import chunked
from netechod.services.dictionary.service import MAX_SPELLINGS

BATCH = 1000  # rows that are written at a time
MAX_KEY = 510  # bytes of a word that is its own key; LMDB has room for 511
DIGEST = 64  # hex digits of SHA-256, the end of the key of a longer word
LINE_END = b"\xff"  # of a meaning, in a line that is sorted: no UTF-8 has this byte

Row: TypeAlias = tuple[bytes, bytes]
"""A key and its value, as in a table."""

Join: TypeAlias = Callable[[int, bytes, bytes, bytes], bytes | None]
"""See `Parser.joined`."""


def packed(word: bytes, meaning: bytes) -> Row:
    """Return the entry of a long word: key from its start and digest, value from word and meaning."""
    return short_key(word), word + b"\0" + meaning


def unpacked(key: bytes, value: bytes) -> Row:
    """Return the word and meaning of an entry. Neither has a NUL in it."""
    if len(key) <= MAX_KEY:
        return key, value
    word, _, meaning = value.partition(b"\0")
    return word, meaning


def numbered(number: int) -> bytes:
    """The key of a chunk of headwords."""
    return number.to_bytes(4)


def short_key(word: bytes) -> bytes:
    """Return the key of a long word. It is longer than MAX_KEY, so it equals no short word."""
    return word[: MAX_KEY + 1 - DIGEST] + hashlib.sha256(word).hexdigest().encode()


def folded_rows(lines: SortedRuns) -> Iterator[list[Row]]:
    """The table of folded words, some rows at a time.

    A line is a key, a NUL, nine digits by which the lines of one key are sorted, and a word as its value.
    """
    groups = groupby(chain.from_iterable(lines.batches()), lambda line: line.partition(b"\0")[0])
    rows = (_joined(key, group) for key, group in groups)
    return iter(lambda: list(islice(rows, BATCH)), [])


def head_rows(words: SortedRuns) -> Iterator[list[Row]]:
    """The table of headwords, some rows at a time."""
    number = count()
    for chunks in chunked(words.batches()):
        yield [(numbered(next(number)), chunk) for chunk in chunks]


def joined_rows(lines: SortedRuns, join: Join) -> Iterator[list[Row]]:
    """The table of words of a Tabfile, some rows at a time: the meanings of a word are joined."""
    groups = groupby(chain.from_iterable(lines.batches()), lambda line: line.partition(b"\0")[0])
    rows = (_with_all_meanings(key, group, join) for key, group in groups)
    return iter(lambda: list(islice(rows, BATCH)), [])


def _with_all_meanings(key: bytes, lines: Iterator[bytes], join: Join) -> Row:
    word, meaning = unpacked(key, next(lines)[len(key) + 10 :].replace(LINE_END, b"\n"))
    for line in lines:
        number, value = line[len(key) + 1 : len(key) + 10], line[len(key) + 10 :].replace(LINE_END, b"\n")
        meaning = join(int(number, 16), word, meaning, unpacked(key, value)[1]) or meaning
    return packed(word, meaning) if len(word) > MAX_KEY else (word, meaning)


def _joined(key: bytes, lines: Iterator[bytes]) -> Row:
    """One row of the lines of a key: a word each and each once, MAX_SPELLINGS of them at most."""
    spellings: dict[bytes, None] = {}
    for line in lines:
        word, spelling = unpacked(key, line[len(key) + 10 :])
        if len(spellings) < MAX_SPELLINGS:
            spellings[spelling] = None
    joined = b"\n".join(spellings)
    return packed(word, joined) if len(word) > MAX_KEY else (word, joined)
