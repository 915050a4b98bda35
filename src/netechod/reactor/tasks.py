"""Long work in slices on the loop. All sockets have their turn between two slices."""

import time
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar

from netechod.reactor.loop import Loop

SLICE = 0.002  # seconds of work per turn of the loop

T = TypeVar("T")

Wait: TypeAlias = Callable[[Callable[..., Any]], object]
"""A wait. The task calls it with a callback, `resume`, which has to be called once, with the wait's value."""

Work: TypeAlias = Generator[Wait | None, Any, T]
"""Work in short steps. A step yields None, or a wait, whose value it gets. The work returns its result."""


class Task(Generic[T]):
    """Runs work and calls `done` with its result. An exception of the work leaves the loop's `run`."""

    def __init__(self, loop: Loop, work: Work[T], done: Callable[[T], object]) -> None:
        self._loop = loop
        self._work: Work[T] | None = work
        self._done = done
        loop.call_soon(self._go_on)

    def cancel(self) -> None:
        """Give the work up. If it is done, do nothing."""
        work, self._work = self._work, None
        if work is not None:
            work.close()

    def _go_on(self, value: object = None) -> None:
        """Take steps for one slice, or until the next wait. `value` is that of the last wait."""
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
        """Resume in the next turn, not on the caller's stack: it must not get an exception of the work."""
        self._loop.call_soon(partial(self._go_on, value))


def within(loop: Loop, seconds: float, wait: Wait, otherwise: object) -> Wait:
    """Return the same wait, which ends after so many seconds at the latest, with the value `otherwise`."""

    def begin(resume: Callable[..., object]) -> None:
        waiting = [resume]

        def end(value: object) -> None:
            timer.cancel()
            while waiting:
                waiting.pop()(value)

        timer = loop.call_at(loop.now + seconds, lambda: end(otherwise))
        wait(end)

    return begin


def finished(loop: Loop, work: Work[T]) -> T | None:
    """Run the loop until the work is done, and return its result. None: something else stopped the loop."""
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
