"""The status as a page for people. It changes nothing, has no script, and asks no other server."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import TypeAlias

from netechod.process.control.metrics import COUNTERS
from netechod.process.control.status import Outcome, Status
from netechod.services.http import Page, Request

CONTENT_TYPE = "text/html; charset=utf-8"
REFRESH = 5  # seconds after which a browser asks for the page again
SPELL = 1.0  # seconds that a rate is measured over at least
FIELDS = (
    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "frame-ancestors 'none'",
    "Cache-Control: no-store",
    "X-Content-Type-Options: nosniff",
)
RECEIVED, ANSWERED = ("received", "accepted"), ("sent", "closed")
"""The counters of datagrams and of connections."""
TIMES = ("timestamp_seconds", "loaded")  # the ends of keys whose values are seconds since the epoch
DIGEST = 12  # characters of a digest that are shown

STYLE = """
:root{color-scheme:light dark;
--ink:#1c2128;--soft:#656d76;--line:#d0d7de;--bad:#b42318;
--page:#fff;--card:#f6f8fa}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#8d96a0;--line:#30363d;--bad:#ff7b72;
--page:#0d1117;--card:#161b22}}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,"Noto Sans CJK SC",sans-serif}
main{max-width:62rem;margin:0 auto;padding:1.5rem}
h1{font-size:1.4rem;margin:0}h2{font-size:1rem;margin:1.8rem 0 .4rem}
p{margin:.2rem 0;color:var(--soft)}.bad{color:var(--bad);font-weight:600}
section{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.3rem .7rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th{font-weight:600;color:var(--soft);background:var(--card)}
th.text,td.text{text-align:left}
"""

Cell: TypeAlias = str | int | float
Rows: TypeAlias = Iterable[Sequence[Cell]]
Counters: TypeAlias = Mapping[str, Mapping[str, int]]


class StatusPage:
    """Renders the status. Rates are those since an earlier page, or since the start."""

    def __init__(self, status: Callable[[], Status]) -> None:
        self._status = status
        self._before: Status | None = None
        self._last: Status | None = None

    def render(self, request: Request) -> Page:
        """Return the page of this moment."""
        status = self._status()
        if self._last is None or status.uptime - self._last.uptime >= SPELL:
            self._before, self._last = self._last, status
        return Page(CONTENT_TYPE, "".join(_page(status, self._before)).encode(), FIELDS)


def _page(status: Status, before: Status | None) -> Iterator[str]:
    spell = status.uptime - (before.uptime if before else 0.0)
    rates = _Rates(status.counters, before.counters if before else {}, max(spell, 1e-3))
    yield '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><link rel="icon" href="data:,">'
    yield f'<meta http-equiv="refresh" content="{REFRESH}">'
    yield '<meta name="viewport" content="width=device-width"><title>netechod</title>'
    yield f"<style>{STYLE}</style></head><body><main><h1>netechod {escape(status.version)}</h1>"
    config = status.config or "built in"
    yield f"<p>up {_duration(status.uptime)}, process {status.pid}, configuration {escape(config)}</p>"
    yield from (f'<p class="bad">{escape(complaint)}</p>' for complaint in status.complaints)
    yield from _reload(status.last_reload)
    yield from _table("Services", SERVICE_HEADINGS, _services(status, rates))
    yield from _table("Dropped", ("service", "reason", "count", "a second"), _dropped(status, rates))
    gauges = (gauge for gauge in status.gauges if not gauge.database and not gauge.name.endswith(TIMES))
    now = ((gauge.help, _shown(gauge.name, gauge.value)) for gauge in gauges)
    yield from _table("Now", ("", "value"), now)
    for name, report in status.reports.items():
        if isinstance(report, Sequence) and not isinstance(report, str):
            yield from _records(name, report)
    yield "</main></body></html>"


SERVICE_HEADINGS = ("service", "address", "received", "a second", "answered", "a second", "dropped")


class _Rates:
    """Counters, and how fast they have grown."""

    def __init__(self, counters: Counters, before: Counters, seconds: float) -> None:
        self._counters = counters
        self._before = before
        self._seconds = seconds

    def count(self, service: str, names: Iterable[str]) -> int:
        """Return the sum of some counters of a service."""
        own = self._counters.get(service, {})
        return sum(own.get(name, 0) for name in names)

    def rate(self, service: str, names: Sequence[str]) -> float:
        """Return how much this sum has grown in a second."""
        own = self._before.get(service, {})
        grown = self.count(service, names) - sum(own.get(name, 0) for name in names)
        return grown / self._seconds


def _services(status: Status, rates: _Rates) -> Iterator[Sequence[Cell]]:
    for service, address in status.listeners:
        drops = [name for name in status.counters.get(service, {}) if name not in COUNTERS]
        yield (
            *(service, address, rates.count(service, RECEIVED), rates.rate(service, RECEIVED)),
            *(rates.count(service, ANSWERED), rates.rate(service, ANSWERED), rates.count(service, drops)),
        )


def _dropped(status: Status, rates: _Rates) -> Iterator[Sequence[Cell]]:
    for service, counters in status.counters.items():
        for name, count in counters.items():
            if count and name not in COUNTERS:
                yield service, name.removeprefix("dropped_"), count, rates.rate(service, (name,))


def _reload(outcome: Outcome | None) -> Iterator[str]:
    """Say when the dictionary and the configuration were read last, and whether that has failed."""
    if outcome is None:
        return
    when = _clock(outcome.when)
    if outcome.error:
        yield f'<p class="bad">last reload {when} FAILED: {escape(outcome.error)}</p>'
    else:
        yield f"<p>last reload {when}, {outcome.seconds:.3f} s</p>"


def _records(title: str, records: Sequence[object]) -> Iterator[str]:
    """Return a table of objects that have the same keys."""
    rows = [record for record in records if isinstance(record, Mapping)]
    if rows:
        keys = list(rows[0])
        cells = ([_shown(key, row.get(key)) for key in keys] for row in rows)
        yield from _table(title.capitalize(), keys, cells)


def _shown(key: str, value: object) -> Cell:
    """Return a value as it can be read in a cell."""
    if key.endswith(TIMES) and isinstance(value, float):
        return _clock(value)
    if isinstance(value, str):
        return value[:DIGEST] if key == "sha256" else value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int | float) else "" if value is None else str(value)


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).astimezone().isoformat(" ", "seconds")


def _table(title: str, headings: Sequence[str], rows: Rows) -> Iterator[str]:
    """Return a table under a title; nothing without rows."""
    cells = [tuple(row) for row in rows]
    if cells:
        lines = ("".join(map(_cell, row)) for row in cells)
        kinds = ("text" if isinstance(cell, str) else "number" for cell in cells[0])
        titles = zip(headings, kinds, strict=True)
        head = "".join(f'<th class="{kind}">{escape(heading)}</th>' for heading, kind in titles)
        body = "".join(f"<tr>{line}</tr>" for line in lines)
        yield f"<section><h2>{escape(title)}</h2><table><tr>{head}</tr>{body}</table></section>"


def _cell(value: Cell) -> str:
    if isinstance(value, str):
        return f'<td class="text">{escape(value)}</td>'
    return f"<td>{value:,.1f}</td>" if isinstance(value, float) else f"<td>{value:,}</td>"


def _duration(seconds: float) -> str:
    """Return a length of time as days, hours, minutes and seconds."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{f'{days} d ' if days else ''}{hours:02}:{minutes:02}:{rest:02}"
