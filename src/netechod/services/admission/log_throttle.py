"""Limits on log lines, so that nobody can fill the disk by making the daemon write."""

from collections.abc import Hashable

from netechod.services.admission.sources import source_of

TROUBLE_INTERVAL = 10.0  # seconds between two lines about a trouble that lasts
WARNING_INTERVAL = 60.0  # seconds between two lines about the same source
MAX_WARNINGS = 60  # sources that are warned about in one interval


class LogThrottle:
    """Admit `limit` lines per interval of `seconds`. An interval begins with its first line."""

    def __init__(self, seconds: float = TROUBLE_INTERVAL, limit: int = 1) -> None:
        self._seconds = seconds
        self._limit = limit
        self._begun = -seconds
        self._count = 0

    def admits(self, now: float) -> bool:
        """Return whether a line may be written at `now`; if so, it is counted."""
        if now - self._begun >= self._seconds:
            self._begun, self._count = now, 0
        self._count += 1
        return self._count <= self._limit

    def is_spent(self, now: float) -> bool:
        """Return whether `admits` would say no."""
        return self._count >= self._limit and now - self._begun < self._seconds


class SourceThrottle:
    """Admit one line per source and interval of `seconds`, and MAX_WARNINGS per interval in all."""

    def __init__(self, seconds: float = WARNING_INTERVAL) -> None:
        self._seconds = seconds
        self._admitted: dict[Hashable, float] = {}  # sources and when; the earliest come first

    def admits(self, address: str, now: float) -> bool:
        """Return whether a line about `address` may be written at `now`; if so, it is counted."""
        admitted = self._admitted
        while admitted and now - next(iter(admitted.values())) >= self._seconds:
            del admitted[next(iter(admitted))]
        source = source_of(address)
        if source in admitted or len(admitted) >= MAX_WARNINGS:
            return False
        admitted[source] = now
        return True
