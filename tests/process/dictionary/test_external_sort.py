"""Sorting by way of a file: whatever comes in comes out in order, once for each time that it came in."""

import os
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netechod.process.dictionary import external_sort as sorted_runs
from netechod.process.dictionary.external_sort import SortedRuns

lines = st.lists(st.binary(max_size=6).map(lambda line: line.replace(b"\n", b"")), max_size=60)


def batches_of(added: Sequence[bytes], directory: Path | None = None) -> list[list[bytes]]:
    runs = SortedRuns(directory)
    for line in added:
        runs.add(line)
    try:
        return list(runs.batches())
    finally:
        runs.close()


@settings(deadline=None, max_examples=300)
@given(lines, st.integers(1, 40), st.integers(1, 12))
def test_lines_come_out_in_order_however_small_memory_is(added: list[bytes], run: int, block: int) -> None:
    with patch.object(sorted_runs, "RUN", run), patch.object(sorted_runs, "BLOCK", block):
        batches = batches_of(added)
    assert [line for batch in batches for line in batch] == sorted(added)


def test_lines_that_fit_into_memory_need_no_file() -> None:
    assert batches_of([b"b", b"a"]) == [[b"a", b"b"]]


def test_lines_in_order_come_out_block_by_block_and_are_not_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorted_runs, "RUN", 1000)
    monkeypatch.setattr(sorted_runs, "BLOCK", 100)
    batches = batches_of([b"%010d" % number for number in range(1000)])
    assert max(map(len, batches)) <= 10


def test_the_file_has_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorted_runs, "RUN", 10)
    runs = SortedRuns(tmp_path)
    for _ in range(10):
        runs.add(b"line")
    assert os.listdir(tmp_path) == []  # noqa: PTH208
    runs.close()
