"""Who is told what happens: a person by a line that lives, a pipe line by line, a program by JSON."""

import math
import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from netechod.client.i18n.translate import tr
from netechod.client.ping.report import About, RunInfo, Samples, histogram, ms, record, summary, wrapped
from netechod.client.ping.tally import Event, Kind, Tally
from netechod.client.terminal.output import painted, put, put_json
from netechod.client.terminal.text import cells
from netechod.services.wire import harmless

REDRAW = 0.05  # seconds between two drawings of the living line at least: no eye reads faster
SPARKS = 40  # probes in the line at most
LEAST_SPARKS = 4  # fewer are no curve
LEVELS = "▁▂▃▄▅▆▇█"
ASCII_LEVELS = "_.-=+*#@"
LOST = "!"
SPARE = 3  # columns at the end of the line: the terminal shows ^C there


class NullView:
    """Tells nothing at all."""

    def begin(self) -> None:
        """Say what is done."""

    def sent(self, number: int, tally: Tally) -> None:
        """A probe is under way."""

    def happened(self, event: Event, tally: Tally) -> None:
        """Something has become of a probe."""

    def summary_wanted(self, tally: Tally, info: RunInfo) -> None:
        """Somebody wants to know how it stands."""

    def resized(self) -> None:
        """The terminal has another size."""

    def has_enough(self, tally: Tally) -> bool:
        """Whether more probes would tell nothing new."""
        return False

    def end(self, tally: Tally, info: RunInfo) -> None:
        """Say what came of it."""


class SummaryView(NullView):
    """Tells nothing before the end, if nobody asks."""

    def __init__(self, about: About, *, histogram: bool, ascii_only: bool) -> None:
        self._about = about
        self._histogram = histogram
        self._ascii_only = ascii_only

    def begin(self) -> None:
        """Say what is done."""
        for line in headline(self._about, columns()):
            put(painted(line, "strong", sys.stdout) + "\n")

    def summary_wanted(self, tally: Tally, info: RunInfo) -> None:
        """Say how it stands."""
        lines = [*summary(self._about, tally, info, columns())]
        if self._histogram:
            lines += histogram(tally, ascii_only=self._ascii_only)
        put("".join(f"{line}\n" for line in lines))

    def end(self, tally: Tally, info: RunInfo) -> None:
        """Say what came of it."""
        self.summary_wanted(tally, info)


class LineView(SummaryView):
    """A line for whatever happens: for a pipe, a dumb terminal, or who wants to know it all."""

    def happened(self, event: Event, tally: Tally) -> None:
        """Tell it."""
        put(sentence(event, tally) + "\n")


class LiveView(SummaryView):
    """One line that is written again and again: the last time, the ones before it as a curve, the losses."""

    def __init__(self, about: About, *, histogram: bool, ascii_only: bool) -> None:
        super().__init__(about, histogram=histogram, ascii_only=ascii_only)
        self._levels = ASCII_LEVELS if ascii_only else LEVELS
        self._recent: dict[int, float | None] = {}  # the times of the last probes, by their numbers
        self._last = ""
        self._drawn = -math.inf  # when the last event was
        self._columns = columns()

    def sent(self, number: int, tally: Tally) -> None:
        """Show that something happens at all."""
        if not self._last:
            self._last = tr("#{number}  waiting", number=number)
            self._draw(tally)

    def happened(self, event: Event, tally: Tally) -> None:
        """Take it into the line."""
        if event.kind in (Kind.ANSWERED, Kind.LOST, Kind.FAILED):
            self._recent[event.number] = event.seconds
            if len(self._recent) > SPARKS:
                del self._recent[min(self._recent)]
            self._last = sentence(event, tally)
        now = time.monotonic()
        if now >= self._drawn + REDRAW:
            self._drawn = now
            self._draw(tally)

    def summary_wanted(self, tally: Tally, info: RunInfo) -> None:
        """Say how it stands, above the line."""
        put("\r\x1b[K")
        super().summary_wanted(tally, info)
        self._draw(tally)

    def resized(self) -> None:
        """Leave the line as it is, which the terminal may have broken, and go on below it."""
        if columns() != self._columns:
            self._columns = columns()
            put("\n")

    def end(self, tally: Tally, info: RunInfo) -> None:
        """Leave the line as it has to be in the end, and say what came of it."""
        self._draw(tally)
        put("\n")
        super().summary_wanted(tally, info)

    def _draw(self, tally: Tally) -> None:
        put("\r" + "".join(self._parts(tally, self._columns - SPARE)) + "\x1b[K")

    def _parts(self, tally: Tally, width: int) -> Iterator[str]:
        """The last event, the curve if there is room for it, and what else there is to know."""
        head, tail = clipped(f"  {self._last}", width), "   " + troubles(tally)
        room = min(SPARKS, width - cells(head) - cells(tail) - 3)
        yield head
        if room >= LEAST_SPARKS and self._recent:
            yield "   " + self._curve([self._recent[number] for number in sorted(self._recent)[-room:]])
        if cells(head) + cells(tail) <= width:
            yield painted(tail, "error", sys.stdout) if tally.lost else tail

    def _curve(self, times: list[float | None]) -> str:
        """Each time as a level between the shortest and the longest, which is at least twice as high."""
        known = [it for it in times if it is not None]
        low = max(min(known, default=0.0), 1e-6)
        span = math.log(max(max(known, default=0.0) / low, 2.0))
        return "".join(
            painted(LOST, "error", sys.stdout)
            if it is None
            else self._levels[min(7, int(8 * math.log(max(it / low, 1.0)) / span))]
            for it in times
        )


class JsonView(NullView):
    """One JSON object at the end."""

    def __init__(self, about: About) -> None:
        self._about = about
        self._samples = Samples()

    def happened(self, event: Event, tally: Tally) -> None:
        """Keep it for the end."""
        self._samples.note(event)

    def end(self, tally: Tally, info: RunInfo) -> None:
        """Write it."""
        put_json(record(self._about, tally, info, self._samples))


class JsonLinesView(NullView):
    """A JSON object for whatever happens, and for every summary."""

    def __init__(self, about: About) -> None:
        self._about = about

    def happened(self, event: Event, tally: Tally) -> None:
        """Tell it."""
        put_json(
            {
                "type": event.kind.value,
                "time": datetime.now(UTC).isoformat(timespec="microseconds"),
                "seq": event.number,
                "rtt_ms": None if event.seconds is None else round(event.seconds * 1000, 3),
                "bytes": event.size or None,
                "reordered": event.is_reordered,
                "corrupted_bytes": event.damaged,
                "reason": event.reason or None,
                "by": event.reporter or None,
            }
        )

    def summary_wanted(self, tally: Tally, info: RunInfo) -> None:
        """Tell how it stands."""
        put_json({"type": "summary", **record(self._about, tally, info, None)})

    def end(self, tally: Tally, info: RunInfo) -> None:
        """Tell what came of it."""
        self.summary_wanted(tally, info)


def can_draw() -> bool:
    """Whether stdout takes the characters of the curve: not every encoding has them, nor every font."""
    try:
        LEVELS.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return False
    return os.environ.get("TERM") != "linux"


def columns() -> int:
    """The width of the terminal that stdout is, 80 if it does not know; 0 if stdout is none."""
    return os.get_terminal_size(sys.stdout.fileno()).columns or 80 if sys.stdout.isatty() else 0


def headline(about: About, width: int) -> Iterator[str]:
    """What is done, for people, in lines of `width` columns if that is not 0."""
    ms_between = about.interval * 1000
    parts = (
        f"PING {about.where}" + ("" if about.addr == about.host else f" ({about.addr})"),
        tr("{size} bytes", size=about.size),
        tr("every {ms:g} ms", ms=ms_between)
        if ms_between < 1000
        else tr("every {seconds:g} s", seconds=about.interval),
    )
    return wrapped(parts, tr(", "), width)


def clipped(text: str, width: int) -> str:
    """As much of the text as fits into `width` columns."""
    while cells(text) > width:
        text = text[:-1]
    return text


def reason_text(reason: str, wait: float) -> str:
    """Why a probe was lost, for people."""
    texts = {
        "timeout": tr("no answer within {seconds:.3g} s", seconds=wait),
        "refused": tr("refused"),
        "reset": tr("connection reset"),
        "closed": tr("connection closed by the server"),
        "given up": tr("connection given up"),
        "unreachable": tr("unreachable"),
        "too long": tr("too long for the path"),
        "prohibited": tr("prohibited"),
    }
    return texts.get(reason, reason)


def sentence(event: Event, tally: Tally) -> str:
    """What has become of a probe."""
    number = f"#{event.number}"
    if event.kind is Kind.DUPLICATE:
        return f"{number}  {tr('duplicate')}"
    if event.seconds is None:
        told = tr(" (told by {address})", address=event.reporter) if event.reporter else ""
        return f"{number}  {harmless(reason_text(event.reason, tally.wait))}{told}"
    parts = [number, f"{ms(event.seconds)} ms"]
    if event.kind is Kind.LATE:
        parts.append(tr("too late"))
    if event.is_reordered:
        parts.append(tr("out of order"))
    if event.damaged:
        parts.append(tr("{count} B corrupted", count=event.damaged))
    return "  ".join(parts)


def troubles(tally: Tally) -> str:
    """The losses, and whatever else there is."""
    counts = (
        (tr("duplicated {count}", count=tally.duplicates), tally.duplicates),
        (tr("reordered {count}", count=tally.reordered), tally.reordered),
        (tr("corrupted {count}", count=tally.damaged), tally.damaged),
    )
    return "  ".join((tr("lost {count}", count=tally.lost), *(text for text, count in counts if count)))
