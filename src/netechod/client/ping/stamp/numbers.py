"""Losses, duplicates and reordering by direction, out of two series of numbers.

A reflector that counts numbers its answers itself. A number of its own that never came was lost on the way
back. A probe that has none was lost on the way there.
"""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

REMEMBERED = 65536  # numbers in which doubles are looked for
PAIRS = 1_000_000  # answers among which reordering is counted: the latest ones


class Losses(NamedTuple):
    """Lost probes by direction; None if the reflector does not count."""

    forward: int | None
    backward: int | None
    unknown: int


class Doubles(NamedTuple):
    """Duplicated, or reordered, packets by direction; None if the reflector does not count."""

    forward: int | None
    backward: int | None


class Numbers:
    """The numbers of probes, from 1, and those of the reflector, from 0, side by side."""

    def __init__(self) -> None:
        self.is_revealed: bool | None = None  # whether the reflector counts, as an extra probe has shown
        self._is_own = False  # whether a number was not a copy of the sender's
        self._answered = 0  # probes
        self._highest = 0  # probe
        self._by_probe: dict[int, int] = {}  # the reflector's number
        self._by_reflector: dict[int, int] = {}  # the probe, since the reflector began to count
        self._lost_before = 0  # answers lost until the reflector began anew
        self._first = self._received = 0  # the first number of the reflector, and how many have come
        self._last = -1  # the highest one
        self._doubled_forward = self._doubled_backward = 0
        self._pairs: deque[tuple[int, int, int]] = deque(maxlen=PAIRS)  # beginning, reflector, probe
        self._beginnings = 0

    def note(self, probe: int, number: int) -> None:
        """Note an answer to a probe and the reflector's number of it."""
        self._is_own = self._is_own or number != (probe - 1) & 0xFFFF_FFFF
        if self._by_reflector.get(number, probe) != probe:
            self._begin_anew()
        if self._received == 0:
            self._first = 0 if number <= probe else number
        if self._by_probe.get(probe) == number:
            self._doubled_backward += 1
            return
        if probe in self._by_probe:
            self._doubled_forward += 1
        else:
            self._answered += 1
        self._received += 1
        self._last = max(self._last, number)
        self._highest = max(self._highest, probe)
        self._pairs.append((self._beginnings, number, probe))
        for table, key, value in (
            (self._by_probe, probe, number),
            (self._by_reflector, number, probe),
        ):
            table[key] = value
            if len(table) > REMEMBERED:
                del table[next(iter(table))]

    def _begin_anew(self) -> None:
        """The reflector has restarted, and counts from 0 again."""
        self._lost_before = self._lost_backward()
        self._by_reflector.clear()
        self._received, self._last = 0, -1
        self._beginnings += 1

    @property
    def counts(self) -> bool | None:
        """Whether the reflector counts; None as long as its numbers may be copies of ours."""
        return True if self._is_own else self.is_revealed

    def _lost_backward(self) -> int:
        return self._lost_before + (self._last + 1 - self._first - self._received if self._received else 0)

    def losses(self, lost: int) -> Losses:
        """Return by direction the `lost` probes that were never answered."""
        if not lost:
            return Losses(0, 0, 0)
        if not self.counts:
            return Losses(None, None, lost)
        backward = min(lost, max(0, self._lost_backward()))
        forward = min(lost - backward, max(0, self._highest - self._answered - backward))
        return Losses(forward, backward, lost - forward - backward)

    def duplicates(self) -> Doubles:
        """Return how many packets came twice. Without numbers of its own, all doubles look alike."""
        if self.counts or not self._doubled_backward:
            return Doubles(self._doubled_forward, self._doubled_backward)
        return Doubles(None, None)

    def reordered(self) -> Doubles:
        """Return how many packets came after one that was sent later (RFC 4737, 3.3)."""
        backward = _behind((beginning, number) for beginning, number, _ in self._pairs)
        if not self.counts:
            return Doubles(0, 0) if not backward else Doubles(None, None)
        return Doubles(_behind((0, probe) for _, _, probe in sorted(self._pairs)), backward)


def _behind(series: Iterable[tuple[int, int]]) -> int:
    """Return how many of a series are less than one before them."""
    highest, count = (0, -1), 0
    for one in series:
        count += one < highest
        highest = max(highest, one)
    return count
