"""Figures on lines: their digits, lines that are no longer than the terminal, and curves of times."""

import math
import sys
from collections.abc import Iterable, Iterator, Sequence

from netechod.client.ping.tally import Event
from netechod.client.terminal.output import painted
from netechod.services.cells import cells

SPARKS = 40  # probes in a curve at most
LEAST_SPARKS = 4  # fewer are no curve
LEVELS = "▁▂▃▄▅▆▇█"
ASCII_LEVELS = "_.-=+*#@"
LOST = "!"
MARKS = "   > ", "   < "  # in front of the curves forward and backward
GAP = "   "  # in front of that of round trips


def ms(seconds: float) -> str:
    """Format a time in milliseconds: three significant digits, but none below a microsecond."""
    value = seconds * 1000
    size = abs(value)
    return f"{value:.{3 if size < 1 else 2 if size < 10 else 1 if size < 100 else 0}f}"


def wrapped(parts: Iterable[str], separator: str, width: int) -> Iterator[str]:
    """Put the parts on as few lines as possible."""
    end = cells(separator.rstrip())  # of a line that another one follows
    line = ""
    for part in parts:
        longer = line + separator + part if line else part
        if width and line and cells(longer) + end > width:
            yield (line + separator).rstrip()
            longer = part
        line = longer
    yield line


def curves(events: Sequence[Event], room: int, *, ascii_only: bool) -> Iterator[str]:
    """Return the curve of round trips; that of each direction, if they are told and both have room.

    Nothing is returned if there is no room, which is in columns.
    """
    crossings = [event.crossing for event in events if event.crossing or event.seconds is None]
    each = room // 2 - len(MARKS[0])
    if any(crossings) and each >= LEAST_SPARKS:
        for way, mark in enumerate(MARKS):
            yield mark + _curve([it and it.shown[way] for it in crossings[-min(each, SPARKS) :]], ascii_only)
    elif events and room - len(GAP) >= LEAST_SPARKS:
        shown = events[-min(room - len(GAP), SPARKS) :]
        yield GAP + _curve([event.seconds for event in shown], ascii_only)


def _curve(times: Sequence[float | None], ascii_only: bool) -> str:
    """Draw each time as a level between the shortest and the longest, at least twice the shortest."""
    levels = ASCII_LEVELS if ascii_only else LEVELS
    known = [it for it in times if it is not None]
    low = max(min(known, default=0.0), 1e-6)
    span = math.log(max(max(known, default=0.0) / low, 2.0))
    return "".join(
        painted(LOST, "error", sys.stdout)
        if it is None
        else levels[min(7, int(8 * math.log(max(it / low, 1.0)) / span))]
        for it in times
    )
