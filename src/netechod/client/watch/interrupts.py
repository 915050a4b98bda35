"""Signals as calls on a loop. A signal that was ignored from the start, as with nohup(1), stays so."""

import signal
from collections.abc import Mapping
from contextlib import ExitStack
from types import FrameType, TracebackType
from typing import Self

from netechod.reactor.loop import Callback, Loop


class Interrupts:
    """Calls `handlers` on the loop. When it is left, everything is as before."""

    def __init__(self, loop: Loop, handlers: Mapping[signal.Signals, Callback]) -> None:
        self._loop = loop
        self._handlers = handlers
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        previous = signal.set_wakeup_fd(self._loop.bell, warn_on_full_buffer=False)
        self._undo.callback(signal.set_wakeup_fd, previous)
        for number in self._handlers:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._undo.callback(signal.signal, number, signal.signal(number, self._note))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._undo.close()

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._loop.call_soon_threadsafe(self._handlers[signal.Signals(number)])
