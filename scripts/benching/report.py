"""The report: a table for every trial, a sentence on the machine, and all of it as JSON."""

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median

from scripts.benching.contest import HOME, Quartiles, Row
from scripts.benching.single_shots import BASE
from scripts.benching.trials import Effort, Trial

HEADING = "  {:<17} {:>13}  {:<22} {:>9}  {:<22} {:>9} {:>5} {:>5}"


def table(trial: Trial, rows: Sequence[Row]) -> str:
    """One trial as a table; ratios are netechod's figure over the peer's, median (first-third quartile)."""
    timed = any(sample.cpu is not None for row in rows for sample in row.samples)
    per = trial.unit.removesuffix("/s").removesuffix("s")
    cpu = (f"us/{per}", "netechod's CPU", "busy s/g") if timed else ("", "", "")
    lines = [
        f"{trial.name}: {trial.title}",
        HEADING.format("", trial.unit, "netechod's, relative", *cpu, "lost", "wrong").rstrip(),
    ]
    return "\n".join(lines + [_line(row) for row in rows])


def _line(row: Row) -> str:
    if not row.samples:
        why = f"failed: {row.trouble}" if row.trouble else "not measured, there is nothing to compare with"
        return f"  {row.name:<17} {why}"
    value = f"{median(sample.value for sample in row.samples):,.0f}"
    spent = [sample.cpu * 1e6 for sample in row.samples if sample.cpu is not None]
    text = HEADING.format(
        row.name,
        value,
        _ratio(row.ratios),
        f"{median(spent):.2f}" if spent else "",
        _ratio(row.cpu_ratios),
        _busy(row) if spent else "",
        row.lost,
        row.wrong,
    )
    return text + (f"  failed in the end: {row.trouble}" if row.trouble else "")


def _ratio(ratios: list[float]) -> str:
    if not ratios:
        return ""
    lower, middle, upper = Quartiles.of(ratios)
    return f"{middle:6.2f} x ({lower:.2f}-{upper:.2f})"


def _busy(row: Row) -> str:
    server = median(sample.server_busy for sample in row.samples)
    generator = median(sample.generator_busy for sample in row.samples)
    return f"{100 * server:.0f}/{100 * generator:.0f}%"


def legend(effort: Effort) -> str:
    """How to read the tables, in a few sentences."""
    return f"""\
Ratios are netechod's figure over the peer's, of neighbouring windows: median (first-third quartile) of
{effort.pairs} x {effort.seconds:g} s. Above 1 a rate is better; CPU per unit, memory and time are worse.
busy s/g: share of a window that server and generator ran. Both far below 100%: others had the machine, or
the client waits by design (lookup-1). Both near it: they limit each other, the rates understate the faster
server, and the CPU column is the figure to read. memory: growth of anonymous PSS from {BASE} to
{effort.connections} connections, measured once a peer."""


def machine(cpus: tuple[int, int] | None) -> str:
    """One sentence on where this was measured."""
    pinned = (
        f"server pinned to CPU {cpus[0]}, generator to CPU {cpus[1]}"
        if cpus
        else "nothing pinned: fewer than two CPUs to be had"
    )
    return (
        f"Linux {platform.release()}, {platform.python_implementation()} {platform.python_version()}, "
        f"{os.cpu_count()} CPUs ({_model()}), load {os.getloadavg()[0]:.1f} at the end, {pinned}."
    )


def _model() -> str:
    """What the processor calls itself."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def as_json(trial: Trial, rows: Sequence[Row]) -> dict[str, object]:
    """One trial with every sample, for later comparison."""
    return {
        "name": trial.name,
        "title": trial.title,
        "unit": trial.unit,
        "rows": [asdict(row) | {"samples": [sample._asdict() for sample in row.samples]} for row in rows],
    }


def sound(rows: Sequence[Row]) -> bool:
    """Whether netechod itself lost nothing, mistook nothing and did not fail."""
    home = next(row for row in rows if row.name == HOME)
    return not (home.lost or home.wrong or home.trouble)
