"""Limits on log lines: remote peers must not be able to fill the disk."""

from collections.abc import Hashable

from netechod.services.admission.sources import source_of

TROUBLE_INTERVAL = 10.0  # seconds between two lines about a problem that lasts
WARNING_INTERVAL = 60.0  # seconds between two lines about the same source
MAX_WARNINGS = 60  # sources with a line in one interval


class LogThrottle:
    """Admits `limit` lines per interval of `seconds`. An interval begins with its first line."""

    def __init__(self, seconds: float = TROUBLE_INTERVAL, limit: int = 1) -> None:
        self._seconds = seconds
        self._limit = limit
        self._begun = -seconds
        self._count = 0

    def admits(self, now: float) -> bool:
        """Return whether a line may be written at `now`. If so, it is counted."""
        if now - self._begun >= self._seconds:
            self._begun, self._count = now, 0
        self._count += 1
        return self._count <= self._limit

    def is_spent(self, now: float) -> bool:
        """Return whether `admits` would return False."""
        return self._count >= self._limit and now - self._begun < self._seconds


class SourceThrottle:
    """Admits one line per source and interval of `seconds`, and MAX_WARNINGS per interval in all."""

    def __init__(self, seconds: float = WARNING_INTERVAL) -> None:
        self._seconds = seconds
        self._admitted: dict[Hashable, float] = {}  # times by source; the earliest come first

    def admits(self, address: str, now: float) -> bool:
        """Return whether a line about `address` may be written at `now`. If so, it is counted."""
        admitted = self._admitted
        while admitted and now - next(iter(admitted.values())) >= self._seconds:
            del admitted[next(iter(admitted))]
        source = source_of(address)
        if source in admitted or len(admitted) >= MAX_WARNINGS:
            return False
        admitted[source] = now
        return True
