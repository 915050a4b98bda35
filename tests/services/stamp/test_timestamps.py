"""Timestamps and error estimates, against known values and for all values."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netechod.services.stamp.timestamps import (
    PTP,
    SECOND,
    SYNCHRONIZED,
    error_estimate,
    error_of,
    ntp_age,
    ntp_of,
    time_of,
)

ERA_1 = 2_085_978_496 * SECOND  # 2036-02-07 06:28:16 UTC
TIMES = st.integers(0, 4_000_000_000 * SECOND)


@pytest.mark.parametrize(
    ("time_ns", "timestamp"),
    [
        (1_796_062_694_436_659_574, 0xEEB83C66_6FC8EBFD),
        (0, 2_208_988_800 << 32),
        (ERA_1, 0),
        (ERA_1 - 1, 0xFFFFFFFF_FFFFFFFB),
        (ERA_1 + SECOND // 2, 0x00000000_80000000),
    ],
)
def test_a_time_is_an_ntp_timestamp_of_its_era(time_ns: int, timestamp: int) -> None:
    assert ntp_of(time_ns) == timestamp
    assert time_of(timestamp, time_ns, ptp=False) == time_ns


@given(TIMES, st.integers(-60 * 365 * 86400 * SECOND, 60 * 365 * 86400 * SECOND))
def test_a_timestamp_is_read_in_the_era_nearest_to_now(time_ns: int, clock_difference: int) -> None:
    assert time_of(ntp_of(time_ns), time_ns + clock_difference, ptp=False) == time_ns


@given(TIMES, st.integers(-60 * 365 * 86400 * SECOND, 60 * 365 * 86400 * SECOND))
def test_the_age_of_a_timestamp_needs_no_era(time_ns: int, age: int) -> None:
    assert abs(ntp_age(ntp_of(time_ns), time_ns + age) - age) <= 1


@given(TIMES, st.integers(-60 * 365 * 86400 * SECOND, 60 * 365 * 86400 * SECOND))
def test_a_timestamp_of_ptp_is_seconds_and_nanoseconds(time_ns: int, clock_difference: int) -> None:
    seconds, nanoseconds = divmod(time_ns, SECOND)
    timestamp = (seconds % (1 << 32)) << 32 | nanoseconds
    assert time_of(timestamp, time_ns + clock_difference, ptp=True) == time_ns


@pytest.mark.parametrize(
    ("error", "estimate"),
    [
        (16.0, 0x9D80),
        (math.nextafter(16.0, 17.0), 0x9D81),
        (math.nextafter(1.0, 2.0), 0x9981),
        (0.9999, 0x9980),
        (0.012345, 0x92CB),
        (0.001, 0x8F84),
        (50e-6, 0x8AD2),
        (1e-6, 0x8587),
        (0.0, 0x8001),
        (None, 0x1D80),
        (1e300, 0xBFFF),
    ],
)
def test_an_error_estimate_is_rounded_up(error: float | None, estimate: int) -> None:
    assert error_estimate(error) == estimate


@given(st.floats(1e-9, 1e6))
def test_an_error_estimate_claims_no_less_than_the_error_and_hardly_more(error: float) -> None:
    estimate = error_estimate(error)
    assert estimate & SYNCHRONIZED
    assert not estimate & PTP
    assert estimate & 0xFF
    assert error <= error_of(estimate) <= error * (1 + 2**-7) + 2**-32


def test_a_clock_that_nobody_synchronizes_claims_16_seconds() -> None:
    assert error_of(error_estimate(None)) == 16.0
