"""Several hosts in one run: opened at the same time, and a summary with a row for each."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from netechod.client.errors import ClientError
from netechod.client.i18n.translate import tr
from netechod.client.net import Target
from netechod.client.ping.layout import ms
from netechod.client.ping.report import About, histogram, share
from netechod.client.ping.tally import Tally
from netechod.client.ping.views import OutputOptions
from netechod.client.terminal.text import padded
from netechod.services.cells import cells

_Opened = TypeVar("_Opened")

TIMES = ("min", "avg", "p50", "p95", "max")


class Row(NamedTuple):
    """A host and the outcomes of its probes."""

    about: About
    tally: Tally


def open_all(targets: Sequence[Target], begin: Callable[[Target], _Opened]) -> list[_Opened | ClientError]:
    """Return what `begin` makes of each target, or its error. A silent host holds up no other."""
    from concurrent.futures import ThreadPoolExecutor  # on demand: one host needs no threads

    def attempt(target: Target) -> _Opened | ClientError:
        try:
            return begin(target)
        except ClientError as error:
            return error

    with ThreadPoolExecutor(len(targets)) as pool:
        return list(pool.map(attempt, targets))


def labels(abouts: Sequence[About]) -> list[str]:
    """Return a name for each host: as it was given, and with its port if it was given more than once."""
    hosts = [about.host for about in abouts]
    return [about.host if hosts.count(about.host) == 1 else about.where for about in abouts]


def table(rows: Sequence[Row], output: OutputOptions) -> Iterator[str]:
    """Return the summary for people. Times are in milliseconds."""
    titles = [tr("host"), tr("sent"), tr("received"), tr("lost"), *(f"{tr(name)} ms" for name in TIMES)]
    names = labels([row.about for row in rows])
    lines = [titles, *([name, *_figures(row.tally)] for name, row in zip(names, rows, strict=True))]
    widths = [max(map(cells, column)) for column in zip(*lines, strict=True)]
    for name, *figures in lines:
        aligned = (" " * (width - cells(it)) + it for it, width in zip(figures, widths[1:], strict=True))
        yield "  ".join((padded(name, widths[0]), *aligned))
    if output.histogram:
        for name, row in zip(names, rows, strict=True):
            yield name
            yield from histogram(row.tally.times, ascii_only=output.ascii_only)


def _figures(tally: Tally) -> Iterator[str]:
    yield from (str(tally.sent), str(tally.received), f"{share(tally.lost, tally.sent):.1f} %")
    times = tally.times.in_ms()
    for name in TIMES:
        yield ms(times[name] / 1000) if times else "-"
