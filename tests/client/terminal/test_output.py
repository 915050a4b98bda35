"""What is safe to show, and how wide it is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netechod.client.terminal.output import put_json
from netechod.client.terminal.text import padded, shown, shown_lines
from netechod.services.cells import cells
from netechod.services.wire import escape_controls


def test_invalid_bytes_and_controls_are_spelled_out() -> None:
    assert shown(b"a\xff\x1b[2Jb\nc") == "a\\xff\\x1b[2Jb\\nc"


def test_the_ends_of_lines_are_kept_where_there_are_lines() -> None:
    assert shown_lines("a\x1b\nb\r\n") == "a\\x1b\nb\\r\n"


@pytest.mark.parametrize(
    ("text", "width"),
    [("", 0), ("abc", 3), ("苹果", 4), ("e\u0301", 1), ("Ａ", 2), ("❤\ufe0f", 1), ("a\u200b", 1)],
)
def test_wide_characters_take_two_columns(text: str, width: int) -> None:
    assert cells(text) == width
    assert cells(padded(text, 10)) == 10


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_json_is_harmless_and_loses_nothing(text: str) -> None:
    written: list[bytes] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("netechod.client.terminal.output.put_bytes", written.append)
        put_json({"text": text})
    line = written[0].decode().removesuffix("\n")
    assert json.loads(line) == {"text": text}
    assert escape_controls(line) == line


def test_json_is_readable_where_that_is_safe(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    put_json({"text": "苹果"})
    assert capfdbinary.readouterr().out.decode() == '{"text": "苹果"}\n'
