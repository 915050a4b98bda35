"""Decisions out of bytes: what a fuzzer invents becomes numbers, choices and pieces of data.

Numbers are taken from the end and pieces from the beginning, so that a change of one leaves the other alone.
When the bytes are used up everything is zero and empty: every input is a whole one.
"""

from collections.abc import Sequence
from typing import TypeVar

_Choice = TypeVar("_Choice")


class Feed:
    """One input, consumed step by step."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __bool__(self) -> bool:
        return bool(self._data)

    def number(self, limit: int) -> int:
        """A number from 0 to `limit`, both included."""
        value = reach = 0
        while reach < limit and self._data:
            value = value << 8 | self._data[-1]
            reach = reach << 8 | 0xFF
            self._data = self._data[:-1]
        return value % (limit + 1)

    def pick(self, choices: Sequence[_Choice]) -> _Choice:
        """One of `choices`."""
        return choices[self.number(len(choices) - 1)]

    def piece(self, limit: int) -> bytes:
        """Up to `limit` bytes."""
        size = self.number(limit)
        piece, self._data = self._data[:size], self._data[size:]
        return piece

    def rest(self) -> bytes:
        """Return the rest of the input."""
        rest, self._data = self._data, b""
        return rest

    def text(self) -> str:
        """Return the rest of the input as text; bytes that are no UTF-8 become lone surrogates."""
        return self.rest().decode(errors="surrogateescape")
