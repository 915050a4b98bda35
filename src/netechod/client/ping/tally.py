"""Counts the outcomes of probes. No I/O; `now` is a monotonic clock, in seconds."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

REMEMBERED = 65536  # lost probes that are remembered, in case they are answered late

PERCENTILES = (50, 90, 95, 99)
STEPS = (1, 2, 3, 4, 5, 7)  # bounds of a histogram in each power of ten
COARSE_STEPS = (1, 2, 5)
MAX_ROWS = 16  # rows of a histogram; if there were more, the coarse steps are used


def percentiles(counts: Mapping[int, int], total: int, wanted: Sequence[float]) -> list[int]:
    """Return percentiles (nearest rank) of `total` values, which are counted by value.

    `wanted` has percents in rising order. Without values there are none.
    """
    ranks = [max(1, math.ceil(percent / 100 * total)) for percent in wanted]
    found: list[int] = []
    passed = 0
    for value in sorted(counts):
        passed += counts[value]
        while len(found) < len(ranks) and ranks[len(found)] <= passed:
            found.append(value)
    return found


class Kind(Enum):
    """The outcome of a probe."""

    ANSWERED = "answered"
    LOST = "lost"  # no answer in time
    FAILED = "failed"  # could not be sent, or is reported as undeliverable
    LATE = "late"  # answered after it was counted as lost
    DUPLICATE = "duplicate"  # answered once more


class Crossing(NamedTuple):
    """How a probe and its answer crossed the network, by direction. Times are in seconds.

    Forward is from us to the reflector. `forward` and `backward` have the offset between both clocks in them.
    """

    forward: float
    backward: float
    residence: float  # how long the reflector kept it
    reflector_number: int
    hops_forward: int | None  # None if it is not told
    hops_backward: int | None
    shown: tuple[float, float]  # forward and backward
    is_absolute: bool  # whether those shown are delays; else they are above the least of the run
    # Hops before and now, forward and backward, where they have changed.
    reroutings: tuple[tuple[int, int] | None, tuple[int, int] | None] = (None, None)


class Event(NamedTuple):
    """An outcome of a probe."""

    kind: Kind
    number: int
    seconds: float | None = None  # from sending to the answer; None without an answer
    size: int = 0  # bytes of the answer
    damaged: int = 0  # bytes of it that differ from those sent
    is_reordered: bool = False
    reason: str = ""  # of a failure, such as "refused"; the same in all languages
    reporter: str = ""  # the address of the host that reports a failure; empty if none does
    crossing: Crossing | None = None  # only a STAMP reflector tells it


class Times:
    """Times, such as those of round trips, to the microsecond. Their number takes no memory."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0  # seconds
        self._squares = 0.0  # the sum of squared distances from the mean (Welford)
        self._counts: Counter[int] = Counter()  # by microseconds

    def add(self, seconds: float) -> None:
        """Add one."""
        self.count += 1
        self._counts[round(seconds * 1e6)] += 1
        distance = seconds - self.mean
        self.mean += distance / self.count
        self._squares += distance * (seconds - self.mean)

    def above(self, seconds: float) -> "Times":
        """Return these times less `seconds`."""
        others = Times()
        others.count, others.mean, others._squares = self.count, self.mean - seconds, self._squares
        shift = round(seconds * 1e6)
        others._counts = Counter({time - shift: count for time, count in self._counts.items()})
        return others

    @property
    def deviation(self) -> float:
        """Return the standard deviation in seconds: ping(8)'s mdev."""
        return math.sqrt(self._squares / self.count) if self.count else 0.0

    def percentiles(self, wanted: Sequence[float]) -> list[float]:
        """Return the percentiles (nearest rank), in seconds. `wanted` has percents in rising order."""
        return [microseconds / 1e6 for microseconds in percentiles(self._counts, self.count, wanted)]

    def in_ms(self) -> dict[str, float]:
        """Return all statistics by name, in milliseconds; empty without times."""
        if not self.count:
            return {}
        lowest, *middle, highest = self.percentiles((0, *PERCENTILES, 100))
        named = {"min": lowest, "avg": self.mean}
        named |= {f"p{percent}": value for percent, value in zip(PERCENTILES, middle, strict=True)}
        named |= {"max": highest, "mdev": self.deviation}
        return {name: round(value * 1000, 3) for name, value in named.items()}

    def histogram(self) -> list[tuple[float, float, int]]:
        """Return rows of lower bound (excluded), upper bound, both in milliseconds, and count."""
        if not self.count:
            return []
        rows = self._rows(STEPS)
        return rows if len(rows) <= MAX_ROWS else self._rows(COARSE_STEPS)

    def _rows(self, steps: Sequence[int]) -> list[tuple[float, float, int]]:
        rows: list[tuple[float, float, int]] = []
        times = sorted(self._counts.items())
        lower, at = 0, 0
        for upper in _bounds(steps):
            counted = 0
            while at < len(times) and times[at][0] <= upper:
                counted += times[at][1]
                at += 1
            if rows or counted:
                rows.append((lower / 1000, upper / 1000, counted))
            if at == len(times):
                break
            lower = upper
        return rows


def _bounds(steps: Sequence[int]) -> Iterator[int]:
    """Return the bounds of a scale in microseconds: 1, 2, 3, 4, 5, 7, 10, 20 ..."""
    power = 1
    while True:
        yield from (step * power for step in steps)
        power *= 10


class Tally:
    """The outcomes of the probes from number `first` on. A probe is lost after `wait` seconds."""

    def __init__(self, wait: float, first: int = 1) -> None:
        self.wait = wait
        self.first = first
        self.sent = self.received = self.lost = self.late = 0
        self.duplicates = self.reordered = self.damaged = self.damaged_bytes = 0
        self.reasons: Counter[str] = Counter()  # of losses
        self.times = Times()
        self._waiting: dict[int, float] = {}  # when each was sent, by number
        self._lost: dict[int, float] = {}
        self._highest = 0  # the highest number that was answered

    @property
    def pending(self) -> int:
        """The number of probes without outcome so far."""
        return len(self._waiting)

    @property
    def deadline(self) -> float | None:
        """When the next probe counts as lost."""
        return next(iter(self._waiting.values())) + self.wait if self._waiting else None

    def send(self, now: float) -> int:
        """Count a probe that is sent now; return its number."""
        number = self.first + self.sent
        self.sent += 1
        self._waiting[number] = now
        return number

    def left(self, number: int, at: float) -> None:
        """Note when a probe really left, by the kernel."""
        if number in self._waiting:
            self._waiting[number] = at

    def answered(self, number: int, at: float, size: int, damaged: int) -> Event | None:
        """Count an answer; return None if it is to no probe of this tally."""
        if not self.first <= number < self.first + self.sent:
            return None
        if number not in self._waiting:
            return self._answered_again(number, at, size, damaged)
        seconds = max(0.0, at - self._waiting.pop(number))
        self.received += 1
        self.times.add(seconds)
        if damaged:
            self.damaged += 1
            self.damaged_bytes += damaged
        is_reordered = number < self._highest  # RFC 4737, 3.3
        self.reordered += is_reordered
        self._highest = max(self._highest, number)
        return Event(Kind.ANSWERED, number, seconds, size, damaged, is_reordered)

    def _answered_again(self, number: int, at: float, size: int, damaged: int) -> Event:
        sent = self._lost.pop(number, None)
        if sent is None:
            self.duplicates += 1
            return Event(Kind.DUPLICATE, number, None, size, damaged)
        self.late += 1
        return Event(Kind.LATE, number, at - sent, size, damaged)

    def failed(self, number: int, reason: str, reporter: str = "") -> Event | None:
        """Count a probe as lost for a reported reason; return None if it has an outcome already."""
        return self._lose(number, Kind.FAILED, reason, reporter) if number in self._waiting else None

    def all_failed(self, reason: str) -> list[Event]:
        """Count all probes without outcome as lost."""
        return [self._lose(number, Kind.FAILED, reason) for number in list(self._waiting)]

    def expired(self, now: float) -> list[Event]:
        """Count the probes as lost whose time is over."""
        over = [number for number, sent in self._waiting.items() if sent + self.wait <= now]
        return [self._lose(number, Kind.LOST, "timeout") for number in over]

    def youngest_waiting(self) -> int:
        """Return the number of the latest probe without outcome; 0 if there is none."""
        return next(reversed(self._waiting), 0)

    def _lose(self, number: int, kind: Kind, reason: str, reporter: str = "") -> Event:
        self.lost += 1
        self.reasons[reason] += 1
        self._lost[number] = self._waiting.pop(number)
        if len(self._lost) > REMEMBERED:
            del self._lost[next(iter(self._lost))]
        return Event(kind, number, reason=reason, reporter=reporter)
