"""The ids of a log."""

import pytest

from netechod.services.realm.log import START, EntryId


def test_ids_are_read_as_they_are_written_and_have_an_order() -> None:
    at = EntryId.parse(b"1700000000000-3")
    assert (at, str(at)) == (EntryId(1_700_000_000_000, 3), "1700000000000-3")
    assert START < EntryId(1) < EntryId(1, 1) < EntryId(2)


@pytest.mark.parametrize(
    "text", [b"", b"1", b"1-", b"-1", b"1-2-3", b"x-1", b"1" * 21 + b"-1", "1-1", None, 7]
)
def test_anything_else_is_no_id(text: object) -> None:
    with pytest.raises(ValueError, match="no id"):
        EntryId.parse(text)
