"""The views of a run for people: one line that is redrawn, a line for each probe, or the summary alone."""

import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from netechod.client.i18n import translate
from netechod.client.i18n.translate import tr
from netechod.client.kernel import TTL_EXCEEDED
from netechod.client.ping.layout import LEVELS, SPARKS, curves, ms, wrapped
from netechod.client.ping.prober import View
from netechod.client.ping.report import About, RunInfo, histograms, summary
from netechod.client.ping.stamp.figures import crossing_text, delays_text
from netechod.client.ping.tally import Event, Kind, Tally
from netechod.client.terminal.output import painted, put
from netechod.client.terminal.text import cut_to_cells
from netechod.services.cells import cells
from netechod.services.wire import escape_controls

REDRAW = 0.05  # seconds between two drawings of the line at least: no eye reads faster
SPARE = 3  # columns at the end of the line: the terminal shows ^C there


class OutputOptions(NamedTuple):
    """Options for the output."""

    form: str = ""  # json, jsonl, verbose, quiet; empty: whatever suits stdout
    histogram: bool = False
    ascii_only: bool = False
    has_times: bool = False  # whether the time of day stands before each line
    rings: bool = False  # whether the bell rings for each answer


class SummaryView(View):
    """Shows a summary, at the end and when the person asks."""

    def __init__(self, about: About, output: OutputOptions) -> None:
        self._about = about
        self._output = output
        self._rings = output.rings and sys.stdout.isatty()

    def happened(self, event: Event, tally: Tally) -> None:
        """See View."""
        if self._rings and event.kind is Kind.ANSWERED:
            put("\a")

    def moved(self, address: str) -> None:
        """See View."""
        self._about = self._about._replace(addr=address)

    def begin(self) -> None:
        """See View."""
        for line in headline(self._about, columns()):
            put(painted(line, "strong", sys.stdout) + "\n")

    def summary_wanted(self, tally: Tally, info: RunInfo) -> None:
        """See View."""
        lines = [*summary(self._about, tally, info, columns())]
        if self._output.histogram:
            lines += histograms(tally, info, ascii_only=self._output.ascii_only)
        put("".join(f"{line}\n" for line in lines))

    def end(self, tally: Tally, info: RunInfo) -> None:
        """See View."""
        self.summary_wanted(tally, info)


class LineView(SummaryView):
    """A line for each event: for a pipe, a dumb terminal, or --verbose. Several hosts have labels."""

    def __init__(self, about: About, output: OutputOptions, label: str = "") -> None:
        super().__init__(about, output)
        self._label = f"{label}  " if label else ""

    def happened(self, event: Event, tally: Tally) -> None:
        """See View."""
        super().happened(event, tally)
        self._put(sentence(event, tally, crossing_text(event.crossing) if event.crossing else ()))

    def moved(self, address: str) -> None:
        """See View."""
        super().moved(address)
        self._put(_moved(self._about))

    def has_others(self, address: str, others: Sequence[str]) -> None:
        """See View."""
        self._put(_others(self._about, address, others))

    def _put(self, text: str) -> None:
        time_of_day = f"{_now()}  " if self._output.has_times else ""
        put(f"{time_of_day}{self._label}{text}\n")


class LiveView(SummaryView):
    """One line that is redrawn: the last time, the times before it as a curve, the losses."""

    def __init__(self, about: About, output: OutputOptions) -> None:
        super().__init__(about, output)
        self._recent: dict[int, Event] = {}  # the outcomes of the last probes, by number
        self._last: Sequence[str] = ()  # what is said of the last one, the longest form first
        self._drawn = -math.inf  # when an event was drawn last
        self._columns = columns()

    def sent(self, number: int, tally: Tally) -> None:
        """See View: the first probe is shown before its answer comes."""
        if not self._last:
            self._last = (tr("#{number}  waiting", number=number),)
            self._draw(tally)

    def happened(self, event: Event, tally: Tally) -> None:
        """See View."""
        super().happened(event, tally)
        if event.kind in (Kind.ANSWERED, Kind.LOST, Kind.FAILED):
            self._recent[event.number] = event
            if len(self._recent) > SPARKS:
                del self._recent[min(self._recent)]
            delays = delays_text(event.crossing) if event.crossing else ()
            self._last = sentence(event, tally, delays), sentence(event, tally)
        now = time.monotonic()
        if now >= self._drawn + REDRAW:
            self._drawn = now
            self._draw(tally)

    def summary_wanted(self, tally: Tally, info: RunInfo) -> None:
        """See View: the summary stands above the line."""
        put("\r\x1b[K")
        super().summary_wanted(tally, info)
        self._draw(tally)

    def resized(self) -> None:
        """See View. The terminal may have broken the line, so we go on below it."""
        if columns() != self._columns:
            self._columns = columns()
            put("\n")

    def end(self, tally: Tally, info: RunInfo) -> None:
        """See View: the line stays, with the final state."""
        self._draw(tally)
        put("\n")
        super().summary_wanted(tally, info)

    def moved(self, address: str) -> None:
        """See View."""
        super().moved(address)
        put(f"\r\x1b[K{_moved(self._about)}\n")

    def has_others(self, address: str, others: Sequence[str]) -> None:
        """See View."""
        put(f"\r\x1b[K{_others(self._about, address, others)}\n")

    def _draw(self, tally: Tally) -> None:
        put("\r" + "".join(self._parts(tally, self._columns - SPARE)) + "\x1b[K")

    def _parts(self, tally: Tally, width: int) -> Iterator[str]:
        """Return the last event, the curve if there is room for it, and the losses."""
        tail = "   " + troubles(tally)
        heads = [f"  {text}" for text in self._last] or ["  "]
        fitting = (head for head in heads if cells(head) + cells(tail) <= width)
        head = next(fitting, cut_to_cells(heads[-1], width))
        yield head
        events = [event for _, event in sorted(self._recent.items())]
        yield from curves(events, width - cells(head) - cells(tail), ascii_only=self._output.ascii_only)
        if cells(head) + cells(tail) <= width:
            yield painted(tail, "error", sys.stdout) if tally.lost else tail


def _now() -> str:
    """Return the local time for people, with milliseconds."""
    return datetime.now().isoformat(sep=" ", timespec="milliseconds")


def _moved(about: About) -> str:
    """Say that a server has another address now."""
    return tr("{host} is at {address} now", host=about.host, address=about.addr)


def _others(about: About, address: str, others: Sequence[str]) -> str:
    """Say which other addresses a silent server has."""
    names = ", ".join(others)
    return tr(
        "{address} does not answer; {host} has also {others}", host=about.host, address=address, others=names
    )


def can_draw() -> bool:
    """Return whether stdout can show the curve: not every encoding has its characters, nor every font."""
    try:
        LEVELS.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return False
    return os.environ.get("TERM") != "linux"


def columns() -> int:
    """Return the width of the terminal that stdout is, 80 if it is not known; 0 if stdout is no terminal."""
    return os.get_terminal_size(sys.stdout.fileno()).columns or 80 if sys.stdout.isatty() else 0


def headline(about: About, width: int) -> Iterator[str]:
    """Return what is done, for people, in lines of `width` columns if that is not 0.

    Below it stands which other addresses of the host were tried before.
    """
    ms_between = about.interval * 1000
    parts = (
        f"PING {about.where}" + ("" if about.addr == about.host else f" ({about.addr})"),
        tr("{size} bytes", size=about.size),
        tr("every {ms:g} ms", ms=ms_between)
        if ms_between < 1000
        else tr("every {seconds:g} s", seconds=about.interval),
    )
    yield from wrapped(parts, tr(", "), width)
    for address, reason in about.passed_over:
        why = tr("silent") if reason == "timeout" else reason_text(reason, 0.0)
        told = {"address": address, "why": why, "other": about.addr}
        yield tr("{address} is passed over ({why}): {other} answers", **told)


def reason_text(reason: str, wait: float) -> str:
    """Return why a probe was lost, for people. `wait` is the timeout in seconds."""
    texts = {
        "timeout": tr("no answer within {seconds:.3g} s", seconds=wait),
        "refused": tr("refused"),
        "reset": tr("connection reset"),
        "closed": tr("connection closed by the server"),
        "given up": tr("connection given up"),
        "unreachable": tr("unreachable"),
        "too long": tr("too long for the path"),
        TTL_EXCEEDED: tr("TTL exceeded"),
        "prohibited": tr("prohibited"),
    }
    return texts.get(reason) or translate.reason_text(reason)


def sentence(event: Event, tally: Tally, crossing: Sequence[str] = ()) -> str:
    """Return the outcome of a probe as a sentence, with the given parts about how it crossed the network."""
    number = f"#{event.number}"
    if event.kind is Kind.DUPLICATE:
        return f"{number}  {tr('duplicate')}"
    if event.seconds is None:
        told = tr(" (told by {address})", address=event.reporter) if event.reporter else ""
        return f"{number}  {escape_controls(reason_text(event.reason, tally.wait))}{told}"
    parts = [number, f"{ms(event.seconds)} ms", *crossing]
    if event.kind is Kind.LATE:
        parts.append(tr("too late"))
    if event.is_reordered:
        parts.append(tr("out of order"))
    if event.damaged:
        parts.append(tr("{count} B corrupted", count=event.damaged))
    return "  ".join(parts)


def troubles(tally: Tally) -> str:
    """Return the losses, and what else went wrong."""
    counts = (
        (tr("duplicated {count}", count=tally.duplicates), tally.duplicates),
        (tr("reordered {count}", count=tally.reordered), tally.reordered),
        (tr("corrupted {count}", count=tally.damaged), tally.damaged),
    )
    return "  ".join((tr("lost {count}", count=tally.lost), *(text for text, count in counts if count)))
