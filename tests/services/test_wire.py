"""The rules of the text datagrams, byte by byte."""

import doctest

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.characters import EVERY_CHARACTER, HARMFUL

from netechod.services import wire
from netechod.services.wire import (
    chat_line,
    display_name,
    escape_controls,
    text_error,
    text_of,
    truncate_utf8,
)


def test_the_examples_in_the_docstrings_hold() -> None:
    results = doctest.testmod(wire)
    assert (results.failed, results.attempted) == (0, 6)


def test_the_texts_that_clients_know_are_exact() -> None:
    assert wire.NOT_ONLINE.decode() == "你还没有上线,请先上线,运行: online"
    assert len(wire.NOT_ONLINE) == 46
    assert (wire.ONLINE, wire.OFFLINE) == (b"online", b"offline")
    assert (wire.MISS, wire.REFUSED) == ("unknown", "message refused: ")


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b"online", b"online"),
        (b"online\n", b"online"),
        (b"online\r\n", b"online"),
        (b"online \r\n \n", b"online"),
        (b"online\0", b"online"),
        (b"online\n\0garbage\n", b"online"),
        (b"online".ljust(32, b"\0"), b"online"),
        ("香蕉".encode() + b"\0\xff\x7f\0\x03", "香蕉".encode()),
        (b"\0online", b""),
        (b"\r\n", b""),
        (b"", b""),
        (b" online", b" online"),
        (b"two words", b"two words"),
        (b"line\nline", b"line\nline"),
        (b"tab\t", b"tab\t"),
        (b"\xff\xfe", b"\xff\xfe"),
    ],
)
def test_the_text_ends_at_the_first_nul_and_loses_the_line_end(payload: bytes, text: bytes) -> None:
    assert text_of(payload) == text


@given(st.binary(), st.binary())
def test_what_follows_a_nul_never_matters(payload: bytes, garbage: bytes) -> None:
    text = text_of(payload)
    assert text_of(payload + b"\0" + garbage) == text == text_of(text)
    assert payload.startswith(text)


@pytest.mark.parametrize("text", [b"", b"hello", "苹果 – naïve 🍎".encode(), "e\u0301".encode(), b"100 %"])
def test_printable_text_has_no_flaw(text: bytes) -> None:
    assert text_error(text) is None


@pytest.mark.parametrize("text", [b"\xff", b"ab\xc3", b"\xc0\x80", b"\xed\xa0\x80", "苹果".encode("gbk")])
def test_bytes_that_are_no_utf_8_are_a_flaw(text: bytes) -> None:
    assert text_error(text) == "not UTF-8"


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("a\tb", "control character U+0009"),
        ("a\nb", "control character U+000A"),
        ("\x1b[2J", "control character U+001B"),
        ("\x7f", "control character U+007F"),
        ("\x9b2J", "control character U+009B"),
        ("evil\u202etxt.exe", "control character U+202E"),
        ("\u2066", "control character U+2066"),
        ("one\u2028two\x1b", "control character U+2028"),
    ],
)
def test_the_first_character_that_a_terminal_would_obey_is_the_flaw(text: str, flaw: str) -> None:
    assert text_error(text.encode()) == flaw


def test_of_all_characters_exactly_the_harmful_ones_are_escaped() -> None:
    shown = "".join(c for c in EVERY_CHARACTER if c not in HARMFUL)
    assert escape_controls(shown) == shown
    assert text_error(shown.encode()) is None
    for character in HARMFUL:
        escaped = escape_controls(character)
        assert escaped.startswith("\\")
        assert escaped.isascii()
        assert escaped.isprintable()
        assert ascii(character) == f"'{escaped}'"


@given(st.text(st.one_of(st.characters(), st.sampled_from(sorted(HARMFUL)))))
def test_harmless_text_has_no_flaw(text: str) -> None:
    escaped = escape_controls(text)
    assert text_error(escaped.encode()) is None
    assert escape_controls(escaped) == escaped


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.1", "192.0.2.1--8082"),
        ("2001:db8::1", "2001:db8::1--8082"),
        ("::ffff:192.0.2.1", "192.0.2.1--8082"),
        ("::1", "::1--8082"),
        ("::ffff:0:1", "::ffff:0:1--8082"),
        ("fe80::1%eth0.5", "fe80::1%eth0.5--8082"),
    ],
)
def test_a_name_is_the_address_without_brackets_and_the_port(address: str, name: str) -> None:
    assert display_name(address, 8082) == name


def test_a_chat_line_is_the_name_and_the_text() -> None:
    assert chat_line("192.0.2.1--40001", "你好".encode()) == "192.0.2.1--40001#你好".encode()


@pytest.mark.parametrize(
    ("limit", "start"), [(0, ""), (2, ""), (3, "苹"), (5, "苹"), (6, "苹果"), (7, "苹果a"), (99, "苹果a")]
)
def test_a_text_is_cut_between_two_characters(limit: int, start: str) -> None:
    assert truncate_utf8("苹果a".encode(), limit) == start.encode()


@settings(deadline=None)
@given(st.text(max_size=40), st.integers(min_value=0, max_value=170))
@example("🍎🍏", 7)
def test_what_is_cut_is_the_longest_start_that_fits(text: str, limit: int) -> None:
    starts = [text[:end].encode() for end in range(len(text) + 1)]
    assert truncate_utf8(text.encode(), limit) == max(
        (start for start in starts if len(start) <= limit), key=len
    )
