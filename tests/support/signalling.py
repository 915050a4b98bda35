"""Signals in the test's own process."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def signals_restored() -> Iterator[None]:
    """Put every handler back that is changed within, and have no descriptor rung any more."""
    numbers = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in before.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
