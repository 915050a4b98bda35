"""A target over time as SVG: the median as a line, a band up to p99, and a bar for losses. No I/O."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from html import escape

from netechod.client.ping.layout import ms
from netechod.client.watch.bands import Band, Samples, banded

WIDTH, HEIGHT = 640, 150  # units of a chart
LEFT, RIGHT, TOP, BOTTOM = 62, 8, 8, 22  # between its edge and the place of the curve
COLUMNS = 190  # at most: one takes three units
LOSS_HEIGHT = 10  # units of a bar when all is lost; it stands on the axis
TICKS = 3  # times at the left
CLEARANCE = 1.15  # the top is above the highest p99

Clock = Callable[[float], datetime]
"""Tells the time of day of a sample."""


def chart(samples: Samples, clock: Clock, nothing: str) -> str:
    """Return what is inside of a chart; `nothing` is said if there is nothing to draw."""
    if not samples:
        place = f'x="{WIDTH / 2}" y="{HEIGHT / 2}" text-anchor="middle"'
        return f'<text class="none" {place}>{escape(nothing)}</text>'
    bands = banded(samples, COLUMNS)
    top = CLEARANCE * max((band.p99 for band in bands if band and band.p99 is not None), default=0.0)
    parts = [*_axes(samples, top, clock)]
    for run in _runs(bands):
        parts += _curve(run, len(bands), top)
    parts += _losses(bands)
    return "".join(parts)


def _x(place: float, count: int) -> float:
    """Return where a column is; `place` counts columns from 0, and 0.5 more for the middle of one."""
    return round(LEFT + (WIDTH - LEFT - RIGHT) * place / count, 1)


def _y(seconds: float, top: float) -> float:
    return round(TOP + (HEIGHT - TOP - BOTTOM) * (1 - (seconds / top if top else 0.0)), 1)


def _axes(samples: Samples, top: float, clock: Clock) -> Iterator[str]:
    for tick in range(TICKS + 1 if top else 1):
        seconds = top * tick / TICKS
        y = _y(seconds, top)
        yield f'<path class="grid" d="M{LEFT} {y}H{WIDTH - RIGHT}"/>'
        label = f"{ms(seconds)} ms" if tick else "0"
        yield f'<text class="tick" x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{label}</text>'
    first, last = clock(samples[0][0]), clock(samples[-1][0])
    form = "%H:%M:%S" if first.date() == last.date() else "%m-%d %H:%M"
    for at, anchor, time in ((LEFT, "start", first), (WIDTH - RIGHT, "end", last)):
        yield f'<text class="tick" x="{at}" y="{HEIGHT - 6}" text-anchor="{anchor}">{time:{form}}</text>'


def _runs(bands: Sequence[Band | None]) -> Iterator[list[tuple[int, Band]]]:
    """Return the columns with times, in runs without a gap."""
    run: list[tuple[int, Band]] = []
    for place, band in enumerate(bands):
        if band is not None and band.p50 is not None:
            run.append((place, band))
        elif band is not None and run:  # a column without probes is no gap
            yield run
            run = []
    if run:
        yield run


def _curve(run: Sequence[tuple[int, Band]], count: int, top: float) -> Iterator[str]:
    """Return the smoke (from the least time to p99), the band (from the median to p99) and the median."""

    def points(value: Callable[[Band], float | None]) -> list[str]:
        return [f"{_x(place + 0.5, count)} {_y(value(band) or 0.0, top)}" for place, band in run]

    median, high, low = points(_median), points(_high), points(_least)
    if len(run) == 1:
        x, y = median[0].split()
        yield f'<circle class="dot" cx="{x}" cy="{y}" r="1.8"/>'
        return
    yield f'<path class="smoke" d="M{"L".join([*high, *reversed(low)])}Z"/>'
    yield f'<path class="band" d="M{"L".join([*high, *reversed(median)])}Z"/>'
    yield f'<path class="median" d="M{"L".join(median)}"/>'


def _median(band: Band) -> float | None:
    return band.p50


def _high(band: Band) -> float | None:
    return band.p99


def _least(band: Band) -> float | None:
    return band.least


def _losses(bands: Sequence[Band | None]) -> Iterator[str]:
    """Return a bar for each column with losses: as high as their share, but visible."""
    floor = HEIGHT - BOTTOM
    for place, band in enumerate(bands):
        if band is not None and band.lost:
            height = round(
                max(3.0, (floor - TOP) * band.lost / band.sent if band.p50 is None else LOSS_HEIGHT), 1
            )
            x, width = _x(place, len(bands)), max(2.0, (WIDTH - LEFT - RIGHT) / len(bands))
            opacity = 0.35 if band.p50 is None else 0.9
            yield (
                f'<rect class="loss" x="{x}" y="{floor - height}" width="{width:.1f}" height="{height}" '
                f'fill-opacity="{opacity}"/>'
            )
