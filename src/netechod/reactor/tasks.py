"""Work that takes long, done on the loop in slices: every socket has its turn between two slices."""

import time
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar

from netechod.reactor.loop import Loop

SLICE = 0.002  # seconds of work per turn of the loop

T = TypeVar("T")

Wait: TypeAlias = Callable[[Callable[..., Any]], object]
"""A wait. A task calls it with `resume`; whatever ends the wait calls `resume` once, with its value."""

Work: TypeAlias = Generator[Wait | None, Any, T]
"""Work in short steps. A step yields None, or a wait and gets its value. The work returns its result."""


class Task(Generic[T]):
    """Runs work and calls `done` with its result. An exception of the work goes out of the loop."""

    def __init__(self, loop: Loop, work: Work[T], done: Callable[[T], object]) -> None:
        self._loop = loop
        self._work: Work[T] | None = work
        self._done = done
        loop.call_soon(self._go_on)

    def cancel(self) -> None:
        """Give the work up. Harmless when it is done."""
        work, self._work = self._work, None
        if work is not None:
            work.close()

    def _go_on(self, value: object = None) -> None:
        """Take steps for the length of a slice, or until the next wait. `value` is that of the last wait."""
        if self._work is None:
            return  # cancelled meanwhile
        end = time.perf_counter() + SLICE
        try:
            while (wait := self._work.send(value)) is None:
                value = None
                if time.perf_counter() >= end:
                    self._loop.call_soon(self._go_on)
                    return
        except StopIteration as stop:
            self._work = None
            self._done(stop.value)
        else:
            wait(self._resume)

    def _resume(self, value: object = None) -> None:
        """Go on in a later turn: an exception of the work must not reach whoever has ended the wait."""
        self._loop.call_soon(partial(self._go_on, value))


def finished(loop: Loop, work: Work[T]) -> T | None:
    """Run the loop for the work alone and return its result; None when something else stops the loop."""
    results: list[T] = []

    def done(result: T) -> None:
        results.append(result)
        loop.stop()

    task = Task(loop, work, done)
    try:
        loop.run()
    finally:
        task.cancel()
    return results[0] if results else None
