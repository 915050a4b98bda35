"""What is counted of a target. No I/O; times are in seconds, of a monotonic clock.

The memory of a target does not grow with its probes.
"""

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from netechod.client.ping.tally import percentiles

SAMPLES = 600  # probes whose times are kept: the latest ones
FINENESS = 100  # classes of a histogram in a factor of e: a percentile is within 1 %
MINUTE = 60  # seconds of the short window, in which losses are counted by the second
JITTER_GAIN = 16  # of each new difference one part in so many counts (RFC 3550, 6.4.1)
BUCKETS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025),
    *(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
"""Upper bounds, in seconds, of the histogram for monitoring systems."""

LOST = math.nan
UNDER_WAY = -1.0


class Histogram:
    """Times by classes, each 1 % wide."""

    def __init__(self) -> None:
        self.count = 0
        self.sum = 0.0
        self._counts: dict[int, int] = {}

    def add(self, seconds: float) -> None:
        """Add a time."""
        self.count += 1
        self.sum += seconds
        place = int(math.log(max(seconds, 1e-6) * 1e6) * FINENESS)
        self._counts[place] = self._counts.get(place, 0) + 1

    @property
    def mean(self) -> float | None:
        """The mean; None without times."""
        return self.sum / self.count if self.count else None

    def percentiles(self, wanted: Sequence[float]) -> list[float]:
        """Return percentiles (nearest rank); nothing without times. `wanted` rises."""
        places = percentiles(self._counts, self.count, wanted)
        return [math.exp((place + 0.5) / FINENESS) / 1e6 for place in places]


class Minute:
    """Answers and losses of the last minute."""

    def __init__(self) -> None:
        self.answered = self.lost = 0
        self.seconds = 0.0  # the sum of the answers' times
        self._answers = array("H", bytes(2 * MINUTE))
        self._losses = array("H", bytes(2 * MINUTE))
        self._times = array("f", bytes(4 * MINUTE))
        self._second = 0

    def add(self, now: float, seconds: float | None) -> None:
        """Count a probe; `seconds` is None if it was lost."""
        self.forget(now)
        place = self._second % MINUTE
        if seconds is None:
            self.lost += 1
            self._losses[place] += 1
        else:
            self.answered += 1
            self._answers[place] += 1
            self._times[place] += seconds
            self.seconds += seconds

    def forget(self, now: float) -> None:
        """Leave out what is older than a minute."""
        second = int(now)
        for passed in range(max(self._second + 1, second - MINUTE + 1), second + 1):
            place = passed % MINUTE
            self.answered -= self._answers[place]
            self.lost -= self._losses[place]
            self.seconds -= self._times[place]
            self._answers[place] = self._losses[place] = 0
            self._times[place] = 0.0
        self._second = max(second, self._second)

    @property
    def loss(self) -> float:
        """The share of lost probes, in percent."""
        return percent(self.lost, self.answered + self.lost)

    @property
    def mean(self) -> float | None:
        """The mean time; None without an answer."""
        return max(0.0, self.seconds) / self.answered if self.answered else None


def percent(part: int, whole: int) -> float:
    """Return `part` in percent of `whole`."""
    return 100 * part / whole if whole else 0.0


class Outage(NamedTuple):
    """Losses in a row: from the time of the first lost probe to that of the first one answered."""

    began: float
    seconds: float


class Statistics:
    """The probes of one target."""

    def __init__(self) -> None:
        self.sent = self.answered = self.lost = 0
        self.late = self.duplicates = self.corrupted = 0
        self.reasons: dict[str, int] = {}  # of losses
        self.last: float | None = None  # the last time; None if the last probe was lost, or none was answered
        self.jitter = 0.0
        self.times = Histogram()
        self.minute = Minute()
        self.buckets = array("Q", bytes(8 * (len(BUCKETS) + 1)))
        self.losses_in_a_row = 0
        self.longest = Outage(0.0, 0.0)
        self._outage_began: float | None = None
        self._before: float | None = None  # the time of the answer before
        self._seconds = array("f", [UNDER_WAY]) * SAMPLES
        self._sent_at = array("d", [0.0]) * SAMPLES

    @property
    def loss(self) -> float:
        """The share of lost probes, in percent of those with an outcome."""
        return percent(self.lost, self.answered + self.lost)

    def send(self, now: float) -> int:
        """Count a probe that is sent now; return its number, from 1 on."""
        self.sent += 1
        place = self.sent % SAMPLES
        self._seconds[place] = UNDER_WAY
        self._sent_at[place] = now
        return self.sent

    def sent_at(self, number: int) -> float:
        """Return when a probe was sent; it is one of the latest."""
        return self._sent_at[number % SAMPLES]

    def leave(self, number: int, now: float) -> None:
        """Note that a probe leaves later than it was counted."""
        self._sent_at[number % SAMPLES] = now

    def is_recent(self, number: int) -> bool:
        """Return whether the outcome of a probe is still known."""
        return max(0, self.sent - SAMPLES) < number <= self.sent

    def answer(self, number: int, seconds: float, now: float) -> None:
        """Count the answer to a probe that was under way."""
        self.answered += 1
        self.last = seconds
        self.times.add(seconds)
        self.minute.add(now, seconds)
        self.buckets[bisect_left(BUCKETS, seconds)] += 1
        self._seconds[number % SAMPLES] = seconds
        if self._before is not None:
            self.jitter += (abs(seconds - self._before) - self.jitter) / JITTER_GAIN
        self._before = seconds
        self._end_outage(self.sent_at(number))

    def answer_again(self, number: int) -> str:
        """Count one more answer to a probe: a late one, or a copy. Return which."""
        if math.isnan(self._seconds[number % SAMPLES]):
            self._seconds[number % SAMPLES] = -math.inf  # lost all the same; another answer is a copy
            self.late += 1
            return "late"
        self.duplicates += 1
        return "duplicate"

    def lose(self, number: int, reason: str, now: float) -> None:
        """Count a probe that was under way as lost."""
        self.lost += 1
        self.last = None
        self.minute.add(now, None)
        self.reasons[reason] = self.reasons.get(reason, 0) + 1
        self._seconds[number % SAMPLES] = LOST
        self.losses_in_a_row += 1
        if self._outage_began is None:
            self._outage_began = self.sent_at(number)

    def _end_outage(self, at: float) -> None:
        self.losses_in_a_row = 0
        if self._outage_began is not None:
            self.longest = self.longest_outage(at)
            self._outage_began = None

    @property
    def outage_began(self) -> float | None:
        """When the losses in a row began that still go on."""
        return self._outage_began

    def longest_outage(self, now: float) -> Outage:
        """Return the longest losses in a row, those included that still go on."""
        if self._outage_began is None:
            return self.longest
        return max(
            self.longest, Outage(self._outage_began, now - self._outage_began), key=lambda it: it.seconds
        )

    def samples(self, count: int = SAMPLES) -> Iterator[tuple[float, float | None]]:
        """Return when each of the latest probes was sent, and its time; None if it was lost."""
        for number in range(max(1, self.sent - min(count, SAMPLES) + 1), self.sent + 1):
            seconds = self._seconds[number % SAMPLES]
            if seconds != UNDER_WAY:
                yield self.sent_at(number), seconds if seconds >= 0 else None
