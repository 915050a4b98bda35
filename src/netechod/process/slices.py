"""Work that takes long, done on the loop in slices, so that every socket has its turn between two of them."""

import time
from collections.abc import Callable, Generator
from typing import Generic, TypeAlias, TypeVar

from netechod.reactor.loop import Loop

SLICE = 0.002  # seconds of work per turn of the loop

T = TypeVar("T")

Pause: TypeAlias = Callable[[Callable[[], None]], object]
"""What the work has to wait for: it is called, once, with what it calls, later, when it is over."""

Steps: TypeAlias = Generator[Pause | None, None, T]
"""Work in short steps, each of which may end with a pause; its value is the result."""


class Slices(Generic[T]):
    """Runs such work; `done` is called with its result. What it raises, it raises out of the loop."""

    def __init__(self, loop: Loop, steps: Steps[T], done: Callable[[T], object]) -> None:
        self._loop = loop
        self._steps: Steps[T] | None = steps
        self._done = done
        loop.call_soon(self._go_on)

    def cancel(self) -> None:
        """Give the work up. Harmless when it is done."""
        steps, self._steps = self._steps, None
        if steps is not None:
            steps.close()

    def _go_on(self) -> None:
        """Take steps for the length of a slice, or until the next pause."""
        if self._steps is None:
            return  # cancelled meanwhile
        end = time.perf_counter() + SLICE
        try:
            while (pause := next(self._steps)) is None:
                if time.perf_counter() >= end:
                    self._loop.call_soon(self._go_on)
                    return
        except StopIteration as stop:
            self._steps = None
            self._done(stop.value)
        else:
            pause(self._resume)

    def _resume(self) -> None:
        """Go on, but not here: what the work raises is none of the business of whoever it waited for."""
        self._loop.call_soon(self._go_on)


def finished(loop: Loop, steps: Steps[T]) -> T | None:
    """Run the loop for the work alone and return its result; None when somebody else stops the loop."""
    results: list[T] = []

    def done(result: T) -> None:
        results.append(result)
        loop.stop()

    slices = Slices(loop, steps, done)
    try:
        loop.run()
    finally:
        slices.cancel()
    return results[0] if results else None
