"""Warnings about peers, few enough that a flood of them does not fill the log."""

from collections.abc import Hashable

from netechod.services.sources import source_of

WARNING_INTERVAL = 60.0  # seconds between two warnings about the same source
MAX_WARNINGS = 60  # sources warned of in that time: the log must not be what a flood fills


class Reminder:
    """Says whether to warn of a source: once in WARNING_INTERVAL, and of so many sources at most."""

    def __init__(self) -> None:
        self._warned: dict[Hashable, float] = {}  # when; the earliest come first

    def is_due(self, address: str, now: float) -> bool:
        """Whether to warn of `address` now; if so, it counts as done."""
        source = source_of(address)
        if now - self._warned.get(source, -WARNING_INTERVAL) < WARNING_INTERVAL:
            return False
        while self._warned and now - next(iter(self._warned.values())) >= WARNING_INTERVAL:
            del self._warned[next(iter(self._warned))]
        if len(self._warned) >= MAX_WARNINGS:
            return False
        self._warned[source] = now
        return True
