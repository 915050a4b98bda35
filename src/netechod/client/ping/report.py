"""Summaries of a run: lines for people, a record for programs."""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from netechod.client.i18n.translate import tr
from netechod.client.ping.layout import ms, wrapped
from netechod.client.ping.stamp import figures
from netechod.client.ping.stamp.directions import Directions
from netechod.client.ping.tally import Event, Kind, Tally, Times
from netechod.client.terminal.text import padded
from netechod.services.cells import cells

SCHEMA = "netecho.ping/1"
SAMPLES = 1_000_000  # probes whose times are in a record at most: the latest ones

BAR = 30  # columns of the longest bar of a histogram
BLOCKS = " ▏▎▍▌▋▊▉█"  # eighths of a column


class About(NamedTuple):
    """The server, and the options of the probes."""

    host: str  # as it was given
    addr: str
    port: int
    proto: str  # tcp or udp
    size: int  # bytes of a payload
    interval: float  # seconds
    # Addresses that were tried before this one, each with the reason of its failure.
    passed_over: tuple[tuple[str, str], ...] = ()

    @property
    def where(self) -> str:
        """The server, for people."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host} {self.port}/{self.proto}"


class RunInfo(NamedTuple):
    """The facts of a run besides its tally."""

    seconds: float  # how long it took
    clock: str | None  # where times of arrival are from: kernel, program, mixed; None without an answer
    connect_seconds: float | None
    unmatched: int  # datagrams, or bytes of a stream, that answer no probe
    directions: Directions | None = None  # what a STAMP reflector has told


class Samples:
    """The time of each probe, in the order of the probes: None for a lost one."""

    def __init__(self) -> None:
        self._settled: deque[tuple[int, float | None]] = deque(maxlen=SAMPLES)

    def note(self, event: Event) -> None:
        """Keep the time, if this is the first outcome of a probe."""
        if event.kind in (Kind.ANSWERED, Kind.LOST, Kind.FAILED):
            self._settled.append((event.number, event.seconds))

    def in_ms(self) -> list[float | None]:
        """Return all times, in milliseconds."""
        return [None if it is None else round(it * 1000, 3) for _, it in sorted(self._settled, key=_number)]


def _number(sample: tuple[int, float | None]) -> int:
    return sample[0]


def share(part: int, whole: int) -> float:
    """Return `part` in percent of `whole`."""
    return 100 * part / whole if whole else 0.0


def summary(about: About, tally: Tally, info: RunInfo, width: int) -> Iterator[str]:
    """Return a summary for people, in lines of `width` columns if that is not 0."""
    yield f"--- {about.where} ---"
    yield from wrapped(_counts(tally, info), tr(", "), width)
    if times := tally.times.in_ms():
        title = tr("RTT ms") if info.directions is None else figures.aligned(tr("RTT ms"))
        yield from wrapped(figures.statistics(title, times), "  ", width)
        if info.directions is not None:
            yield from figures.lines(info.directions, width)
        if info.directions is None or info.clock != "kernel":
            yield _clock_line(info)


def _counts(tally: Tally, info: RunInfo) -> Iterator[str]:
    yield tr("{count} sent", count=tally.sent)
    yield tr("{count} received", count=tally.received)
    lost = tr("{count} lost ({percent:.1f} %)", count=tally.lost, percent=share(tally.lost, tally.sent))
    yield lost + ("" if info.directions is None else figures.losses(info.directions, tally.lost - tally.late))
    if tally.pending:
        yield tr("{count} under way", count=tally.pending)
    if tally.late:
        yield tr("{count} too late", count=tally.late)
    yield tr("{count} duplicated", count=tally.duplicates)
    yield tr("{count} reordered", count=tally.reordered)
    if info.directions is None or tally.damaged_bytes:
        yield tr("{count} B corrupted", count=tally.damaged_bytes)
    if info.unmatched:
        yield tr("{count} not ours", count=info.unmatched)
    yield tr("{seconds:.1f} s", seconds=info.seconds)


def _clock_line(info: RunInfo) -> str:
    texts = {
        "kernel": tr("times of arrival are the kernel's"),
        "program": tr("times of arrival are this program's: the kernel tells none"),
        "mixed": tr("times of arrival are partly the kernel's, partly this program's"),
    }
    line = texts[info.clock or "program"]
    if info.connect_seconds is not None:
        line += tr("; connected in {ms} ms", ms=ms(info.connect_seconds))
    return line


def histograms(tally: Tally, info: RunInfo, *, ascii_only: bool) -> Iterator[str]:
    """Return the bars of round trips, and those of each direction if there are some."""
    yield from histogram(tally.times, ascii_only=ascii_only)
    if info.directions is not None:
        for title, direction in (
            (tr("forward"), info.directions.forward),
            (tr("backward"), info.directions.backward),
        ):
            is_absolute = info.directions.clocks().is_absolute
            yield title if is_absolute else tr("{name}, above its least", name=title)
            yield from histogram(
                direction.delays if is_absolute else direction.variation, ascii_only=ascii_only
            )


def histogram(times: Times, *, ascii_only: bool) -> Iterator[str]:
    """Return a bar for each range of times."""
    rows = times.histogram()
    if not rows:
        return
    names = [f"{lower:g} - {upper:g} ms" for lower, upper, _ in rows]
    widest, most = max(map(cells, names)), max(count for _, _, count in rows)
    digits = len(str(most))
    for name, (_, _, count) in zip(names, rows, strict=True):
        bar = padded(_bar(count / most, ascii_only=ascii_only), BAR)
        percent = share(count, times.count)
        yield f"  {padded(name, widest)} |{bar} {count:{digits}}  {percent:5.1f} %"


def _bar(part: float, *, ascii_only: bool) -> str:
    """Draw a bar: `part` of the longest one, but visible if it is not 0."""
    if ascii_only:
        return "#" * max(round(part * BAR), 1 if part else 0)
    eighths = max(round(part * BAR * 8), 1 if part else 0)
    return "█" * (eighths // 8) + BLOCKS[eighths % 8].strip()


def record(about: About, tally: Tally, info: RunInfo, samples: Samples | None) -> dict[str, object]:
    """Return everything for programs: docs/json/ping.schema.json. Names carry their units."""
    passed = 0
    cumulated = []
    for _, upper, count in tally.times.histogram():
        passed += count
        cumulated.append({"le_ms": upper, "count": passed})
    return {
        "schema": SCHEMA,
        "host": about.host,
        "addr": about.addr,
        "port": about.port,
        "proto": about.proto,
        "bytes": about.size,
        "interval_s": about.interval,
        "seconds": round(info.seconds, 3),
        "clock": info.clock,
        "connect_ms": None if info.connect_seconds is None else round(info.connect_seconds * 1000, 3),
        "sent": tally.sent,
        "received": tally.received,
        "lost": tally.lost,
        "loss_percent": round(share(tally.lost, tally.sent), 3),
        "pending": tally.pending,
        "late": tally.late,
        "duplicates": tally.duplicates,
        "reordered": tally.reordered,
        "corrupted": tally.damaged,
        "corrupted_bytes": tally.damaged_bytes,
        "strangers": info.unmatched,
        "reasons": dict(tally.reasons),
        "passed_over": [{"addr": addr, "reason": reason} for addr, reason in about.passed_over],
        "rtt_ms": tally.times.in_ms() or None,
        "histogram": cumulated,
        **({"samples_ms": samples.in_ms()} if samples is not None else {}),
        **figures.record(info.directions, tally.lost - tally.late),
    }
