"""Sorts more lines than memory should hold: sorted runs in a file are merged (external merge sort)."""

import os
import tempfile
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

RUN = 16 * 1024 * 1024  # bytes of lines that are sorted in memory at a time
BLOCK = 64 * 1024  # bytes of a run that are read at a time, about

Run: TypeAlias = list[tuple[int, int]]
"""The blocks of a run in the file: position and length of each."""


class SortedRuns:
    """Takes lines (bytes without a newline) in any order and returns them in the order of their bytes.

    The file has no name. It is in `directory`, by default in that of temporary files.
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
        """Yield all lines in order, in batches."""
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
            bound = min(head[-1] for head in heads)  # no line that is still unread sorts before it
            batch: list[bytes] = []
            for number, head in enumerate(heads):
                if head[0] <= bound:
                    cut = bisect_right(head, bound)
                    batch += head[:cut]
                    heads[number] = head[cut:] or next(runs[number], [])
            batch.sort()  # cheap, because its parts are sorted
            yield batch
            runs = [run for run, head in zip(runs, heads, strict=True) if head]
            heads = [head for head in heads if head]

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _spill(self) -> None:
        """Write the lines in memory as a run, block by block."""
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
