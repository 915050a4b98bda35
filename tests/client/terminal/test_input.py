"""Lines on their way in: UTF-8 out of any locale, and no more of them than are wanted."""

import io
import os
import sys
from collections.abc import Iterator

import pytest

from netechod.client.errors import ClientError
from netechod.client.terminal.input import Input, LineDecoder, take_typed_ahead, to_utf8


@pytest.fixture
def pipe() -> Iterator[tuple[Input, int]]:
    reader, writer = os.pipe()
    yield Input(reader), writer
    os.close(reader)


def set_locale(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(), encoding=encoding))


def lines_of(given: Input) -> list[bytes]:
    return list(iter(given.next_line, None))


def test_lines_come_whole_and_the_last_one_needs_no_end(pipe: tuple[Input, int]) -> None:
    given, writer = pipe
    os.write(writer, b"one\ntw")
    given.read()
    assert (lines_of(given), given.waiting, given.ended) == ([b"one"], 2, False)
    os.write(writer, b"o\nthree")
    given.read()
    assert given.waiting == len(b"two\nthree")
    os.close(writer)
    given.read()
    assert (lines_of(given), given.waiting, given.ended) == ([b"two", b"three"], 0, True)


@pytest.mark.parametrize("encoding", ["gbk", "big5", "shift_jis", "iso2022_jp"])
def test_lines_in_the_encoding_of_the_locale_become_utf_8(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_locale(monkeypatch, encoding)
    decoder = LineDecoder()
    assert decoder.utf8("中文".encode(encoding)) == "中文".encode()
    assert decoder.utf8(b"plain") == b"plain"


def test_what_the_locale_cannot_decode_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    set_locale(monkeypatch, "gbk")
    assert LineDecoder().utf8(b"a\xff") == b"a\xff"
    set_locale(monkeypatch, "utf-8")
    assert LineDecoder().utf8(b"a\xff") == b"a\xff"
    assert to_utf8(os.fsdecode(b"a\xff")) == b"a\xff"


def test_behind_a_byte_order_mark_everything_is_utf_8(monkeypatch: pytest.MonkeyPatch) -> None:
    set_locale(monkeypatch, "gbk")
    decoder = LineDecoder()
    assert decoder.utf8("\ufeff苹果".encode()) == "苹果".encode()
    assert decoder.utf8("苹果".encode()) == "苹果".encode()


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_refused(encoding: str) -> None:
    with pytest.raises(ClientError, match="UTF-16") as caught:
        LineDecoder().utf8("\ufeffhi".encode(encoding))
    assert "iconv -f UTF-16" in caught.value.hint


def test_whole_lines_that_were_typed_are_taken_and_the_start_of_one_stays() -> None:
    master, slave = os.openpty()
    try:
        assert take_typed_ahead(slave) == []
        os.write(master, b"one\n\ntwo\nthr")
        assert take_typed_ahead(slave) == [b"one", b"two"]
        os.write(master, b"ee\n")
        assert take_typed_ahead(slave) == [b"three"]
    finally:
        os.close(master)
        os.close(slave)
