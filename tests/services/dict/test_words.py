"""The words of command lines, as real clients write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netechod.services.dict.text import quoted
from netechod.services.dict.words import MAX_JOINED, MalformedError, within_quotes, words_of

AS_SENT = {
    b'* "apple"': ["*", "apple"],  # dict, Emacs, Xfce, GoldenDict
    b'"mytest" "prefix" "e"': ["mytest", "prefix", "e"],  # Net::Dict, dico
    b"* 'don'\\''t'": ["*", "don't"],  # MATE, GNOME
    b'mytest say\\ \\"hi\\"': ["mytest", 'say "hi"'],  # curl
    b"mytest \\\xe8\\\x8b\\\xb9": ["mytest", "苹"],  # curl, byte by byte
    b'mytest "back\\slash"': ["mytest", "back\\slash"],  # dict: the backslash is meant
    b'* "say \\"hi\\"" ': ["*", 'say "hi"'],
    b"\t*\t 'two  words'\t": ["*", "two  words"],
    b"""a"b c"'d "e'\\ f""": ['ab cd "e f'],
    b'""': [""],
    b"": [],
    b" \t": [],
}


@pytest.mark.parametrize("line", AS_SENT)
def test_words_are_read_as_clients_mean_them(line: bytes) -> None:
    assert words_of(line) == AS_SENT[line]


@pytest.mark.parametrize(
    "line",
    [
        b'* "open',
        b"* 'open",
        b"a\\",
        b'"a\\"',
        b"a b c d",
        b'"a" b c d',
        b"\xff",
        b'"' + b"\\a" * MAX_JOINED + b'"x',
    ],
)
def test_what_cannot_be_read_is_malformed(line: bytes) -> None:
    with pytest.raises(MalformedError):
        words_of(line)


@pytest.mark.parametrize(
    ("line", "count", "words"),
    [
        (b'* "say "hi""', 2, ["*", 'say "hi"']),  # dict, Emacs
        (b'"mytest" "say "hi""', 2, ["mytest", 'say "hi"']),  # Net::Dict
        (b'* . "say "hi""', 3, ["*", ".", 'say "hi"']),
        (b'* "foo\\"', 2, ["*", "foo\\"]),
        (b'* "one', 2, ()),
        (b"* one", 2, ()),
        (b'"', 2, ()),
    ],
)
def test_a_word_in_quotes_without_escapes_can_be_read(
    line: bytes, count: int, words: list[str] | tuple[()]
) -> None:
    assert within_quotes(line, count) == words


def test_a_word_in_quotes_that_is_not_utf8_is_malformed() -> None:
    with pytest.raises(MalformedError):
        within_quotes(b'* "\xff"', 2)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=3))
def test_quoted_words_are_read_as_they_were(words: list[str]) -> None:
    assert words_of(" ".join(map(quoted, words)).encode()) == words
