"""Requests and replies of RESP."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netechod.reactor.bus.resp import LONG, LongStrings, NotRespError, Parser, ReplyError, pack


def test_a_request_is_an_array_of_strings() -> None:
    assert pack(("XADD", b"\xff\0", 12)) == b"*3\r\n$4\r\nXADD\r\n$2\r\n\xff\0\r\n$2\r\n12\r\n"


def test_replies_are_read_as_they_come_and_errors_are_values() -> None:
    parser = Parser()
    text = b"+OK\r\n:12\r\n*2\r\n$-1\r\n-MOVED 1 a:2\r\n"
    replies = [reply for at in range(len(text)) for reply in parser.replies(text[at : at + 1])]
    assert replies[:2] == [b"OK", 12]
    assert isinstance(replies[-1], list)
    error = replies[-1][1]
    assert isinstance(error, ReplyError)
    assert (error.kind, str(error)) == ("MOVED", "MOVED 1 a:2")


@pytest.mark.parametrize("frugal", [False, True])
def test_anything_else_is_refused(frugal: bool) -> None:
    with pytest.raises(NotRespError):
        list(Parser(frugal=frugal).replies(b"HTTP/1.0 400 Bad Request\r\n" + b"x" * LONG + b"xxx"))


def test_a_line_without_an_end_is_refused() -> None:
    with pytest.raises(NotRespError):
        LongStrings().without_long(b"+" + b"x" * (LONG + 1))


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_a_frugal_parser_holds_no_long_string(size: int) -> None:
    text = b"*3\r\n$5\r\nshort\r\n$%d\r\n%b\r\n$-1\r\n:1\r\n" % (10 * LONG, b"\r\n" * (5 * LONG))
    pieces = [text[at : at + size] for at in range(0, len(text), size)] if size > 1 else [text]
    parser = Parser(frugal=True)
    assert [reply for piece in pieces for reply in parser.replies(piece)] == [[b"short", None, None], 1]
    assert parser.size < 100


@given(st.lists(st.binary(max_size=50), min_size=1), st.integers(1, 30))
def test_a_frugal_parser_changes_nothing_else(words: list[bytes], size: int) -> None:
    text = pack(words) + b"+OK\r\n"
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    parser = Parser(frugal=True)
    assert [reply for piece in pieces for reply in parser.replies(piece)] == [words, b"OK"]
