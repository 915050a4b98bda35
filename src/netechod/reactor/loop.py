"""The event loop: it waits for descriptors and timers, and calls their handlers on one thread.

A turn has five steps. Wait. Read the clock, once. Call the handlers of the descriptors that are ready. Call
the timers that are due. Call the functions that send what timers and handlers have queued.
"""

import heapq
import itertools
import os
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import RLock

from netechod.reactor.selectors import READABLE, WRITABLE, EpollSelector, Selector

Callback = Callable[[], object]

LONGEST_WAIT = 86400.0  # seconds; epoll and poll count milliseconds in an int, which ends at 24.8 days


class Timer:
    """A call in the future that can be cancelled."""

    __slots__ = ("callback", "when")

    def __init__(self, when: float, callback: Callback) -> None:
        self.when = when
        self.callback: Callback | None = callback

    def cancel(self) -> None:
        """Do not make the call. Afterwards this has no effect."""
        self.callback = None


class Loop:
    """A reactor over one selector. All methods but `call_soon_threadsafe` belong to the loop's thread.

    Handlers count their steps in `work`: datagrams received, sent and dropped, errors taken. `longest_turn`
    is the largest count of one turn. A test can compare it with the budget without a clock.
    """

    def __init__(self, selector: Selector | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._selector = selector if selector is not None else EpollSelector()
        self.clock = clock
        self.now = clock()
        self._readers: list[Callback | None] = []  # by descriptor: a list is faster than a dict
        self._writers: list[Callback | None] = []
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()  # timers for the same time are called in the order of `call_at`
        self._flushes: list[Callback] = []
        self._soon: deque[Callback] = deque()
        self.on_no_memory: list[Callback] = []  # called if there is no memory to wait: they should free some
        self._running = False
        self.turns = 0
        self.work = 0
        self.longest_turn = 0
        # Reentrant: a signal handler may ring while the same thread rings or closes.
        self._bell_lock = RLock()
        self._bell_out, self._bell_in = os.pipe()
        os.set_blocking(self._bell_out, False)
        os.set_blocking(self._bell_in, False)
        self.watch(self._bell_out, self._on_bell)

    @property
    def bell(self) -> int:
        """The descriptor that ends the wait when a byte is written to it. The byte's value is ignored."""
        return self._bell_in

    @property
    def descriptor_limit(self) -> int | None:
        """The first descriptor number that cannot be watched; None if the selector has no limit."""
        return self._selector.limit

    def watch(self, fd: int, readable: Callback | None, writable: Callback | None = None) -> None:
        """Call `readable` and `writable` whenever `fd` is so, instead of the handlers that it had before.

        Without either, `fd` is not watched any more. After an error or a hang-up, the handler that there is
        gets called: its next read or write fails. Raises OSError.
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
        """Stop watching `fd`. Call this before you close it. If `fd` is not watched, do nothing."""
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
        """Call `callback` after the handlers of this turn. If a callback asks for it: of the next turn."""
        self._soon.append(callback)

    def call_soon_threadsafe(self, callback: Callback) -> None:
        """Do the same from another thread or a signal handler. This also ends the wait.

        After `close` this does nothing: another file may have the bell's descriptor by then.
        """
        with self._bell_lock, suppress(OSError):  # the pipe is full: one byte in it is enough
            self._soon.append(callback)
            os.write(self._bell_in, b"\0")

    def run(self) -> None:
        """Take turns until `stop`. An exception of a handler is a defect, and leaves this method."""
        self._running = True
        while self._running:
            self._turn()

    def stop(self) -> None:
        """Let this turn be the last."""
        self._running = False

    def close(self) -> None:
        """Give back the selector and the bell."""
        self._selector.close()
        with self._bell_lock:
            os.close(self._bell_out)
            os.close(self._bell_in)
            self._bell_out = self._bell_in = -1

    def _turn(self) -> None:
        try:
            events = self._selector.wait(self._timeout())
        except MemoryError:
            events = []
            for shed in self.on_no_memory:
                shed()
        self.now = self.clock()
        self.turns += 1
        self._call_ready(events)
        for _ in range(len(self._soon)):  # calls that these add wait for the next turn
            self._soon.popleft()()
        if self._timers and self._timers[0][0] <= self.now:
            self._call_due()
        while self._flushes:
            flushes, self._flushes = self._flushes, []
            for flush in flushes:
                flush()
        if self.work > self.longest_turn:  # this runs for every event, and max() takes longer
            self.longest_turn = self.work
        self.work = 0

    def _call_ready(self, events: list[tuple[int, int]]) -> None:
        """Call readers before writers. If a handler has removed another one, that one is not called."""
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
        """Call the timers that are due. A timer that asks for `now` again is called in the next turn."""
        due = []
        while self._timers and self._timers[0][0] <= self.now:
            due.append(heapq.heappop(self._timers)[2])
        for timer in due:
            callback, timer.callback = timer.callback, None
            if callback is not None:
                callback()

    def _timeout(self) -> float | None:
        """Return the seconds until the next timer is due; drop cancelled timers on the way."""
        if self._soon:
            return 0.0
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        if not self._timers:
            return None
        wait = self._timers[0][0] - self.clock()
        if wait > LONGEST_WAIT:  # this runs for every event, and min() and max() take longer
            return LONGEST_WAIT
        return wait if wait > 0.0 else 0.0

    def _on_bell(self) -> None:
        """Empty the bell. The calls that it announced are in `_soon`."""
        with suppress(OSError):
            os.read(self._bell_out, 4096)
