"""Payloads of probes: a token of the run, a number, and bytes to compare.

The number shows copies, late answers and changes of order. The bytes behind it differ from probe to probe, so
that neither a wrong answer nor a damaged one passes for the right one.
"""

import os
from collections import deque
from functools import cache
from operator import ne
from typing import NamedTuple

from netechod.services.echo import TUTORIAL_SUFFIX
from netechod.services.wire import MAX_DATAGRAM

HEADER = 8  # bytes: the token, the same four in all probes of a run, and the number
RECENT = 4096  # probes whose sizes are remembered: the latest ones
SUSPECTS = 64  # probes that an answer with a damaged header is compared with
_SHIFTS = 251  # bytes that the noise is shifted by at most: every 251st probe has the same bytes


class Reading(NamedTuple):
    """An answer: the number of its probe, its size, and how many of its bytes differ from those sent."""

    number: int
    size: int
    damaged: int


@cache
def _noise() -> bytes:
    """Return the bytes that the payloads of this process are made of."""
    return os.urandom(MAX_DATAGRAM + _SHIFTS)


class Payloads:
    """The payloads of one run."""

    def __init__(self, remembered: int = RECENT) -> None:
        """`remembered`: the number of probes whose sizes are remembered, the latest ones."""
        self.token = os.urandom(4)
        self._noise = _noise()
        self._remembered = remembered
        self._sizes: dict[int, int] = {}

    def make(self, number: int, size: int) -> bytes:
        """Return the payload of a probe, and remember its size."""
        self._sizes[number] = size
        if len(self._sizes) > self._remembered:
            del self._sizes[next(iter(self._sizes))]
        return self._payload(number, size)

    def header(self, number: int) -> bytes:
        """Return the start of a probe's payload."""
        return self.token + number.to_bytes(4, "big")

    def number_of(self, data: bytes) -> int:
        """Return the number of the probe that begins so; 0 if none does."""
        number = int.from_bytes(data[4:HEADER], "big")
        return number if data[:4] == self.token and number in self._sizes else 0

    def read(self, data: bytes) -> Reading | None:
        """Parse a datagram; return None if it answers no probe."""
        number = self.number_of(data)
        return self.compare(number, self._sizes[number], data) if number else self._most_similar(data)

    def compare(self, number: int, size: int, data: bytes) -> Reading:
        """Compare an answer with the probe of this number and size."""
        sent = self._payload(number, size)
        damaged = 0 if data == sent else sum(map(ne, data, sent)) + abs(len(data) - len(sent))
        return Reading(number, len(data), damaged)

    def _payload(self, number: int, size: int) -> bytes:
        shift = number % _SHIFTS
        return self.header(number) + self._noise[shift : shift + size - HEADER]

    def _most_similar(self, data: bytes) -> Reading | None:
        """Find the probe of an answer whose header is damaged; None if no probe is similar."""
        suspects = [self.compare(*sent, data) for sent in list(self._sizes.items())[-SUSPECTS:]]
        best = min(suspects, key=lambda it: it.damaged, default=None)
        return best if best is not None and best.damaged * 2 < len(data) else None


class Stream:
    """Splits a stream into answers. Only the sizes of the probes tell where an answer ends."""

    def __init__(self, payloads: Payloads) -> None:
        self.inserted = 0  # bytes that the server has inserted between answers
        self._payloads = payloads
        self._expected: deque[tuple[int, int]] = deque()  # numbers and sizes, in order
        self._buffer = bytearray()

    def expect(self, number: int, size: int) -> None:
        """Expect the answer to this probe next."""
        self._expected.append((number, size))

    def feed(self, data: bytes) -> list[Reading]:
        """Return the answers that are complete now."""
        self._buffer += data
        readings = []
        while self._expected and len(self._buffer) >= self._expected[0][1]:
            number, size = self._expected[0]
            start = self._buffer.find(self._payloads.header(number))
            if start < 0 and self._buffer.startswith(TUTORIAL_SUFFIX[: len(self._buffer)]):
                if len(self._buffer) < len(TUTORIAL_SUFFIX) + size:
                    break  # so far this is only the text that was added to the answer before
                start = len(TUTORIAL_SUFFIX)
            if start > 0:  # the tutorials' server appends a text to each echo
                self.inserted += start
                del self._buffer[:start]
                continue
            self._expected.popleft()
            readings.append(self._payloads.compare(number, size, bytes(self._buffer[:size])))
            del self._buffer[:size]
        return readings
