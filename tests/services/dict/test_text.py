"""The texts of answers: whatever the meaning is, clients get it back and nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from netechod.services.dict.text import INDENT, MAX_LINE, definition, text

texts = st.text(st.sampled_from("ab. \t\n250苹\x1b\x9b\u202e\r"), max_size=60)
long_texts = st.builds("".join, st.lists(st.sampled_from(["word " * 100, "苹" * 700, "x\n", "."])))


def lines_of(body: bytes) -> list[str]:
    """The lines of a text, whose end is checked, with their dots undoubled."""
    *lines, last, rest = body.decode().split("\r\n")
    assert (last, rest) == (".", "")
    assert all(len(line) <= MAX_LINE for line in lines)
    assert "." not in lines
    return [line[1:] if line.startswith("..") else line for line in lines]


@given(st.one_of(texts, long_texts))
def test_a_meaning_comes_back_when_its_indent_is_taken_away(meaning: str) -> None:
    first, *lines = lines_of(b"".join(definition("word", meaning)))
    assert first == "word"
    assert lines
    assert all(line.startswith(INDENT) for line in lines)
    back = "".join(line.removeprefix(INDENT) for line in lines)
    for character in "\x1b\x9b\u202e\r":
        assert character not in back
    kept = str.maketrans("", "", "\x1b\x9b\u202e\r\n\t ")
    assert back.translate(kept) == meaning.translate(kept)


@given(st.one_of(texts, long_texts))
def test_a_text_comes_back(body: str) -> None:
    lines = lines_of(b"".join(text(body)))
    kept = str.maketrans("", "", "\x1b\x9b\u202e\r\n\t ")
    assert "".join(lines).translate(kept) == body.translate(kept)


def test_dots_and_numbers_are_no_ends() -> None:
    meaning = ".one\n..two\n.\n250 ml\n\nlast\n\n"
    body = b"".join(definition(".dot", meaning))
    assert body == b"..dot\r\n  .one\r\n  ..two\r\n  .\r\n  250 ml\r\n  \r\n  last\r\n.\r\n"


def test_long_lines_break_at_a_space_near_the_end_or_anywhere() -> None:
    spaced = "a" * 1000 + " " + "b" * 100
    assert [len(line) for line in lines_of(b"".join(definition("w", spaced)))] == [1, 1002, 102]
    assert [len(line) for line in lines_of(b"".join(definition("w", "a" * 2050)))] == [1, 1022, 1022, 12]


def test_a_text_has_a_line_at_least() -> None:
    assert b"".join(text("")) == b"\r\n.\r\n"
    assert b"".join(definition("w", "")) == b"w\r\n  \r\n.\r\n"
