"""Blocking work on a thread. It may wait for a disk or a resolver, and the loop must not."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from netechod.errors import NetechodError
from netechod.reactor.loop import Callback, Loop, Timer
from netechod.reactor.tasks import Work

T = TypeVar("T")


class TooLongError(NetechodError):
    """The work takes longer than its limit, or an earlier request still does."""


class Background:
    """Runs a function on a thread of its own, one call at a time."""

    def __init__(self, loop: Loop, name: str, limit: float) -> None:
        """`limit`: seconds after which the caller stops waiting. The thread cannot be ended, and goes on."""
        self._loop = loop
        self._name = name
        self._limit = limit
        self._thread: threading.Thread | None = None

    def call(self, function: Callable[[], T], limit: float | None = None) -> Work[T]:
        """Return the function's value, in steps. Raises TooLongError, or the function's own exception.

        `limit`: seconds for this call, instead of the usual ones.
        """
        if self._thread is not None:
            raise TooLongError(f"{self._name} still waits since an earlier request")
        limit = limit or self._limit
        future: Future[T] = Future()
        bell = _Bell(self._loop)

        def work() -> None:
            try:
                future.set_result(function())
            except BaseException as error:  # the waiting caller raises it
                future.set_exception(error)
            self._thread = None  # before the bell rings: the next call may follow at once
            bell.ring()

        def wait(resume: Callback) -> None:
            bell.wait(resume, limit)
            self._thread = threading.Thread(target=work, name=self._name, daemon=True)
            try:
                self._thread.start()
            except RuntimeError as error:  # clone(2) says EAGAIN
                future.set_exception(NetechodError(f"{self._name}: {error}"))
                self._thread = None
                bell.ring()

        try:
            yield wait
        finally:
            bell.close()
        if not future.done():
            raise TooLongError(f"{self._name} takes longer than {limit:g} s")
        return future.result()


class _Bell:
    """Wakes the caller that waits on the loop, once: from a thread, or when the time is over."""

    def __init__(self, loop: Loop) -> None:
        self._lock = threading.Lock()
        self._loop = loop
        self._is_closed = False
        self._resume: Callback = _do_nothing
        self._timer: Timer

    def wait(self, resume: Callback, limit: float) -> None:
        """Call `resume` when it rings, or after `limit` seconds."""
        self._resume = resume
        self._timer = self._loop.call_at(self._loop.now + limit, self._wake)

    def ring(self) -> None:
        """Wake the caller, from any thread. After `close` this does nothing: the loop may be closed, too."""
        with self._lock:
            if not self._is_closed:
                self._loop.call_soon_threadsafe(self._wake)

    def close(self) -> None:
        """Wake the caller no more."""
        with self._lock:
            self._is_closed = True
        self._resume = _do_nothing
        self._timer.cancel()

    def _wake(self) -> None:
        resume, self._resume = self._resume, _do_nothing
        resume()


def _do_nothing() -> None:
    """Stand for a caller that does not wait."""
