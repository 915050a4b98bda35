"""What a Linux process can ask the kernel to be (prctl(2)); Python has no word for it."""

import ctypes
import sys

SET_DUMPABLE, SET_CHILD_SUBREAPER = 4, 36


def prctl(option: int, value: int) -> bool:
    """Set the option; False where the system has no such thing."""
    if sys.platform != "linux":
        return False
    return int(ctypes.CDLL(None).prctl(option, value, 0, 0, 0)) == 0
