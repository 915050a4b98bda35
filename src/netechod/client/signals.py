"""Signals while a loop runs. A signal that was ignored from the start, as with nohup(1), stays so."""

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType


@contextmanager
def noted(
    bell: int, numbers: Iterable[signal.Signals], note: Callable[[int, FrameType | None], object]
) -> Iterator[None]:
    """Call `note` for each of these signals. Afterwards everything is as before.

    A handler alone does not end a wait (PEP 475). So a byte is written to `bell`, a non-blocking descriptor.
    """
    with ExitStack() as undo:
        undo.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(bell, warn_on_full_buffer=False))
        for number in numbers:
            if signal.getsignal(number) is not signal.SIG_IGN:
                undo.callback(signal.signal, number, signal.signal(number, note))
        yield
