"""Signals as events: a handler only notes the signal, the loop acts on it between two turns.

Python runs a handler between two bytecodes, and PEP 475 resumes the wait after it: without the wake-up
descriptor (`signal.set_wakeup_fd`) a noted signal would wait for the next packet. The signal's *number* also
travels through that descriptor and is lost when it is full; the notes here are not, however many come.
"""

import signal
from collections.abc import Mapping
from types import FrameType

from netechod.reactor.loop import Callback, Loop

_PYTHONS = frozenset({signal.SIGPIPE, signal.SIGXFSZ})
"""Python ignores these from its start on. `subprocess` gives children the default back."""


class SignalSource:
    """Notes signals from its construction on, before there are sockets; delivers them once it has a loop.

    The signal mask and what is ignored survive exec(3). So both are put in order first: a parent may have
    left us deaf to SIGTERM, or without the exit status of our children.
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
        """From now on call `handlers` on `loop`, first for the signals that were noted before."""
        self._loop = loop
        self._handlers = handlers
        # A full bell has been rung: the default warning would only write to stderr, once per signal.
        signal.set_wakeup_fd(loop.bell, warn_on_full_buffer=False)
        loop.call_soon(self._deliver)

    def noted(self, *signals: signal.Signals) -> bool:
        """Whether one of these has come and not been delivered yet."""
        return any(number in self._noted for number in signals)

    def close(self) -> None:
        """Ignore all further signals: a second TERM must not interrupt the end."""
        signal.set_wakeup_fd(-1)
        for number in self._signals:
            signal.signal(number, signal.SIG_IGN)

    def _note(self, number: int, frame: FrameType | None) -> None:
        """Keep the number, once, in the order of arrival. Runs between any two bytecodes: no logging here."""
        if not self._noted and self._loop is not None:
            self._loop.call_soon(self._deliver)
        self._noted[number] = None

    def _deliver(self) -> None:
        """Call the handler of every noted signal; one that comes meanwhile is noted for the next turn."""
        noted, self._noted = self._noted, {}
        for number in noted:
            self._handlers[signal.Signals(number)]()
