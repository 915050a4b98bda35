"""Columns of a terminal."""

import pytest

from netechod.client.terminal.text import cut_to_cells, without_modifiers
from netechod.services.cells import cells


@pytest.mark.parametrize(
    ("text", "width"),
    [("abc", 3), ("你好", 4), ("e\u0301", 1), ("👍🏽", 2), ("1️⃣", 1), ("👨\u200d👩", 4), ("", 0)],
)
def test_modifiers_take_no_columns_of_their_own(text: str, width: int) -> None:
    assert cells(text) == width


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [("abc", 2, "ab"), ("你好", 3, "你"), ("你好", 4, "你好"), ("你", 1, ""), ("e\u0301x", 1, "e\u0301")],
)
def test_a_text_is_cut_to_columns(text: str, width: int, expected: str) -> None:
    assert cut_to_cells(text, width) == expected


def test_emoji_without_modifiers() -> None:
    assert without_modifiers("👍🏽1️⃣❤️") == "👍1❤"
