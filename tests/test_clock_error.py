"""The error of the clock, as adjtimex(2) tells it, and as it refuses to."""

import ctypes
import errno

import pytest

from netechod import clock_error as module
from netechod.clock_error import clock_error, clock_refusal


class Kernel:
    """A kernel that tells these errors in microseconds, or refuses with an error number."""

    def __init__(self, maxerror: int = 0, esterror: int = 0, refusal: int = 0) -> None:
        self._told = {"maxerror": maxerror, "esterror": esterror}
        self._refusal = refusal

    def adjtimex(self, timex: ctypes.c_void_p) -> int:
        """See adjtimex(2)."""
        if self._refusal:
            ctypes.set_errno(self._refusal)
            return -1
        for name, value in self._told.items():
            setattr(timex._obj, name, value)  # type: ignore[attr-defined]
        return 5  # TIME_ERROR, as chrony has it


@pytest.mark.parametrize(
    ("maxerror", "esterror", "error"),
    [
        (12_345, 20, 0.012345),
        (0, 1, 0.000001),
        (15_999_999, 1, 15.999999),
        (16_000_000, 16_000_000, None),
        (500, 0, 0.001),  # systemd-timesyncd
        (2_000, 0, 0.002),
    ],
)
def test_an_error_below_16_seconds_is_that_of_a_synchronized_clock(
    monkeypatch: pytest.MonkeyPatch, maxerror: int, esterror: int, error: float | None
) -> None:
    monkeypatch.setattr(module, "_libc", Kernel(maxerror, esterror))
    assert clock_error() == error
    assert clock_refusal() == ""


def test_a_clock_that_cannot_be_read_claims_nothing_and_the_reason_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_libc", Kernel(refusal=errno.EPERM))
    assert clock_error() is None
    assert clock_refusal() == "Operation not permitted"
