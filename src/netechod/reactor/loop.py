"""The loop: waits for descriptors and timers, and calls who asked. One thread, one turn at a time.

A turn: wait; read the clock once; call the handlers of what is ready; call the timers that are due; call
those who queued something to send. So handlers only queue, and one busy turn costs one write.
"""

import heapq
import itertools
import os
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from netechod.reactor.selectors import READABLE, WRITABLE, EpollSelector, Selector

Callback = Callable[[], object]

LONGEST_WAIT = 86400.0  # seconds; epoll and poll count milliseconds in an int, which ends at 24.8 days


class Timer:
    """A call in the future that can be taken back."""

    __slots__ = ("callback", "when")

    def __init__(self, when: float, callback: Callback) -> None:
        self.when = when
        self.callback: Callback | None = callback

    def cancel(self) -> None:
        """Do not call; harmless when it is too late."""
        self.callback = None


class Loop:
    """A reactor over one selector. All methods but `call_soon_threadsafe` belong to the loop's thread."""

    def __init__(self, selector: Selector | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._selector = selector if selector is not None else EpollSelector()
        self.clock = clock
        self.now = clock()
        self._readers: list[Callback | None] = []  # by descriptor: an index is cheaper than a key
        self._writers: list[Callback | None] = []
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()  # timers for the same time are called in the order of asking
        self._flushes: list[Callback] = []
        self._soon: deque[Callback] = deque()
        self.on_no_memory: list[Callback] = []  # called when we cannot even wait: they should free some
        self._running = False
        self._bell_out, self._bell_in = os.pipe()
        os.set_blocking(self._bell_out, False)
        os.set_blocking(self._bell_in, False)
        self.watch(self._bell_out, self._on_bell)

    @property
    def bell(self) -> int:
        """A descriptor: a byte written to it ends the wait. Only a bell: what there is to do is in memory."""
        return self._bell_in

    @property
    def descriptor_limit(self) -> int | None:
        """The first descriptor number that can not be watched, if the selector has one."""
        return self._selector.limit

    def watch(self, fd: int, readable: Callback | None, writable: Callback | None = None) -> None:
        """Call `readable` and `writable` whenever `fd` is so; replaces what was asked for `fd` before.

        Without either, `fd` is forgotten.

        An error or hang-up on the descriptor is reported to whichever there is: the next read or write
        of the handler meets it.
        """
        mask = (READABLE if readable else 0) | (WRITABLE if writable else 0)
        if not mask:
            self.unwatch(fd)
            return
        while fd >= len(self._readers):
            self._readers.append(None)
            self._writers.append(None)
        before = (READABLE if self._readers[fd] else 0) | (WRITABLE if self._writers[fd] else 0)
        if not before:
            self._selector.register(fd, mask)
        elif mask != before:
            self._selector.modify(fd, mask)
        self._readers[fd] = readable
        self._writers[fd] = writable

    def unwatch(self, fd: int) -> None:
        """Forget `fd`; to be called before it is closed. Harmless when it is not watched."""
        if fd < len(self._readers) and (self._readers[fd] or self._writers[fd]):
            self._selector.unregister(fd)
            self._readers[fd] = self._writers[fd] = None

    def call_at(self, when: float, callback: Callback) -> Timer:
        """Call `callback` once when the loop's clock has reached `when`."""
        timer = Timer(when, callback)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    def call_before_sleep(self, flush: Callback) -> None:
        """Call `flush` once, at the end of this turn."""
        self._flushes.append(flush)

    def call_soon(self, callback: Callback) -> None:
        """Call `callback` after the handlers of this turn; asked for from there, after those of the next."""
        self._soon.append(callback)

    def call_soon_threadsafe(self, callback: Callback) -> None:
        """The same from another thread or a signal handler: it also ends the wait."""
        self._soon.append(callback)
        with suppress(OSError):  # a pipe full of bells: one of them will do
            os.write(self._bell_in, b"\0")

    def run(self) -> None:
        """Take turns until `stop`. An exception out of a handler is a defect and ends the loop."""
        self._running = True
        while self._running:
            self._turn()

    def stop(self) -> None:
        """Let this turn be the last."""
        self._running = False

    def close(self) -> None:
        """Give back the selector and the bell."""
        self._selector.close()
        os.close(self._bell_out)
        os.close(self._bell_in)

    def _turn(self) -> None:
        try:
            events = self._selector.wait(self._timeout())
        except MemoryError:
            events = []
            for shed in self.on_no_memory:
                shed()
        self.now = self.clock()
        self._call_ready(events)
        for _ in range(len(self._soon)):  # what they add waits for the next turn
            self._soon.popleft()()
        if self._timers:
            self._call_due()
        while self._flushes:
            flushes, self._flushes = self._flushes, []
            for flush in flushes:
                flush()

    def _call_ready(self, events: list[tuple[int, int]]) -> None:
        """Readers before writers; a handler that an earlier one took away is not called."""
        readers, writers = self._readers, self._writers
        for fd, mask in events:
            reader = readers[fd]
            if mask == READABLE and reader is not None:  # nearly always
                reader()
                continue
            if mask & ~WRITABLE and reader is not None:
                reader()
            writer = writers[fd]
            if writer is not None and (mask & WRITABLE or reader is None):
                writer()

    def _call_due(self) -> None:
        """Call the timers whose time has come; one that calls for `now` again waits for the next turn."""
        due = []
        while self._timers and self._timers[0][0] <= self.now:
            due.append(heapq.heappop(self._timers)[2])
        for timer in due:
            callback, timer.callback = timer.callback, None
            if callback is not None:
                callback()

    def _timeout(self) -> float | None:
        """Seconds until somebody is due; the cancelled are thrown away on the way."""
        if self._soon:
            return 0.0
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        if not self._timers:
            return None
        return min(max(0.0, self._timers[0][0] - self.clock()), LONGEST_WAIT)

    def _on_bell(self) -> None:
        """Empty the bell; `_turn` calls what it rang for."""
        with suppress(OSError):
            os.read(self._bell_out, 4096)
