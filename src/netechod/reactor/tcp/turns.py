"""Turns for sessions that have more to say than fits one piece."""

from collections import deque

from netechod.reactor.loop import Callback, Loop

SLICE = 0.001  # seconds of a turn of the loop in which the sessions of one server may work


class Turns:
    """Calls one piece of work after the other, each at most once a turn of the loop, for SLICE in all.

    What did not come to its turn waits for the next one, in order. So eight clients with long answers take no
    more of a turn than one does, and nobody starves.
    """

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._queue: deque[Callback] = deque()

    def add(self, work: Callback) -> None:
        """Have `work` called soon, once."""
        self._queue.append(work)
        if len(self._queue) == 1:  # nobody else has asked for the run
            self._loop.call_soon(self._run)

    def _run(self) -> None:
        ends = self._loop.clock() + SLICE
        for _ in range(len(self._queue)):
            self._queue[0]()  # it stays first, so that what it adds asks for no run of its own
            self._queue.popleft()
            if self._loop.clock() >= ends:
                break
        if self._queue:
            self._loop.call_soon(self._run)
