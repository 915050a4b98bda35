"""Turns for sessions that answer in many pieces."""

from collections import deque

from netechod.reactor.loop import Callback, Loop

SLICE = 0.001  # seconds of a turn of the loop in which the sessions of one server may work


class Turns:
    """Calls one piece of work after the other, each at most once a turn of the loop, for SLICE in all.

    The rest waits in order for the next turn of the loop. So eight clients with long answers take no more
    time of a turn than one does, and each makes progress.
    """

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._queue: deque[Callback] = deque()

    def add(self, work: Callback) -> None:
        """Have `work` called soon, once."""
        self._queue.append(work)
        if len(self._queue) == 1:  # no run is due yet
            self._loop.call_soon(self._run)

    def _run(self) -> None:
        ends = self._loop.clock() + SLICE
        for _ in range(len(self._queue)):
            self._queue[0]()  # it stays in the queue, so that work which it adds asks for no other run
            self._queue.popleft()
            if self._loop.clock() >= ends:
                break
        if self._queue:
            self._loop.call_soon(self._run)
