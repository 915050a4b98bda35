"""Match arguments against regular expressions within a limit of CPU time.

For some expressions, such as `(a+)+$`, the time doubles with each character of an argument that does not
match. Python's engine checks for signals while it matches (PyErr_CheckSignals), so a timer's signal ends it.
"""

import re
import signal
import warnings
from collections.abc import Sequence
from types import FrameType

from netechod.services.api import Check

CPU_LIMIT = 0.02  # seconds for all arguments of one request; then the current one counts as a mismatch


class _TimeUpError(Exception):
    """The CPU time is used up."""


def first_mismatch(checks: Sequence[Check]) -> int:
    """Return the number, from 1, of the first check that fails, or 0. Call it on the main thread only."""
    before = signal.signal(signal.SIGVTALRM, _end_matching)
    number = 0
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, CPU_LIMIT)
        try:
            for number, check in enumerate(checks, 1):
                if not _holds(check):
                    return number
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    except _TimeUpError:
        return number
    finally:
        signal.signal(signal.SIGVTALRM, before)
    return 0


def _holds(check: Check) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the expression was accepted when the configuration was read
        return re.compile(check.pattern, check.flags).fullmatch(check.argument) is not None


def _end_matching(number: int, frame: FrameType | None) -> None:
    raise _TimeUpError
