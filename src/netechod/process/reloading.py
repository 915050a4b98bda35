"""A reload in slices: the loop serves between two of them, so that nobody notices a reload."""

import time
from collections.abc import Callable, Iterator

from netechod.reactor.loop import Loop

SLICE = 0.002  # seconds of reloading per turn of the loop; then every socket has its turn


class Reloader:
    """Runs one reload at a time, step by step; asked again meanwhile, however often, it runs once more."""

    def __init__(self, loop: Loop, begin: Callable[[], Iterator[None]]) -> None:
        self._loop = loop
        self._begin = begin
        self._steps: Iterator[None] | None = None
        self._again = False

    def request(self) -> None:
        """Reload, now or after the reload that is running."""
        if self._steps is None:
            self._steps = self._begin()
            self._loop.call_soon(self._slice)
        else:
            self._again = True

    def _slice(self) -> None:
        """Take steps for the length of a slice."""
        assert self._steps is not None  # noqa: S101 (slices are queued only while there are steps)
        end = time.perf_counter() + SLICE
        for _ in self._steps:
            if time.perf_counter() >= end:
                self._loop.call_soon(self._slice)
                return
        self._steps = None
        if self._again:
            self._again = False
            self.request()
