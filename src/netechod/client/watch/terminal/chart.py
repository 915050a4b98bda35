"""One target as a chart over time, for a terminal. No I/O."""

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from netechod.client.i18n.translate import tr
from netechod.client.ping.layout import ms
from netechod.client.watch.bands import Band, banded
from netechod.client.watch.terminal.table import Look
from netechod.client.watch.watched import Watched

AXIS = 9  # columns of the figures at the left
DOTS = (0xC0, 0x24, 0x12, 0x09)
"""Both dots of each row of a braille character (U+2800), from below."""
LOSS = "!"


def chart(watched: Watched, rows: int, look: Look) -> Iterator[str]:
    """Return a chart of the latest times: each column from the median up to p99, and below it the losses."""
    columns = max(1, look.width - AXIS - 1)
    samples = list(watched.statistics.samples())
    if not samples:
        yield tr("no answer so far")
        return
    bands = banded(samples, columns)
    known = [band for band in bands if band is not None and band.p50 is not None]
    top = max((band.p99 or 0.0 for band in known), default=0.0) or 0.001
    height = max(1, rows - 2)
    for line in range(height, 0, -1):
        label = ms(top * line / height) if line in (height, (height + 1) // 2) else ""
        cells = "".join(_cell(band, line, height, top, ascii_only=look.ascii_only) for band in bands)
        yield f"{label:>{AXIS}} {cells.rstrip()}"
    yield " " * AXIS + " " + "".join(LOSS if band and band.lost else "_" for band in bands)
    yield _times(samples, columns, look)


def _cell(band: Band | None, line: int, height: int, top: float, *, ascii_only: bool) -> str:
    """Return the part of a column that is in a line, counted from below, from 1 on."""
    if band is None or band.p50 is None or band.p99 is None:
        return " "
    low, high = band.p50 / top * height, band.p99 / top * height
    if ascii_only:
        return "#" if line - 1 < max(high, 0.1) and math.floor(low) <= line - 1 else " "
    quarters = ((dot, line - 1 + place / 4, line - 1 + (place + 1) / 4) for place, dot in enumerate(DOTS))
    filled = sum(dot for dot, bottom, above in quarters if bottom < max(high, 0.25) and above > low - 0.01)
    return chr(0x2800 + filled) if filled else " "


def _times(samples: Sequence[tuple[float, float | None]], columns: int, look: Look) -> str:
    """Return the line of times below a chart: its beginning and its end."""
    offset = look.wall.timestamp() - look.now
    ends = (samples[0][0], samples[-1][0])
    first, last = (datetime.fromtimestamp(offset + at, UTC).astimezone().strftime("%H:%M:%S") for at in ends)
    gap = max(1, columns - len(first) - len(last))
    return " " * AXIS + f" {first}{' ' * gap}{last}"
