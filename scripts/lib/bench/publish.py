"""The files that a run writes into docs/: performance.json, the tables made of it, and the charts.

python -m scripts.lib.bench.publish    makes tables and charts anew from docs/performance.json
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from scripts.lib.bench import ROOT
from scripts.lib.bench.contest import HOME, Quartiles
from scripts.lib.bench.environment import MissingError, python_with
from scripts.lib.bench.report import figure

FIGURES = Path("docs/performance.json")
PAGE = Path("docs/performance.md")
CHARTS = Path("docs/charts")
BEGIN, END = "<!-- made by scripts/bench --publish -->\n", "<!-- end of what is made -->\n"

LOAD = 0.7  # share of a core beyond which queues grow faster than load

Figures = dict[str, Any]


def publish(figures: Figures, root: Path = ROOT, *, draws: bool = True) -> str:
    """Write everything, and draw it; returns a sentence on what could not be made."""
    (root / FIGURES).write_text(json.dumps(figures, separators=(",", ":")) + "\n", encoding="utf-8")
    page = root / PAGE
    page.write_text(filled(page.read_text(encoding="utf-8"), figures), encoding="utf-8")
    return draw(root) if draws else ""


def draw(root: Path) -> str:
    """Draw the charts, with the Python that has matplotlib."""
    try:
        python = python_with("matplotlib")
    except MissingError as error:
        return f"The charts were not drawn: {error}\n"
    command = [str(python), "-m", "scripts.lib.bench.charts", str(root / FIGURES), str(root / CHARTS)]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    return ""


def filled(page: str, figures: Figures) -> str:
    """The page with the tables of these figures between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return "".join([before, BEGIN, *(f"{line}\n" for line in tables(figures)), END, after])


def tables(figures: Figures) -> Iterator[str]:
    """The targets, and everybody's figures."""
    met = [verdict["met"] for trial in figures["trials"] for verdict in trial["verdicts"]]
    yield ""
    pairs, seconds = figures["effort"]["pairs"], figures["effort"]["seconds"]
    yield f"{figures['machine']} {pairs} pairs of windows of {seconds:g} s for every peer."
    yield ""
    yield f"### Targets: {sum(met)} of {len(met)} met"
    yield ""
    yield "| work | target | reached | middle half | |"
    yield "|---|---|---|---|---|"
    for trial in figures["trials"]:
        for verdict in trial["verdicts"]:
            cells = [verdict["title"], verdict["aim"], verdict["reached"], verdict["spread"]]
            yield row(*cells, "met" if verdict["met"] else "**missed**")
    yield ""
    yield from capacity(figures)
    yield "### Everybody's figures"
    yield ""
    yield "| work | who | figure | netechod's, relative | CPU µs | netechod's CPU, relative | p50, p99 µs |"
    yield "|---|---|---|---|---|---|---|"
    for trial in figures["trials"]:
        for number, contestant in enumerate(trial["rows"]):
            yield row(trial["title"] if not number else "", *cells_of(contestant, trial["unit"]))
    yield ""


def capacity(figures: Figures) -> Iterator[str]:
    """Yield a table of how much some cores of this machine can serve, by the CPU time of a message."""
    yield "### What one core serves"
    yield ""
    yield f"| work | CPU µs | one core at {LOAD:.0%} | four | sixteen |"
    yield "|---|---|---|---|---|"
    for trial in figures["trials"]:
        [home] = [contestant for contestant in trial["rows"] if contestant["name"] == HOME]
        spent = [sample["cpu"] for sample in home["samples"] if sample["cpu"] is not None]
        if spent and trial["targets"]:
            rates = [f"{cores * LOAD / median(spent):,.0f} {trial['unit']}" for cores in (1, 4, 16)]
            yield row(trial["title"], f"{median(spent) * 1e6:.2f}", *rates)
    yield ""


def cells_of(contestant: Figures, unit: str) -> Sequence[str]:
    """One contestant's figures."""
    samples = contestant["samples"]
    name = f"**{contestant['name']}**" if contestant["name"] == HOME else contestant["name"]
    if not samples:
        return name, contestant["trouble"].partition(";")[0], "", "", "", ""
    spent = [sample["cpu"] * 1e6 for sample in samples if sample["cpu"] is not None]
    latency = [f"{median(sample[which] for sample in samples):.0f}" for which in ("p50", "p99")]
    return (
        name,
        f"{figure(median(sample['value'] for sample in samples))} {unit}",
        ratio(contestant["ratios"]),
        f"{median(spent):.2f}" if spent else "",
        ratio(contestant["cpu_ratios"]),
        ", ".join(latency) if spent else "",
    )


def ratio(ratios: Sequence[float]) -> str:
    """A series of ratios: the median, and the middle half."""
    if not ratios:
        return ""
    lower, middle, upper = Quartiles.of(list(ratios))
    return f"{middle:.2f} ({lower:.2f}-{upper:.2f})"


def row(*cells: str) -> str:
    """A line of a table in Markdown."""
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


if __name__ == "__main__":
    sys.stderr.write(publish(json.loads((ROOT / FIGURES).read_text(encoding="utf-8"))))
