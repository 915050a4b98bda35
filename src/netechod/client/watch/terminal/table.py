"""The table of all targets, for a terminal. No I/O."""

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from netechod.client.i18n.translate import tr
from netechod.client.ping.layout import ASCII_LEVELS, LEVELS, LOST, ms
from netechod.client.terminal.text import cut_to_cells, padded
from netechod.client.watch.durations import duration
from netechod.client.watch.statistics import SAMPLES
from netechod.client.watch.thresholds import Status
from netechod.client.watch.watched import State, Watched
from netechod.services.cells import cells
from netechod.services.wire import escape_controls

WIDEST_LABEL = 32  # columns
LEAST_SPARKS = 8  # columns; a narrower curve says nothing
NOTHING = "-"
WIDTHS = (7, 7, 7, 7, 7, 7, 7, 18)  # columns of the figures, less the space between them


class Row(NamedTuple):
    """A row, and how it is painted."""

    text: str
    kind: str  # of the terminal's colours; empty: none


class Look(NamedTuple):
    """How a table is drawn."""

    width: int  # columns
    ascii_only: bool
    now: float  # monotonic clock
    wall: datetime  # the same time of day


def troubles(watched: Watched, now: float) -> tuple[float, ...]:
    """Return the key by which targets are sorted: those with most trouble first."""
    counted = watched.statistics
    status = watched.status(now)  # it brings the minute up to date
    down = counted.outage_began if watched.state is State.DOWN else None
    return (
        0.0 if down is not None else 1.0,
        math.inf if down is None else down,
        -float(status),
        -round(counted.minute.loss, 1),
        -round(counted.loss, 1),
    )


def sorted_by_trouble(all_watched: Iterable[Watched], now: float) -> list[Watched]:
    """Return the targets, those with most trouble first; others in their order."""
    return sorted(all_watched, key=lambda watched: troubles(watched, now))


def headings() -> tuple[str, ...]:
    """Return the titles of the columns of figures."""
    return (
        *(tr("last ms"), "p50", "p95", "p99", tr("jitter")),
        *(tr("loss 1m"), tr("loss"), tr("longest outage")),
    )


def label_width(all_watched: Iterable[Watched]) -> int:
    """Return the columns that the labels need."""
    return min(WIDEST_LABEL, max((cells(escape_controls(it.target.label)) for it in all_watched), default=0))


def heading(widest: int, width: int) -> str:
    """Return the line above the rows."""
    titles = "".join(f" {_right(title, size)}" for title, size in zip(headings(), WIDTHS, strict=True))
    return cut_to_cells(f"  {padded(tr('target'), widest)}{titles}", width)


def row(watched: Watched, widest: int, look: Look) -> Row:
    """Return the row of a target."""
    label = padded(cut_to_cells(escape_controls(watched.target.label), widest), widest)
    figures = "".join(
        f" {_right(figure, size)}" for figure, size in zip(_figures(watched, look), WIDTHS, strict=True)
    )
    status = watched.status(look.now)
    mark = {State.WAITING: ".", State.UP: " ", State.DOWN: "!"}[watched.state]
    text = cut_to_cells(f"{mark} {label}{figures}", look.width)
    room = look.width - cells(text) - 2
    if room >= LEAST_SPARKS:
        text += "  " + sparks(watched, room, ascii_only=look.ascii_only)
    kinds = {Status.OK: "", Status.WARNING: "warning", Status.CRITICAL: "error"}
    return Row(text, "faint" if watched.state is State.WAITING else kinds[status])


def _figures(watched: Watched, look: Look) -> Iterator[str]:
    counted = watched.statistics
    yield (
        (LOST if counted.sent and counted.losses_in_a_row else NOTHING)
        if counted.last is None
        else ms(counted.last)
    )
    percentiles = counted.times.percentiles((50, 95, 99))
    yield from map(ms, percentiles) if percentiles else [NOTHING] * 3
    yield ms(counted.jitter) if counted.answered > 1 else NOTHING
    yield f"{counted.minute.loss:.1f}%"
    yield f"{counted.loss:.1f}%"
    outage = counted.longest_outage(look.now)
    if not outage.seconds:
        yield NOTHING
        return
    began = datetime.fromtimestamp(look.wall.timestamp() - look.now + outage.began, UTC).astimezone()
    yield f"{duration(outage.seconds)} {began:%H:%M}"


def _right(text: str, width: int) -> str:
    """Put a text at the right end of its column."""
    return " " * (width - cells(text)) + text


def sparks(watched: Watched, width: int, *, ascii_only: bool) -> str:
    """Return the latest times, each as a level between the shortest and the longest; `!` is a loss."""
    levels = ASCII_LEVELS if ascii_only else LEVELS
    times = [seconds for _, seconds in watched.statistics.samples(min(width, SAMPLES))]
    known = [seconds for seconds in times if seconds is not None]
    low = max(min(known, default=0.0), 1e-6)
    span = math.log(max(max(known, default=0.0) / low, 2.0))
    return "".join(
        LOST if it is None else levels[min(7, int(8 * math.log(max(it / low, 1.0)) / span))] for it in times
    )


def counts(all_watched: Sequence[Watched]) -> str:
    """Return how many targets there are, and how many are lost."""
    down = sum(watched.state is State.DOWN for watched in all_watched)
    return tr("{count} targets, {down} lost", count=len(all_watched), down=down)
