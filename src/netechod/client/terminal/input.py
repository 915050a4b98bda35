"""The lines of a descriptor, for a loop that must not block in reading them."""

import os
from collections import deque
from collections.abc import Iterable
from typing import Self

CHUNK = 64 * 1024  # bytes read at once: what a pipe holds (pipe(7))


class Input:
    """What select(2) watches, and the lines that have come of it so far."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.ended = False
        self.size = 0  # bytes read
        self._lines: deque[bytes] = deque()
        self._rest = b""  # of a line whose end has yet to come

    @classmethod
    def of(cls, lines: Iterable[bytes]) -> Self:
        """What has no descriptor, but these lines already."""
        made = cls(-1)
        made.ended = True
        made._lines += lines
        return made

    def read(self) -> None:
        """Take what is there, once select(2) has said that something is."""
        data = os.read(self.descriptor, CHUNK)
        self.size += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._lines += lines
        if not data:
            self.ended = True
            if self._rest:
                self._lines.append(self._rest)

    def next_line(self) -> bytes | None:
        """The next line, without its end; None while there is none."""
        return self._lines.popleft() if self._lines else None

    def give_up(self) -> None:
        """Have no more lines."""
        self.ended = True
        self._lines.clear()
