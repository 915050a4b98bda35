"""The report: a table for every trial, the targets, a sentence on the machine, and all of it as JSON."""

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from scripts.lib.bench.contest import HOME, Quartiles, Row, Sample
from scripts.lib.bench.single_shots import BASE
from scripts.lib.bench.stage import Effort
from scripts.lib.bench.trial import Trial

HEADING = "  {:<17} {:>13}  {:<22} {:<11} {:>9}  {:<22} {:>9} {:>13} {:>5} {:>5}"


@dataclass(frozen=True)
class Verdict:
    """One target, and what became of it."""

    title: str
    aim: str
    reached: str
    spread: str  # first to third quartile
    met: bool


def table(trial: Trial, rows: Sequence[Row]) -> str:
    """One trial as a table; ratios are netechod's figure over the peer's, median (first-third quartile)."""
    timed = any(sample.cpu is not None for row in rows for sample in row.samples)
    per = trial.unit.removesuffix("/s").removesuffix("s")
    cpu = (f"us/{per}", "netechod's CPU", "busy s/g", "us p50/p99") if timed else ("", "", "", "")
    lines = [
        f"{trial.name}: {trial.title}",
        HEADING.format("", trial.unit, "netechod's, relative", "target", *cpu, "lost", "wrong").rstrip(),
    ]
    return "\n".join(lines + [_line(trial, row) for row in rows])


def _line(trial: Trial, row: Row) -> str:
    if not row.samples:
        why = f"failed: {row.trouble}" if row.trouble else "not measured, there is nothing to compare with"
        return f"  {row.name:<17} {why}"
    spent = [sample.cpu * 1e6 for sample in row.samples if sample.cpu is not None]
    text = HEADING.format(
        row.name,
        figure(median(sample.value for sample in row.samples)),
        _ratio(row.ratios),
        "".join(f"{verdict.aim} {_met(verdict)}" for verdict in verdicts(trial, [row])),
        f"{median(spent):.2f}" if spent else "",
        _ratio(row.cpu_ratios),
        _busy(row.samples) if spent else "",
        _latency(row.samples) if spent else "",
        row.lost,
        row.wrong,
    )
    return text + (f"  failed in the end: {row.trouble}" if row.trouble else "")


def figure(value: float) -> str:
    """A figure with as many digits as tell something."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _ratio(ratios: list[float]) -> str:
    if not ratios:
        return ""
    lower, middle, upper = Quartiles.of(ratios)
    return f"{middle:6.2f} x ({lower:.2f}-{upper:.2f})"


def _met(verdict: Verdict) -> str:
    return "met" if verdict.met else "missed"


def _busy(samples: Sequence[Sample]) -> str:
    server = median(sample.server_busy for sample in samples)
    generator = median(sample.generator_busy for sample in samples)
    return f"{100 * server:.0f}/{100 * generator:.0f}%"


def _latency(samples: Sequence[Sample]) -> str:
    return f"{median(s.p50 for s in samples):.0f}/{median(s.p99 for s in samples):.0f}"


def verdicts(trial: Trial, rows: Sequence[Row]) -> list[Verdict]:
    """The targets of a trial that could be judged. A limit is not kept where something was lost or wrong."""
    found = []
    for row in rows:
        target = trial.targets.get(row.name)
        if target is not None and row.ratios:
            lower, middle, upper = Quartiles.of(row.ratios)
            spread = f"{lower:.2f}-{upper:.2f}"
            met = round(middle, 2) >= target
            aim, reached = f">= {target:g}", f"{middle:.2f} x {row.name}"
            found.append(Verdict(trial.title, f"{aim} x", reached, spread, met))
        if row.name == HOME and trial.at_most is not None and row.samples:
            lower, middle, upper = Quartiles.of([sample.value for sample in row.samples])
            spread = f"{figure(lower)}-{figure(upper)}" if len(row.samples) > 1 else "measured once"
            aim, reached = f"<= {trial.at_most:g}", f"{figure(middle)} {trial.unit}"
            met = middle <= trial.at_most and not row.lost and not row.wrong
            found.append(Verdict(trial.title, aim, reached, spread, met))
    return found


def targets(results: Sequence[tuple[Trial, Sequence[Row]]]) -> str:
    """All targets in one table."""
    judged = [verdict for trial, rows in results for verdict in verdicts(trial, rows)]
    if not judged:
        return ""
    lines = [
        f"  {verdict.title:<56} {verdict.aim:<9} {verdict.reached:<25} {verdict.spread:<14} {_met(verdict)}"
        for verdict in judged
    ]
    met = sum(verdict.met for verdict in judged)
    return "\n".join([f"targets: {met} of {len(judged)} met", *lines])


def legend(effort: Effort) -> str:
    """How to read the tables, in a few sentences."""
    return f"""\
Ratios are netechod's figure over the peer's, of neighbouring windows: median (first-third quartile) of
{effort.pairs} x {effort.seconds:g} s. Above 1 a rate is better; CPU per unit, memory and time are worse.
busy s/g: share of a window that server and generator ran. Both far below 100%: others had the machine, or
the client waits by design (one message in flight). The generator near 100%: it limits the rate, which then
understates the faster server, and the CPU column is the figure to read. Memory: growth of anonymous PSS from
{BASE} connections or members on, measured once a peer."""


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
    """Return the name of the processor."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def as_json(
    machine: str, effort: Effort, results: Sequence[tuple[Trial, Sequence[Row]]]
) -> dict[str, object]:
    """Everything, with every sample, for later comparison."""
    return {
        "machine": machine,
        "effort": effort._asdict(),
        "trials": [_trial_as_json(trial, rows) for trial, rows in results],
    }


def _trial_as_json(trial: Trial, rows: Sequence[Row]) -> dict[str, object]:
    return {
        "name": trial.name,
        "title": trial.title,
        "unit": trial.unit,
        "targets": dict(trial.targets),
        "at_most": trial.at_most,
        "verdicts": [asdict(verdict) for verdict in verdicts(trial, rows)],
        "rows": [asdict(row) | {"samples": [sample._asdict() for sample in row.samples]} for row in rows],
    }


def sound(rows: Sequence[Row]) -> bool:
    """Return whether netechod lost nothing, answered nothing wrongly and did not fail."""
    home = next(row for row in rows if row.name == HOME)
    return not (home.lost or home.wrong or home.trouble)
