"""Signals as events. A handler only notes the signal, and the loop acts on it between two turns.

Python runs a handler between two bytecodes, and resumes the wait after it (PEP 475). Without the wake-up
descriptor (`signal.set_wakeup_fd`), a noted signal would wait for the next packet. Python also writes the
signal's number to that descriptor, but the number is lost when the pipe is full. The notes here are not.
"""

import signal
from collections.abc import Mapping
from types import FrameType

from netechod.reactor.loop import Callback, Loop

_PYTHONS = frozenset({signal.SIGPIPE, signal.SIGXFSZ})
"""Python ignores these from its start on. `subprocess` restores the default for children."""


class SignalSource:
    """Notes signals from its construction on, and delivers them as soon as it has a loop.

    The signal mask and ignored signals survive exec(3). So both are reset first: a parent may have blocked
    SIGTERM, or ignored SIGCHLD, which would cost us the exit status of our children.
    """

    def __init__(self, *signals: signal.Signals) -> None:
        self._noted: dict[int, None] = {}
        self._handlers: Mapping[signal.Signals, Callback] = {}
        self._loop: Loop | None = None
        self._signals = signals
        for number in signal.valid_signals() - _PYTHONS:
            if signal.getsignal(number) is signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        for number in signals:
            signal.signal(number, self._note)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def deliver_to(self, loop: Loop, handlers: Mapping[signal.Signals, Callback]) -> None:
        """Call `handlers` on `loop` from now on, also for the signals that were noted before."""
        self._loop = loop
        self._handlers = handlers
        # If the bell is full, it has rung already. The warning would only write to stderr at each signal.
        signal.set_wakeup_fd(loop.bell, warn_on_full_buffer=False)
        loop.call_soon(self._deliver)

    def noted(self, *signals: signal.Signals) -> bool:
        """Return whether one of these signals is noted and not delivered yet."""
        return any(number in self._noted for number in signals)

    def close(self) -> None:
        """Ignore all further signals: a second TERM must not interrupt the end."""
        signal.set_wakeup_fd(-1)
        for number in self._signals:
            signal.signal(number, signal.SIG_IGN)

    def _note(self, number: int, frame: FrameType | None) -> None:
        """Note the number, once, in the order of arrival. This runs between any two bytecodes: do not log."""
        if not self._noted and self._loop is not None:
            self._loop.call_soon(self._deliver)
        self._noted[number] = None

    def _deliver(self) -> None:
        """Call the handler of every noted signal. A signal that comes meanwhile waits for the next turn."""
        noted, self._noted = self._noted, {}
        for number in noted:
            self._handlers[signal.Signals(number)]()
