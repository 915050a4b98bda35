"""How far the system clock may be from UTC, as the kernel knows it (adjtimex(2)). Reading needs no privilege.

For the daemon and for the client.
"""

import ctypes
import os

SYNCHRONIZED_BELOW = 16_000_000  # microseconds: the kernel's bound for a clock that nobody synchronizes
LEAST = 1e-6  # seconds: below it lies the resolution of `maxerror`
UNTOLD = 1e-3  # seconds: the least error of a clock whose daemon tells no estimate (systemd-timesyncd)

_long, _int = ctypes.c_long, ctypes.c_int


class _Timex(ctypes.Structure):
    """struct timex, adjtimex(2)."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        *((name, _long) for name in ("offset", "freq", "maxerror", "esterror")),
        ("status", _int),
        *((name, _long) for name in ("constant", "precision", "tolerance", "seconds", "fraction", "tick")),
        ("rest", _long * 32),  # more than all other fields take
    )


_libc = ctypes.CDLL(None, use_errno=True)


def clock_error() -> float | None:
    """Return the greatest error of the clock in seconds; None if nobody synchronizes it, or it is not told.

    Flags of `status` would mislead: chrony leaves STA_UNSYNC set unless `rtcsync` is configured.
    """
    timex = _Timex()  # modes 0: read only
    if _libc.adjtimex(ctypes.byref(timex)) < 0:
        return None
    error: int = timex.maxerror
    if error >= SYNCHRONIZED_BELOW:
        return None
    return max(error / 1e6, LEAST if timex.esterror else UNTOLD)


def clock_refusal() -> str:
    """Return why the clock's state cannot be read; empty if it can.

    It is EPERM if the unit of the service forbids it (ProtectClock=, systemd.exec(5)).
    """
    is_told = _libc.adjtimex(ctypes.byref(_Timex())) >= 0
    return "" if is_told else os.strerror(ctypes.get_errno())
