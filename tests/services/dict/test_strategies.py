"""The strategies beside an oracle that looks at every word; and what is listed, can be defined."""

from collections.abc import Callable, Iterator
from itertools import islice

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.dictionaries import edition_of, say, session_of

from netechod.services.dict.catalogue import Words, can_be_shown
from netechod.services.dict.strategies import LETTERS, MAX_MISSPELT, NEIGHBOURS, STRATEGIES
from netechod.services.dict.text import quoted
from netechod.services.dictionary.service import MemoryDictionary, fold

texts = st.text(st.sampled_from("abAB '-é\u0301ß苹果\"\\|"), min_size=1, max_size=5).map(str.strip)
texts = texts.filter(lambda text: bool(text) and not text.startswith("#"))
entries = st.lists(texts, min_size=1, max_size=15, unique=True)


def edition(words: list[str]) -> MemoryDictionary:
    return edition_of("".join(f"{word}:meaning of {word}\n" for word in words))


def is_bounded(head: str, start: int, end: int) -> bool:
    return not (start and head[start - 1].isalnum()) and not head[end : end + 1].isalnum()


def has_word(head: str, word: str) -> bool:
    places = [place for place in range(len(head)) if head.startswith(word, place)]
    return any(is_bounded(head, place, place + len(word)) for place in places)


def distance(one: str, other: str) -> int:
    """Edits between two words; neighbours that change places count as one (optimal string alignment)."""
    rows = [list(range(len(other) + 1))]
    for i, a in enumerate(one, 1):
        rows.append([i])
        for j, b in enumerate(other, 1):
            least = min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (a != b))
            if i > 1 and j > 1 and (a, one[i - 2]) == (other[j - 2], b):
                least = min(least, rows[i - 2][j - 2] + 1)
            rows[i].append(least)
    return rows[-1][-1]


ORACLE: dict[str, Callable[[str, str], bool]] = {
    "exact": lambda head, word: head == word,
    "prefix": lambda head, word: head.startswith(word),
    "suffix": lambda head, word: head.endswith(word),
    "substring": lambda head, word: word in head,
    "word": has_word,
    "first": lambda head, word: head.startswith(word) and is_bounded(head, 0, len(word)),
    "last": lambda head, word: head.endswith(word) and is_bounded(head, len(head) - len(word), len(head)),
}


def found(words: MemoryDictionary, strategy: str, word: str) -> list[str]:
    heads = STRATEGIES[strategy].find(Words(words), word)
    return [head.decode() for head in heads if head]


@settings(deadline=None)
@given(entries, texts, st.sampled_from(sorted(ORACLE)))
def test_a_strategy_finds_what_the_oracle_finds_in_order(words: list[str], asked: str, name: str) -> None:
    heads = sorted({fold(word) for word in words}, key=str.encode)
    assert found(edition(words), name, fold(asked)) == [
        head for head in heads if ORACLE[name](head, fold(asked))
    ]


@settings(deadline=None)
@given(entries, texts)
@example(["ba"], "ab")
@example(["苹"], "果苹")
def test_lev_finds_what_is_one_edit_away(words: list[str], asked: str) -> None:
    heads, word = sorted({fold(each) for each in words}, key=str.encode), fold(asked)
    near = [head for head in heads if distance(head, word) <= 1]
    heard = found(edition(words), "lev", word)
    assert set(heard) <= set(near)
    assert heard == sorted(heard, key=str.encode)
    letters = {*LETTERS, *word}
    for head in set(near) - set(heard):  # another letter, and not behind the same first one
        assert not set(head) <= letters
        assert set(word) <= set(LETTERS) or head[0] != word[0]


@settings(deadline=None)
@given(entries, texts, st.sampled_from(sorted(STRATEGIES)))
def test_what_match_lists_define_finds(words: list[str], asked: str, name: str) -> None:
    session = session_of(edition(words))
    listed = say(session, f"MATCH main {name} {quoted(asked)}\r\n".encode())
    assert listed.startswith((b"152 ", b"552 "))
    for line in listed.split(b"\r\n")[1:-3]:
        assert say(session, b"DEFINE " + line + b"\r\n").startswith(b"150 ")


@settings(deadline=None)
@given(entries, texts)
def test_wider_strategies_find_what_narrower_ones_do(words: list[str], asked: str) -> None:
    finds = {name: set(found(edition(words), name, fold(asked))) for name in STRATEGIES}
    assert finds["exact"] <= finds["first"] <= finds["prefix"] <= finds["substring"]
    assert finds["exact"] <= finds["last"] <= finds["suffix"] <= finds["substring"]
    assert finds["exact"] <= finds["word"] <= finds["substring"]
    assert finds["exact"] <= finds["lev"]


def many(count: int) -> MemoryDictionary:
    return edition([f"苹{number:05}" for number in range(count)])


@pytest.mark.parametrize("name", ["suffix", "substring", "word", "last"])
def test_a_search_through_all_words_is_made_in_steps(name: str) -> None:
    words = many(30_000)
    list(words.heads())  # sorted
    steps = list(STRATEGIES[name].find(Words(words), "x"))
    assert len(steps) >= 3
    assert set(steps) == {b""}


def test_a_range_is_read_no_further_than_it_goes() -> None:
    words = many(30_000)
    list(words.heads())
    assert list(STRATEGIES["prefix"].find(Words(words), "苹000")) == [
        f"苹{number:05}".encode() for number in range(100)
    ]
    first: Iterator[bytes] = STRATEGIES["prefix"].find(Words(words), "苹")
    assert list(islice(first, 2)) == ["苹00000".encode(), "苹00001".encode()]


def test_lev_compares_so_many_words_and_no_more() -> None:
    words = many(NEIGHBOURS + 100)
    assert found(words, "lev", "苹0001é") == [f"苹0001{digit}" for digit in range(10)]
    assert found(words, "lev", "苹0205é") == ["苹02050", "苹02052", "苹02055"]  # by its own letters alone


def test_lev_finds_a_very_long_word_only_as_it_is() -> None:
    words = edition(["a" * (MAX_MISSPELT + 1)])
    assert found(words, "lev", "a" * (MAX_MISSPELT + 1)) == ["a" * (MAX_MISSPELT + 1)]
    assert found(words, "lev", "a" * MAX_MISSPELT) == ["a" * (MAX_MISSPELT + 1)]
    assert found(words, "lev", "a" * (MAX_MISSPELT + 2)) == []


@pytest.mark.parametrize("word", ["a\x1bb", "a\u202eb", "a\rb", "x" * 900, '"' * 500])
def test_a_word_that_cannot_be_shown_is_neither_listed_nor_defined(word: str) -> None:
    session = session_of(edition([word, "other"]))
    assert not can_be_shown(word.encode())
    assert say(session, f"match main substring {quoted(word[0])}\r\n".encode()).startswith(b"552")
    assert say(session, f"define main {quoted(word)}\r\n".encode()).startswith(b"552")
