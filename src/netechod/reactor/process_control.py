"""What a Linux process can ask the kernel to be (prctl(2)); Python has no word for it."""

import ctypes
import sys

SET_PDEATHSIG, SET_DUMPABLE, SET_CHILD_SUBREAPER = 1, 4, 36

_libc = ctypes.CDLL(None)  # now: a child that was forked beside threads had better load nothing


def prctl(option: int, value: int) -> bool:
    """Set the option; False where the system has no such thing."""
    if sys.platform != "linux":
        return False
    return int(_libc.prctl(option, value, 0, 0, 0)) == 0
