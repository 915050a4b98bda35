"""Blocking work on a thread. It may wait for a disk or a resolver, and the loop must not."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from netechod.errors import NetechodError
from netechod.reactor.loop import Callback, Loop, Timer
from netechod.reactor.tasks import Work

T = TypeVar("T")


class TooLongError(NetechodError):
    """The work takes longer than its limit, or an earlier request still does."""


class Background(Generic[T]):
    """Runs a function on a thread of its own, one call at a time."""

    def __init__(self, loop: Loop, name: str, limit: float) -> None:
        """`limit`: seconds after which `call` gives up. The thread goes on: it cannot be ended."""
        self._loop = loop
        self._name = name
        self._limit = limit
        self._thread: threading.Thread | None = None

    def call(self, function: Callable[[], T]) -> Work[T]:
        """Call the function, and return its value or raise its exception. This is the work of a task.

        Raises TooLongError.
        """
        if self._thread is not None and self._thread.is_alive():
            raise TooLongError(f"{self._name} still waits since an earlier request")
        future: Future[T] = Future()
        bell = _Bell(self._loop)

        def work() -> None:
            try:
                future.set_result(function())
            except BaseException as error:  # `call` raises it
                future.set_exception(error)
            bell.ring()

        def wait(resume: Callback) -> None:
            bell.wait(resume, self._limit)
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
            raise TooLongError(f"{self._name} takes longer than {self._limit:g} s")
        return future.result()


class _Bell:
    """Resumes a waiting task on the loop, once: when a thread rings, or after a time limit."""

    def __init__(self, loop: Loop) -> None:
        self._lock = threading.Lock()
        self._loop: Loop | None = loop
        self._resume: Callback | None = None
        self._timer: Timer | None = None

    def wait(self, resume: Callback, limit: float) -> None:
        """Call `resume` when it rings, or after `limit` seconds."""
        self._resume = resume
        if self._loop is not None:
            self._timer = self._loop.call_at(self._loop.now + limit, self._wake)

    def ring(self) -> None:
        """Resume, from any thread. After `close`, when the loop may be closed too, do nothing."""
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._wake)

    def close(self) -> None:
        """Stop waiting."""
        with self._lock:
            self._loop = None
        self._resume = None
        if self._timer is not None:
            self._timer.cancel()

    def _wake(self) -> None:
        resume, self._resume = self._resume, None
        if resume is not None:
            resume()
