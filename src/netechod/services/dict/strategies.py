"""The strategies of MATCH. Each finds headwords that are like a word, in the order of their bytes.

A strategy works in steps of about 0.1 ms. It yields a headword, or b"" after a step that has found none.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import islice
from typing import NamedTuple, TypeAlias

from netechod.services.dict.catalogue import Databases, Words, folded

STEP = 16  # headwords that are noted between two pieces of work
CHUNKS = 4  # chunks of headwords that are searched in a step
CANDIDATES = 128  # words that are looked up in a step
NEIGHBOURS = 2000  # headwords that are compared with a word whose letters are not all in LETTERS
MAX_MISSPELT = 64  # characters of a word whose neighbours are looked for
LETTERS = "abcdefghijklmnopqrstuvwxyz '-"

Find: TypeAlias = Callable[[Words, str], Iterator[bytes]]
"""Finds headwords; the word is folded, and not empty."""


Match: TypeAlias = tuple[str, bytes]
"""The name of a database, and a word of it."""


class Strategy(NamedTuple):
    """One way to match."""

    description: str
    find: Find
    scans: bool = False  # whether it searches all headwords


def _exact(words: Words, word: str) -> Iterator[bytes]:
    yield from words.heads_among([word])


def _prefix(words: Words, word: str) -> Iterator[bytes]:
    return _search(words, b"\n" + word.encode(), begins=word.encode())


def _first(words: Words, word: str) -> Iterator[bytes]:
    found = _search(words, b"\n" + word.encode(), begins=word.encode())
    return (head for head in found if not head or _ends_at(head.decode(), len(word)))


def _substring(words: Words, word: str) -> Iterator[bytes]:
    return _search(words, word.encode())


def _suffix(words: Words, word: str) -> Iterator[bytes]:
    return _search(words, word.encode() + b"\n")


def _last(words: Words, word: str) -> Iterator[bytes]:
    found = _search(words, word.encode() + b"\n")
    return (head for head in found if not head or _begins_at(head.decode(), -len(word)))


def _word(words: Words, word: str) -> Iterator[bytes]:
    return (head for head in _search(words, word.encode()) if not head or _has_word(head.decode(), word))


def _search(words: Words, needle: bytes, begins: bytes = b"") -> Iterator[bytes]:
    """The headwords whose lines hold `needle`; with `begins`, all that match begin with that."""
    for number, chunk in enumerate(words.dictionary.heads(begins), 1):
        if not chunk or not number % CHUNKS:
            yield b""
        place = chunk.find(needle)
        while place >= 0:
            start = chunk.rfind(b"\n", 0, place + 1) + 1
            end = chunk.index(b"\n", start)
            yield chunk[start:end]
            place = chunk.find(needle, end)
        if begins and chunk:
            last = chunk[chunk.rfind(b"\n", 0, -1) + 1 : -1]
            if last[: len(begins)] > begins:
                return


def _begins_at(head: str, place: int) -> bool:
    """Whether no word of `head` goes on across its character at `place`."""
    before = head[:place]
    return not before or not before[-1].isalnum()


def _ends_at(head: str, place: int) -> bool:
    return not head[place : place + 1].isalnum()


def _has_word(head: str, word: str) -> bool:
    place = head.find(word)
    while place >= 0:
        if _begins_at(head, place) and _ends_at(head, place + len(word)):
            return True
        place = head.find(word, place + 1)
    return False


def _lev(words: Words, word: str) -> Iterator[bytes]:
    """Headwords that differ in one letter at most, or in the order of two letters side by side."""
    found = set(_exact(words, word))
    if len(word) <= MAX_MISSPELT:
        candidates = _candidates(word)
        while some := set(islice(candidates, CANDIDATES)):
            found.update(words.heads_among(some))
            yield b""
        if not set(word) <= set(LETTERS):
            for neighbour in _neighbours(words, word):
                found.add(neighbour)
                yield b""
    found.discard(b"")
    yield from sorted(found)


def _candidates(word: str) -> Iterator[str]:
    """Every word that one edit makes of `word`, with letters of LETTERS and its own."""
    letters = {*LETTERS, *word}
    for place in range(len(word) + 1):
        before, behind = word[:place], word[place:]
        for letter in letters:
            yield before + letter + behind
            if behind:
                yield before + letter + behind[1:]
        yield before + behind[1:]
        if len(behind) > 1:
            yield before + behind[1] + behind[0] + behind[2:]


def _neighbours(words: Words, word: str) -> Iterator[bytes]:
    """Headwords with the same first character that one edit with any letter makes; b"" now and then."""
    begins = word[0].encode()
    for number, head in enumerate(_search(words, b"\n" + begins, begins)):
        if number == NEIGHBOURS:
            return
        if head and _is_near(head.decode(), word):
            yield head
        elif not number % CANDIDATES:
            yield b""


def _is_near(one: str, other: str) -> bool:
    """Whether at most one edit makes `other` of `one`."""
    if abs(len(one) - len(other)) > 1:
        return False
    start = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    if start is None:
        return True
    one, other = one[start:], other[start:]
    if one[1:] == other[1:] or one[1:] == other or one == other[1:]:
        return True
    return one[:2] == other[1::-1] and one[2:] == other[2:]


STRATEGIES = {
    "exact": Strategy("The word itself", _exact),
    "prefix": Strategy("Headwords that begin so", _prefix),
    "suffix": Strategy("Headwords that end so", _suffix, scans=True),
    "substring": Strategy("Headwords with it anywhere", _substring, scans=True),
    "word": Strategy("Headwords with it as a word", _word, scans=True),
    "first": Strategy("Headwords whose first word it is", _first),
    "last": Strategy("Headwords whose last word it is", _last, scans=True),
    "lev": Strategy("Headwords that differ in one letter", _lev),
}


def matches(
    databases: Databases, strategy: Strategy, word: str, limit: int, *, first: bool = False
) -> Generator[bytes, None, Sequence[Match]]:
    """Find words in all databases, or in the first that has some, up to a limit. Yields b"" now and then."""
    head_like = folded(" ".join(word.split())).decode()
    found: list[Match] = []
    for database in databases:
        words = Words(database.dictionary)
        with database.dictionary.held():
            for number, head in enumerate(strategy.find(words, head_like), 1):
                if head:
                    found += [(database.name, each) for each in words.spellings(head)]
                if len(found) >= limit:
                    return found[:limit]
                if not head or not number % STEP:
                    yield b""
        if found and first:
            break
    return found
