"""The width of text on a terminal."""

import pytest

from netechod.services.cells import cells


@pytest.mark.parametrize(
    ("text", "width"),
    [("", 0), ("apple", 5), ("苹果", 4), ("：", 2), ("é", 1), ("e\u0301", 1), ("a\u200db", 2), ("ｱ", 1)],
)
def test_wide_characters_take_two_columns_and_marks_none(text: str, width: int) -> None:
    assert cells(text) == width
