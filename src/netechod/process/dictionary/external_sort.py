"""Sorting more lines than memory should hold: sorted runs are written to a file and merged in the end."""

import os
import tempfile
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

RUN = 16 * 1024 * 1024  # bytes of lines that are sorted in memory at a time
BLOCK = 64 * 1024  # bytes of a run, about, that are read at a time

Run: TypeAlias = list[tuple[int, int]]
"""A run's blocks in the file: where each is, and its length."""


class SortedRuns:
    """Takes lines (bytes without a newline) in any order and returns them in the order of their bytes.

    Its file has no name and is in `directory`, by default that of temporary files.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 (closed by `close`)
        self._runs: list[Run] = []
        self._lines: list[bytes] = []
        self._size = 0  # bytes of `_lines`

    def add(self, line: bytes) -> None:
        """Take a line."""
        self._lines.append(line)
        self._size += len(line)
        if self._size >= RUN:
            self._spill()

    def batches(self) -> Iterator[list[bytes]]:
        """All lines, in order, some at a time."""
        self._lines.sort()
        if not self._runs:
            yield self._lines
            return
        if self._lines:
            self._spill()
        self._file.flush()
        runs = [self._blocks(run) for run in self._runs]
        heads = [next(run) for run in runs]
        while heads:
            bound = min(head[-1] for head in heads)  # no line that is still to come sorts before it
            batch: list[bytes] = []
            for number, head in enumerate(heads):
                if head[0] <= bound:
                    cut = bisect_right(head, bound)
                    batch += head[:cut]
                    heads[number] = head[cut:] or next(runs[number], [])
            batch.sort()  # cheap: the sort merges parts that are sorted
            yield batch
            runs = [run for run, head in zip(runs, heads, strict=True) if head]
            heads = [head for head in heads if head]

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def _spill(self) -> None:
        """Write a run, block by block."""
        lines = sorted(self._lines)
        step = max(1, len(lines) * BLOCK // max(BLOCK, self._size))  # lines of a block
        run: Run = []
        for start in range(0, len(lines), step):
            block = b"\n".join(lines[start : start + step])
            run.append((self._file.tell(), len(block)))
            self._file.write(block)
        self._runs.append(run)
        self._lines = []
        self._size = 0

    def _blocks(self, run: Run) -> Iterator[list[bytes]]:
        for position, length in run:
            yield os.pread(self._file.fileno(), length, position).split(b"\n")
