"""The forms in which events and probes are written down: lines for people, JSON lines, CSV."""

import csv
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from netechod.client.i18n.translate import reason_text as system_reason_text
from netechod.client.i18n.translate import tr
from netechod.client.ping.layout import ms
from netechod.client.terminal.output import painted, put, put_bytes
from netechod.client.watch.durations import duration
from netechod.client.watch.events import Event, Kind, Recorder, Sample
from netechod.client.watch.watched import Watched
from netechod.client.watch.watcher import UNRESOLVED
from netechod.services.wire import escape_controls

SCHEMA = "netecho.watch/1"
COLUMNS = ("time", "target", "url", "seq", "outcome", "rtt_ms", "reason")

Notify = Callable[[str], object]
"""Shows a sentence to the person, wherever that is possible."""


def sentence(event: Event) -> str:
    """Return an event as a sentence, without its time."""
    watched = event.watched
    label, target = escape_controls(watched.target.label), watched.target
    match event.kind:
        case Kind.UP:
            return tr("{label} answers, {ms} ms", label=label, ms=ms(event.seconds))
        case Kind.BACK:
            after = duration(event.seconds)
            return tr(
                "{label} is back after {after}, {count} lost", label=label, after=after, count=event.losses
            )
        case Kind.MOVED:
            return tr("{host} is at {address} now", host=label, address=watched.where)
        case Kind.UNRESOLVED:
            return tr(
                "{label}: cannot resolve {host!r}: {reason}",
                label=label,
                host=target.host,
                reason=event.reason,
            )
    return tr("{label} is lost: {reason}", label=label, reason=why(event.reason, target.timeout))


def why(reason: str, timeout: float) -> str:
    """Return the reason of a loss, for people."""
    if reason == UNRESOLVED:
        return tr("its name has no address")
    from netechod.client.ping.views import reason_text  # on demand: it brings the whole of ping with it

    return escape_controls(reason_text(reason, timeout))


class Lines(Recorder):
    """A line an event, on stdout."""

    def happened(self, event: Event) -> None:
        """See Recorder."""
        text = sentence(event)
        if event.kind in (Kind.DOWN, Kind.UNRESOLVED):
            text = painted(text, "error", sys.stdout)
        put(f"{stamp(event.at)}  {text}\n")


def stamp(at: datetime) -> str:
    """Return a time of day, in the person's zone."""
    return at.astimezone().isoformat(" ", timespec="milliseconds")


class Bell(Recorder):
    """Rings when a target is lost."""

    def __init__(self, ring: Callable[[], object]) -> None:
        self._ring = ring

    def happened(self, event: Event) -> None:
        """See Recorder."""
        if event.kind is Kind.DOWN:
            self._ring()


class FileRecorder(Recorder):
    """Writes lines into a file. If that fails, the person is told, and the watch goes on without it."""

    mode = "w"

    def __init__(self, path: Path, notify: Notify) -> None:
        self._path = path
        self._notify = notify
        self._file: IO[str] | None = None
        try:
            self._file = path.open(self.mode, encoding="utf-8", newline="", buffering=1)
        except OSError as error:
            self._give_up(error)

    def write(self, text: str) -> None:
        """Write whole lines."""
        if self._file is not None:
            try:
                self._file.write(text)
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        file, self._file = self._file, None
        with suppress(OSError):  # what it could not write, it tries to write again
            if file is not None:
                file.close()
        reason = system_reason_text(error.strerror or str(error))
        self._notify(
            tr("cannot write {path}: {reason}; the watch goes on without it", path=self._path, reason=reason)
        )


class LogFile(FileRecorder):
    """A line an event, added to those that are there."""

    mode = "a"

    def happened(self, event: Event) -> None:
        """See Recorder."""
        self.write(f"{stamp(event.at)}  {sentence(event)}\n")


class CsvFile(FileRecorder):
    """A row a probe (RFC 4180)."""

    wants_samples = True

    def begin(self, all_watched: Sequence[Watched]) -> None:
        """See Recorder."""
        self._row(COLUMNS)

    def sampled(self, sample: Sample) -> None:
        """See Recorder."""
        target = sample.watched.target
        time = sample.sent.isoformat(timespec="milliseconds")
        rtt = "" if sample.seconds is None else f"{sample.seconds * 1000:.3f}"
        self._row((time, target.label, target.url, sample.number, sample.outcome, rtt, sample.reason))

    def _row(self, fields: Sequence[object]) -> None:
        csv.writer(self).writerow(fields)


class JsonLines(Recorder):
    """A JSON object for each probe, each event, the beginning and the end (docs/json/watch.schema.json)."""

    wants_samples = True

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write

    def begin(self, all_watched: Sequence[Watched]) -> None:
        """See Recorder."""
        targets = [target_record(watched) for watched in all_watched]
        self._put({"type": "begin", "schema": SCHEMA, "time": now_text(), "targets": targets})

    def sampled(self, sample: Sample) -> None:
        """See Recorder."""
        self._put(
            {
                "type": sample.outcome,
                "time": sample.sent.isoformat(timespec="microseconds"),
                "target": sample.watched.target.label,
                "seq": sample.number,
                "rtt_ms": in_ms(sample.seconds),
                "corrupted_bytes": sample.damaged,
                "reason": sample.reason or None,
            }
        )

    def happened(self, event: Event) -> None:
        """See Recorder."""
        self._put(
            {
                "type": event.kind.value,
                "time": event.at.isoformat(timespec="microseconds"),
                "target": event.watched.target.label,
                "addr": event.watched.where or None,
                "seconds": round(event.seconds, 6) if event.kind is Kind.BACK else None,
                "losses": event.losses,
                "reason": event.reason or None,
            }
        )

    def end(self, all_watched: Sequence[Watched]) -> None:
        """See Recorder."""
        targets = [target_record(watched) | figures_record(watched) for watched in all_watched]
        self._put({"type": "summary", "schema": SCHEMA, "time": now_text(), "targets": targets})

    def _put(self, record: dict[str, object]) -> None:
        text = json.dumps(record, ensure_ascii=False)
        self._write((text if escape_controls(text) == text else json.dumps(record)) + "\n")


class JsonFile(JsonLines):
    """The same in a file: `netecho report` reads it."""

    def __init__(self, path: Path, notify: Notify) -> None:
        super().__init__(FileRecorder(path, notify).write)


def to_stdout(text: str) -> None:
    """Write a line of JSON, which is UTF-8 in every locale (RFC 8259, 8.1)."""
    put_bytes(text.encode())


def now_text() -> str:
    """Return the time, as records have it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def in_ms(seconds: float | None) -> float | None:
    """Return a time in milliseconds, to the microsecond."""
    return None if seconds is None else round(seconds * 1000, 3)


def target_record(watched: Watched) -> dict[str, object]:
    """Return what a target is, for programs."""
    target = watched.target
    return {
        "target": target.label,
        "url": target.url,
        "addr": watched.where or None,
        "interval_s": target.interval,
        "timeout_s": target.timeout,
        "bytes": target.payload_size,
    }


def figures_record(watched: Watched) -> dict[str, object]:
    """Return what was counted of a target, for programs."""
    counted = watched.statistics
    p50, p95, p99 = counted.times.percentiles((50, 95, 99)) or (None, None, None)
    return {
        "state": watched.state.value,
        "sent": counted.sent,
        "answered": counted.answered,
        "lost": counted.lost,
        "loss_percent": round(counted.loss, 3),
        "late": counted.late,
        "duplicates": counted.duplicates,
        "corrupted": counted.corrupted,
        "reasons": counted.reasons,
        "rtt_ms": {
            "last": in_ms(counted.last),
            "avg": in_ms(counted.times.mean),
            "p50": in_ms(p50),
            "p95": in_ms(p95),
            "p99": in_ms(p99),
            "jitter": in_ms(counted.jitter),
        },
        "longest_outage_s": round(counted.longest.seconds, 3),
    }
