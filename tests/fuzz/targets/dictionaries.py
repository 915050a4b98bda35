"""The dictionary: its file in blocks of any size, and its answers to any query."""

import re
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from itertools import accumulate, pairwise
from pathlib import Path
from unicodedata import combining, normalize
from unittest.mock import patch

from fuzz.feed import Feed
from fuzz.target import STEPS, scratch, target
from support.characters import is_harmless
from support.indexes import until_given_back
from support.loading import load_file
from support.recorder import Recorder

from netechod.errors import DictionaryError, DictionaryFormatError
from netechod.process.dictionary import external_sort as sorted_runs
from netechod.process.dictionary.foreign.advice import explained
from netechod.process.dictionary.index import open_index
from netechod.process.dictionary.index_builder import build
from netechod.services.dictionary import parser as dictionary_parser
from netechod.services.dictionary.memory_parser import DictionaryParser
from netechod.services.dictionary.parser import Rules
from netechod.services.dictionary.service import (
    MAX_FOLDED,
    MAX_NON_STARTERS,
    MAX_STRETCH,
    DictionaryService,
    MemoryDictionary,
    fold,
    look_up,
)
from netechod.services.wire import is_padded, text_of

FILE_WORDS = (
    b"a:b\n",
    b"A:c\r\n",
    b":",
    b"#",
    b"\n",
    b"\xef\xbb\xbf",
    b"\0",
    b"\xff",
    *map(str.encode, ("：", "苹果", "É", "e\u0301", "ß", "İ", "\u2028", "\u3000", "\x85")),
)
MARKS = "\u0316\u0300\u0345\u0316"  # of several combining classes
LINE_LIMIT = 24  # characters: the real one is longer than any input


@target(
    FILE_WORDS,
    largest=STEPS,
    seeds=["apple:苹果\nApple:苹果\n# a comment\n\nno colon\nb : c : d\r\n".encode()],
)
def dictionary_file(feed: Feed) -> None:
    """A file means the same in whatever blocks it is read, and what the shortest parser says."""
    strict = bool(feed.number(1))
    sizes = [1 + feed.number(7) for _ in range(feed.number(15))]
    data = feed.rest()
    with patch.object(dictionary_parser, "MAX_LINE", LINE_LIMIT):
        outcomes = [
            outcome(blocks, strict=strict)
            for blocks in ([data], cut(data, sizes), [data[at : at + 1] for at in range(len(data))])
        ]
    assert outcomes[1:] == outcomes[:-1]
    assert outcomes[0] == naive(data, strict=strict)


Facts = tuple[dict[str, str], int]


def outcome(blocks: list[bytes], *, strict: bool) -> Facts | None:
    """The entries and the number of bad lines; None when the file is refused, with a sentence."""
    parser = DictionaryParser("dict.txt", Rules(strict=strict, max_skipped=1))
    try:
        for block in blocks:
            parser.feed(block)
        edition = parser.finish()
    except DictionaryError as error:
        data = b"".join(blocks)
        number = re.match(r"dict\.txt(?::(\d+))?: ", str(error))
        assert number, error
        assert 1 <= int(number[1] or 1) <= 1 + data.count(b"\n")
        assert is_harmless(str(error))
        return None
    assert edition.sha256 == sha256(b"".join(blocks)).hexdigest()
    assert all(look_up([edition], word) for word in edition.entries)
    return {word.decode(): meaning.decode() for word, meaning in edition.entries.items()}, edition.skipped


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    """Blocks of these sizes, and the rest as the last one."""
    edges = [0, *(min(len(data), end) for end in accumulate(sizes)), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def naive(data: bytes, *, strict: bool) -> Facts | None:
    """The same in the shortest way to say what a file means."""
    entries: dict[str, str] = {}
    bad = 0
    try:
        lines = data.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError:
        return None
    for line in lines:
        key, _, value = (side.strip() for side in line.partition(":"))
        if key and value and "：" not in key and not key.startswith("#"):
            entries.setdefault(key, value)
        elif line.strip() and not key.startswith("#"):
            bad += 1
    refused = "\0" in "".join(lines) or max(map(len, lines)) > LINE_LIMIT or (strict and bad)
    return None if refused or not entries else (entries, bad)


LONG_WORDS = "".join(f"{word}:long\n" for word in ("x" * 600, "É" * 300, "É" * 256, "e" + MARKS * 9)).encode()


@target(FILE_WORDS, seeds=["apple:苹果\nApple:pomme\nb:c\nB:d\n".encode(), LONG_WORDS], largest=4 * STEPS)
def dictionary_index(feed: Feed) -> None:
    """A file says the same, or is refused for the same reason, in an index and in memory."""
    rules = Rules(strict=bool(feed.number(1)), max_skipped=feed.number(10) / 10)
    data = feed.rest()
    file, index = scratch() / "dict.txt", scratch() / "index"
    file.write_bytes(data)
    with patch.multiple(sorted_runs, RUN=50, BLOCK=20):  # sorting has next to no memory
        try:
            memory = load_file(file, rules=rules)
        except DictionaryFormatError as error:
            assert why_not(file, index, rules) == str(explained(error, file))
            return
        except DictionaryError as error:
            assert why_not(file, index, rules) == str(error)
            return
        build(file, index, max_size=1 << 20, rules=rules)
    with closing(open_index(index)) as edition:
        assert dict(edition.items()) == dict(memory.items())
        assert (edition.sha256, edition.skipped) == (memory.sha256, memory.skipped)
        assert (edition.longest, list(edition.warnings)) == (memory.longest, list(memory.warnings))
        for word in dict(memory.items()):
            for spelled in spellings(word.decode()):
                assert look_up([edition], spelled) == look_up([memory], spelled)
    until_given_back()


def spellings(word: str) -> Iterator[bytes]:
    """A word in several ways, as long as it is and longer."""
    for spelled in (word, word.swapcase(), word.upper(), word + MARKS, word.upper() + MARKS * 8):
        for form in ("NFC", "NFD"):
            yield normalize(form, spelled).encode()


def why_not(file: Path, index: Path, rules: Rules) -> str:
    """Why no index is made of a file."""
    try:
        build(file, index, max_size=1 << 20, rules=rules)
    except DictionaryError as error:
        return str(error)
    return ""


ENTRIES = {
    "apple": "苹果",
    "Éa": "e acute",
    "e\u0301b": "decomposed",
    "straße": "x" * 40,
    "known": "unknown",
    "two words": "两个",
    "ß": "sz",
}
EDITION = MemoryDictionary(
    {word.encode(): meaning.encode() for word, meaning in ENTRIES.items()},
    {fold(word).encode(): word.encode() for word in ENTRIES if fold(word) != word},
)


@target([*map(str.encode, ENTRIES), b"APPLE", b"STRASSE", b"\0", b"unknown", b"\r\n ", b"?"])
def dictionary_query(feed: Feed) -> None:
    """At most one answer, of what the file says, within its limit, to whoever has asked."""
    folds, limit = bool(feed.number(1)), 16 + feed.number(40)
    unknown = feed.pick(["unknown", "?", "未知" * 10, "known"])
    query = feed.rest()
    service = DictionaryService(EDITION)
    service.configure(unknown=unknown, match="folded" if folds else "exact", max_reply=limit)
    answers = asked(service, query)
    assert answers == asked(service, text_of(query) + b"\n\0" + query) or is_padded(query)
    assert len(answers) <= 1
    assert sum(service.counters.values()) + service.dropped.total() == 2
    assert bool(answers) == (service.dropped.total() == 0)
    for answer in answers:
        assert len(answer) <= limit
        meaning = ENTRIES.get(text_of(query).decode(errors="replace"))
        if meaning is not None:
            assert meaning.encode().startswith(answer)
        else:
            assert any(whole.encode().startswith(answer) for whole in (unknown, *ENTRIES.values()))
        if service.counters["missed"]:
            assert asked(service, answer) in ([], [b"unknown"])  # a miss is no question, unless it is a word


def asked(service: DictionaryService, query: bytes) -> list[bytes]:
    """The answers to one query."""
    out = Recorder()
    service.datagrams_received([(query, "peer")], 0.0, out)
    assert all((verb, peer) == ("send", "peer") for verb, _, peer in out)
    return [payload for _, payload, _ in out]


@target([word.encode() for word in ("É", "ß", "K", "ΐ", "ᾂ", "각", "ﬃ", *MARKS, MARKS * 9, "é" * 300)])
def folding(feed: Feed) -> None:
    """All spellings of a word fold alike, if it is folded at all; and the look-up needs no more than that."""
    word = feed.rest().decode(errors="ignore").replace("\0", "")
    folded = fold(word)
    if len(word) > MAX_FOLDED:
        assert word.isascii() or folded == word
    else:
        decomposed = normalize("NFD", word)
        runs = re.split("0", "".join("1" if combining(character) else "0" for character in decomposed))
        if len(decomposed) <= MAX_FOLDED and max(map(len, runs)) <= MAX_NON_STARTERS:
            assert folded == fold(decomposed) == fold(normalize("NFC", word)) == fold(folded)
    assert len(word.encode()) < MAX_STRETCH * max(1, len(folded.encode())) or not word
    if text := text_of(word.encode()):
        edition = MemoryDictionary(
            {b"other": b"y", b"an other": b"x"}, {fold(text.decode()).encode(): b"an other"}
        )
        edition.longest = len(fold(text.decode()).encode())
        assert look_up([edition], text) == (b"y" if text == b"other" else b"x")
