r"""Tabfiles: their syntax, and the edition that comes of one."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netechod.errors import DictionaryError
from netechod.services.dictionary.memory_parser import DictionaryParser
from netechod.services.dictionary.parser import MAX_LINE, Rules
from netechod.services.dictionary.service import DictionaryService, MemoryDictionary, dump_lines, look_up
from netechod.services.dictionary.tabfile import MAX_FACT, About, entry_of, escaped, is_tabfile, unescaped


def edition(text: str, *, strict: bool = False, max_skipped: float = 1.0) -> MemoryDictionary:
    parser = DictionaryParser("x.tsv", Rules(format="tsv", strict=strict, max_skipped=max_skipped))
    parser.feed(text.encode())
    return parser.finish()


def words(text: str) -> dict[str, str]:
    return {word.decode(): meaning.decode() for word, meaning in edition(text).items()}


@given(st.text())
def test_an_escaped_text_is_one_line_without_a_tab_and_says_the_same(text: str) -> None:
    assert "\n" not in escaped(text)
    assert "\t" not in escaped(text)
    assert unescaped(escaped(text)) == text


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        ("apple\t苹果", (["apple"], "苹果")),
        (r"a\|b|c\\|d" + "\tx", (["a|b", "c\\", "d"], "x")),
        ("a|| b \tx\ty", (["a", "b"], "x\ty")),
        ("\tx", ([], "x")),
        ("a\t", (["a"], "")),
        (r"a" + "\t" + r"one\ntwo\x\\n", (["a"], "one\ntwo\\x\\n")),
        ("no tab", None),
    ],
)
def test_a_line_has_words_and_a_meaning(line: str, entry: tuple[Sequence[str], str] | None) -> None:
    assert entry_of(line) == entry


def test_the_ending_of_a_name_tells_a_tabfile() -> None:
    assert [is_tabfile(name) for name in ("a.tsv", "a.tab", "tsv", "a.txt")] == [True, True, False, False]


def test_all_words_of_a_line_have_its_meaning_and_are_found_whatever_their_case() -> None:
    made = edition("\ufeffApple|apples\tone\\n two: 2\r\n")
    assert dict(made.items()) == {b"Apple": b"one\n two: 2", b"apples": b"one\n two: 2"}
    assert look_up([made], b"APPLE") == b"one\n two: 2"
    assert list(dump_lines(made)) == [r"Apple#one\n two: 2", r"apples#one\n two: 2"]


def test_the_meanings_of_a_repeated_word_are_joined_as_long_as_a_line_could_hold_them() -> None:
    assert words("a\tone\nb\tx\na\ttwo\n") == {"a": "one\n\ntwo", "b": "x"}
    half = "x" * (MAX_LINE // 2)
    made = edition(f"a\t{half}\na\t{half}\na\ty\n")
    assert dict(made.items()) == {b"a": f"{half}\n\n{half}".encode()}
    assert "x.tsv:3: duplicate key 'a'; the first one stays" in made.warnings


def test_a_file_says_at_its_top_what_it_is() -> None:
    made = edition(
        "##name\tTiny\x1b\\n words\n##license\tMIT\n##info\t-\n# x\na\tb\n##b\tc\n##information\tFree\n"
    )
    assert (made.title, made.information) == ("Tiny words", "MIT")
    assert dict(made.items()) == {b"a": b"b", b"##b": b"c", b"##information": b"Free"}
    assert (edition("a\tb\n").title, edition("a\tb\n").information) == ("", "")


def test_there_is_an_end_to_what_a_file_says_about_itself() -> None:
    about = About()
    for _ in range(3):
        assert about.note("##description\t" + "x" * MAX_FACT)
    assert len(about.text) == MAX_FACT
    assert not about.note("#name\tx")


def test_lines_that_are_no_entries_are_skipped_with_the_reason() -> None:
    made = edition("a\tb\n\n# comment\nalone\n\tmeaning\nword\t\n")
    assert made.skipped == 3
    assert list(made.warnings) == [
        "x.tsv:4: no tab between a word and its meaning; the line is skipped",
        "x.tsv:5: nothing before the tab; the line is skipped",
        "x.tsv:6: nothing behind the tab; the line is skipped",
    ]
    with pytest.raises(DictionaryError, match=r"x\.tsv:2: no tab"):
        edition("a\tb\nalone\n", strict=True)
    with pytest.raises(DictionaryError, match=r'holds no entry at all; .* set dictionary\.format = "lines"'):
        edition("a:b\n")
    with pytest.raises(DictionaryError, match=r"x\.tsv: 2 of 3 lines are no entries"):
        edition("a\tb\nc:d\ne:f\n", max_skipped=0.5)


def answer(meaning: str, limit: int) -> bytes:
    class Out:
        def send_all(self, answers: Sequence[tuple[bytes, object]]) -> None:
            self.answers = answers

    out = Out()
    service = DictionaryService(edition(f"a\t{escaped(meaning)}\n"), max_reply=limit)
    service.datagrams_received([(b"a", None)], 0.0, out)  # type: ignore[arg-type] # all that it uses
    return out.answers[0][0]


def test_a_long_meaning_is_cut_at_the_end_of_a_line_unless_that_costs_half_of_it() -> None:
    assert answer("0123456789\n\nabcdefghij", 20) == b"0123456789\n\nabcdefgh"
    assert answer("0123456789ab\n\nabcdefghij", 20) == b"0123456789ab"
    assert answer("0\n123456789", 8) == b"0\n123456"
    assert answer("0\n1", 16) == b"0\n1"
