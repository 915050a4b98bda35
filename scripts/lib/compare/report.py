"""The measurements as tables, and a sentence for each model on when to choose it."""

import os
import platform
from collections.abc import Callable, Sequence
from typing import NamedTuple

from scripts.lib.compare.contestants import Contestant
from scripts.lib.compare.trials import FLOWS, LONG, PACE, Result

ADVICE = {
    "select": (
        "for everything: one process serves all, a connection costs kilobytes, and nobody waits for anybody."
    ),
    "iterative": (
        "where requests are short and rare, and order matters more than waiting: whoever is in holds up all "
        "the others, a slow reader for as long as it likes."
    ),
    "fork": (
        "where a connection is long, heavy or not to be trusted: processes use every CPU, and one may crash "
        "alone; but each costs milliseconds to make and megabytes to keep."
    ),
    "thread": (
        "where the work of a connection blocks, in a library or on a disk, and there are tens of them: they "
        "are cheaper than processes, but share one CPU in Python, and a crowd of them delays all the rest."
    ),
    "pool": (
        "where requests are short and their work blocks: it bounds what a crowd can cost; but three clients "
        "that say nothing hold up the rest for as long as they stay (see echo.tcp.idle_timeout)."
    ),
}


class Table(NamedTuple):
    """One figure over contestants and numbers of connections."""

    title: str
    cell: Callable[[Result], str]


TABLES = (
    Table(
        f"messages a second, as fast as they go ({LONG} a connection)",
        lambda result: f"{result.flat.rate:,.0f}",
    ),
    Table(
        f"p99 of an answer in milliseconds, at {PACE:,.0f} messages a second in all",
        lambda result: milliseconds(result.paced.p99),
    ),
    Table("the same with a slow reader among them", lambda result: milliseconds(result.slow.p99)),
    Table("visits a second (connect, one echo, close)", lambda result: f"{result.visits.rate:,.0f}"),
    Table("p99 of a visit in milliseconds", lambda result: milliseconds(result.visits.p99)),
    Table(
        "p99 of UDP echo in milliseconds, beside connections at full speed",
        lambda result: milliseconds(result.udp_p99),
    ),
    Table("memory in MB, all processes (PSS)", lambda result: f"{result.memory / 1e6:.0f}"),
    Table("processes / threads", lambda result: f"{result.processes} / {result.threads}"),
)


def milliseconds(seconds: float) -> str:
    """As many digits as mean something."""
    return f"{seconds * 1000:.{2 if seconds < 0.01 else 0}f}"


def tables(results: Sequence[Result]) -> str:
    """All of them."""
    counts = sorted({result.connections for result in results})
    names = list(dict.fromkeys(result.contestant for result in results))
    found = {(result.contestant, result.connections): result for result in results}
    parts = []
    for title, cell in TABLES:
        lines = [title, "  connections " + "".join(f"{count:>13,}" for count in counts)]
        lines += [
            f"  {name:<12}" + "".join(f"{cell(found[name, count]):>13}" for count in counts) for name in names
        ]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def advice(contestants: Sequence[Contestant]) -> str:
    """When one would choose each model."""
    models = dict.fromkeys(contestant.model for contestant in contestants)
    return "\n".join(f"{model}: {ADVICE[model]}" for model in models)


def legend(seconds: float, passes: int) -> str:
    """How to read the tables."""
    middle = f", the middle one of {passes}" if passes > 1 else ""
    return (
        f"Every figure is of {seconds:g} s{middle}. Who was not answered by then has waited that long at "
        "least, and counts as such: a p99 near it, or above, means that somebody was not served at all."
    )


def machine() -> str:
    """One sentence on where this was measured."""
    return (
        f"Linux {platform.release()}, {platform.python_implementation()} {platform.python_version()}, "
        f"{os.cpu_count()} CPUs for server and load together, load {os.getloadavg()[0]:.1f} at the end."
    )


def sound(results: Sequence[Result]) -> bool:
    """Return whether every answer was right and no client was cut off."""
    flows = [getattr(result, name) for result in results for name in FLOWS]
    return not any(flow.wrong or flow.lost for flow in flows)
