"""Linux's calls for a process with children: prctl(2), pidfd_open(2), SIGCHLD."""

import ctypes
import os
import signal

SET_PDEATHSIG, SET_DUMPABLE, SET_CHILD_SUBREAPER = 1, 4, 36

_libc = ctypes.CDLL(None)  # loaded now: a child that is forked beside threads must not load a library

started: set[int] = set()
"""The children that this process has started and has not reaped yet. Their starters reap them."""


def prctl(option: int, value: int) -> bool:
    """Set an option of this process. Return whether the kernel has accepted it."""
    return int(_libc.prctl(option, value, 0, 0, 0)) == 0


def has_pidfd() -> bool:
    """Return whether descriptors can stand for processes (pidfd_open(2))."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:  # an old kernel, or a sandbox that forbids the call
        return False
    return True


def hear_of_children() -> None:
    """Have the kernel keep the exit status of children. If SIGCHLD is ignored, it does not (wait(2))."""
    if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
