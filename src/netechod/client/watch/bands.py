"""Samples over time, put together into the columns of a chart."""

import math
from collections.abc import Sequence
from typing import NamedTuple

Samples = Sequence[tuple[float, float | None]]
"""When each probe was sent, and its time in seconds; None if it was lost."""


class Band(NamedTuple):
    """The probes of one column. The times are None if none was answered."""

    began: float
    p50: float | None
    p99: float | None
    least: float | None
    sent: int
    lost: int


def banded(samples: Samples, columns: int) -> list[Band | None]:
    """Return the bands of `columns` equal spells at most, None for one without probes.

    There are as many as samples if these are fewer.
    """
    first, last = samples[0][0], samples[-1][0]
    count = max(1, min(columns, len(samples)))
    spell = (last - first) / count or 1.0
    parts: list[list[tuple[float, float | None]]] = [[] for _ in range(count)]
    for at, seconds in samples:
        parts[max(0, min(count - 1, int((at - first) / spell)))].append((at, seconds))
    return [_band(part) for part in parts]


def _band(samples: Samples) -> Band | None:
    if not samples:
        return None
    times = sorted(seconds for _, seconds in samples if seconds is not None)
    lost = len(samples) - len(times)
    if not times:
        return Band(samples[0][0], None, None, None, len(samples), lost)
    return Band(samples[0][0], _rank(times, 50), _rank(times, 99), times[0], len(samples), lost)


def _rank(times: Sequence[float], percent: float) -> float:
    """Return a percentile (nearest rank) of sorted times."""
    return times[max(1, math.ceil(percent / 100 * len(times))) - 1]
