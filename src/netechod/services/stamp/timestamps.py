"""Timestamps and error estimates, as STAMP carries them (RFC 8762, 4.2.1).

A time is an integer: nanoseconds since the Unix epoch. A float would lose the nanoseconds.
"""

import math

SECOND = 1_000_000_000  # nanoseconds
UNKNOWN_ERROR = 16.0  # seconds: what a clock claims that nobody synchronizes (NTP_PHASE_MAX, adjtimex(2))

SYNCHRONIZED = 0x8000  # bit S: a source outside synchronizes this clock to UTC (RFC 4656, 4.1.2)
PTP = 0x4000  # bit Z: timestamps are in the truncated format of PTP (RFC 8186, 2.3)

_EPOCH = 2_208_988_800  # seconds from 1900, where NTP begins to count, to 1970 (RFC 5905, 6)
_EPOCH_NS = _EPOCH * SECOND
_ERA = 1 << 64  # the number of NTP timestamps; the next era begins on 2036-02-07
_FRACTION_BITS = 32
_MAX_MULTIPLIER = 0xFF
_MAX_SCALE = 0x3F
_MAX_ERROR = math.ldexp(_MAX_MULTIPLIER, _MAX_SCALE - 32)  # seconds


def ntp_of(time_ns: int) -> int:
    """Return a time as an NTP timestamp: 32 bits of seconds, 32 bits of fraction, rounded down.

    >>> f"{ntp_of(1_796_062_694_436_659_574):016x}"
    'eeb83c666fc8ebfd'
    """
    return _ntp_since_1900(time_ns) % _ERA


def _ntp_since_1900(time_ns: int) -> int:
    return ((time_ns + _EPOCH_NS) << _FRACTION_BITS) // SECOND


def ntp_age(timestamp: int, now_ns: int) -> int:
    """Return how old an NTP timestamp is, in nanoseconds, and negative if it is of the future.

    Its era is the one that makes it nearest to now.
    """
    age = (ntp_of(now_ns) - timestamp) % _ERA
    return ((age if age < _ERA // 2 else age - _ERA) * SECOND) >> _FRACTION_BITS


def time_of(timestamp: int, near_ns: int, *, ptp: bool) -> int:
    """Return the time that a timestamp of 64 bits stands for, in the era nearest to `near_ns`."""
    return _time_of_ptp(timestamp, near_ns) if ptp else _time_of_ntp(timestamp, near_ns)


def _time_of_ntp(timestamp: int, near_ns: int) -> int:
    near = _ntp_since_1900(near_ns)
    difference = (timestamp - near + _ERA // 2) % _ERA - _ERA // 2
    # Rounded up: `ntp_of` rounds down, and there and back is the same nanosecond.
    return -((-(near + difference) * SECOND) >> _FRACTION_BITS) - _EPOCH * SECOND


def _time_of_ptp(timestamp: int, near_ns: int) -> int:
    """Read 32 bits of seconds since 1970, 32 bits of nanoseconds (RFC 8186, 2.1)."""
    era = SECOND << 32
    seconds, nanoseconds = timestamp >> 32, timestamp & 0xFFFF_FFFF
    time_ns = seconds * SECOND + nanoseconds
    return near_ns + (time_ns - near_ns + era // 2) % era - era // 2


def error_estimate(error: float | None) -> int:
    """Return the Error Estimate of NTP timestamps, rounded up. `error` is in seconds, None if unknown.

    >>> f"{error_estimate(0.012345):04x} {error_estimate(None):04x}"
    '92cb 1d80'
    """
    flags = 0 if error is None else SYNCHRONIZED
    units = math.ldexp(min(UNKNOWN_ERROR if error is None else error, _MAX_ERROR), 32)
    scale = min(_MAX_SCALE, max(0, math.frexp(units)[1] - 8))
    multiplier = max(1, math.ceil(math.ldexp(units, -scale)))
    if multiplier > _MAX_MULTIPLIER:
        scale, multiplier = scale + 1, (multiplier + 1) // 2
    return flags | scale << 8 | multiplier


def error_of(estimate: int) -> float:
    """Return the error, in seconds, that an Error Estimate claims. 0 is invalid."""
    return math.ldexp(estimate & _MAX_MULTIPLIER, (estimate >> 8 & _MAX_SCALE) - 32)
