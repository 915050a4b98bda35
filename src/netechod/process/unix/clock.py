"""The wall clock. It dates logs and requests; durations are measured with the monotonic clock."""

import select
from collections.abc import Callable
from datetime import UTC, datetime

from netechod.reactor.loop import Loop

INTERVAL = 5.0  # seconds between two looks at the wall clock
TOLERANCE = 5.0  # seconds; corrections by less are usual, and nobody is told


def wall_clock() -> float:
    """Return the seconds since the epoch."""
    return datetime.now(UTC).timestamp()


def dated(seconds: float) -> str:
    """Return a time, in seconds since the epoch, as people read it: RFC 3339, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def await_next_second() -> None:
    """Wait for the next full second.

    Requests carry whole seconds, and we refuse those from before our start. If we start in a new second, none
    that an earlier process accepted can be replayed to us.
    """
    now = wall_clock()
    while int(wall_clock()) == int(now):
        select.select((), (), (), 1 - wall_clock() % 1)


class ClockWatch:
    """Notices when the wall clock is set back: it then shows times again that it has shown before."""

    def __init__(
        self, loop: Loop, on_set_back: Callable[[], object], clock: Callable[[], float] = wall_clock
    ) -> None:
        """`on_set_back` is called once for each time that the clock is set back."""
        self._loop = loop
        self._on_set_back = on_set_back
        self._clock = clock
        self._latest = clock()
        self._behind = 0.0  # seconds, at the last look
        self._watch()

    @property
    def complaint(self) -> str:
        """A sentence, as long as the clock is behind the latest time that it has shown; else empty."""
        behind = self._latest - self._clock()
        if behind <= TOLERANCE:
            return ""
        return (
            f"the clock was set back: it is {behind:.0f} s behind, "
            f"and shows times for the second time until {dated(self._latest)}"
        )

    def _watch(self) -> None:
        now = self._clock()
        self._latest = max(self._latest, now)
        before, self._behind = self._behind, self._latest - now
        if self._behind > before + TOLERANCE:
            self._on_set_back()
        self._loop.call_at(self._loop.now + INTERVAL, self._watch)
