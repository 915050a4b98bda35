"""The charts, PNG and SVG, out of the figures in JSON: run by the Python that has matplotlib.

python -m scripts.lib.bench.charts FIGURES.json DIRECTORY
"""

import json
import re
import sys
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

# Colours that people with any kind of colour vision tell apart (Okabe and Ito), and a mark for print.
LOOKS = {
    "C": ("#000000", "s", "C (epoll, recvmmsg, sendmmsg)"),
    "uvloop-protocol": ("#0072B2", "o", "uvloop"),
    "uvloop-datagrams": ("#0072B2", "o", "uvloop"),
    "uvloop-streams": ("#56B4E9", "o", "uvloop, streams"),
    "asyncio-streams": ("#D55E00", "D", "asyncio"),
    "asyncio-datagrams": ("#D55E00", "D", "asyncio"),
    "asyncio-protocol": ("#E69F00", "D", "asyncio, protocol"),
    "gevent": ("#009E73", "^", "gevent"),
    "twisted": ("#CC79A7", "v", "Twisted"),
    "socat": ("#999999", "P", "socat EXEC:cat"),
    "recvfrom": ("#882255", "X", "recvfrom, sendto"),
}
TICKS = (0.5, 0.7, 1, 1.4, 2, 3, 5, 10, 20, 50, 100)
GROWTH = {"grow-connections": "TCP connections", "grow-members": "chat members", "grow-words": "words"}

Figures = dict[str, Any]


def ratios(figures: Figures, target: Path) -> None:
    """How many times as fast as each peer, a line for every kind of work."""
    trials = [trial for trial in figures["trials"] if is_race(trial)]
    figure, axis = pyplot.subplots(figsize=(10, 0.42 * len(trials) + 1.9), layout="constrained")
    for place, trial in enumerate(reversed(trials)):
        axis.axhline(place, color="#dddddd", linewidth=0.8, zorder=0)
        for row in trial["rows"]:
            if row["ratios"]:
                mark(axis, place, row, trial["targets"].get(row["name"]))
    axis.axvline(1, color="#555555", linewidth=1.2, zorder=1)
    axis.set_yticks(range(len(trials)), [trial["title"] for trial in reversed(trials)], fontsize=9)
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(FixedLocator(TICKS))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    figure.supxlabel(
        "netechod is so many times as fast: median, with the middle half of the windows; a bar is a target",
        fontsize=9,
    )
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(left=False)
    handles, labels = axis.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(
        unique.values(), unique.keys(), loc="outside upper center", ncols=4, frameon=False, fontsize=9
    )
    save(figure, target)


def is_race(trial: Figures) -> bool:
    """Return whether it is a rate that is compared with other servers'."""
    peers = {row["name"].partition("-")[0] for row in trial["rows"]}
    return trial["unit"].endswith("/s") and peers != {"netechod"}


def mark(axis: Axes, place: int, row: Figures, target: float | None) -> None:
    """One peer: the median, the middle half, and the target."""
    colour, shape, label = LOOKS[row["name"]]
    several = len(row["ratios"]) > 1
    lower, middle, upper = quantiles(row["ratios"], n=4, method="inclusive") if several else row["ratios"] * 3
    axis.plot([lower, upper], [place, place], color=colour, linewidth=2, alpha=0.5, zorder=2)
    axis.plot([middle], [place], shape, color=colour, markersize=6.5, zorder=3, label=label)
    if target is not None:
        axis.plot([target], [place], "|", color=colour, markersize=15, markeredgewidth=1.6, zorder=2)


def growth(figures: Figures, target: Path) -> None:
    """Draw the cost of a message over the number of connections, members or words."""
    trials = [trial for trial in figures["trials"] if trial["name"] in GROWTH]
    figure, axes = pyplot.subplots(
        1, len(trials), figsize=(3.6 * len(trials), 2.9), layout="constrained", squeeze=False
    )
    for axis, trial in zip(axes[0], trials, strict=True):
        usual = int(re.findall(r"([\d,]+) against", trial["title"])[0].replace(",", ""))
        points = sorted(
            (
                int(row["name"].partition("-")[2] or usual),
                median(sample["cpu"] for sample in row["samples"]) * 1e6,
            )
            for row in trial["rows"]
            if row["samples"]
        )
        axis.plot(*zip(*points, strict=True), color="#0072B2", marker="o", markersize=5)
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axis.set_ylim(0, 1.1 * max(cost for _, cost in points))
        axis.set_xlabel(GROWTH[trial["name"]])
        axis.set_ylabel(f"CPU µs a {trial['unit'].removesuffix('s/s')}")
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", color="#dddddd", linewidth=0.8)
        axis.set_axisbelow(True)
    save(figure, target)


def save(figure: Figure, target: Path) -> None:
    """Write a chart in both formats."""
    for suffix in ("png", "svg"):
        metadata = {"Date": None} if suffix == "svg" else {}
        figure.savefig(target.with_suffix(f".{suffix}"), dpi=110, metadata=metadata)
    pyplot.close(figure)


if __name__ == "__main__":
    source, directory = map(Path, sys.argv[1:])
    directory.mkdir(parents=True, exist_ok=True)
    mpl.use("agg")
    mpl.rcParams["svg.hashsalt"] = "netechod"  # the same figures, the same file
    everything = json.loads(source.read_text(encoding="utf-8"))
    ratios(everything, directory / "performance.png")
    if any(trial["name"] in GROWTH for trial in everything["trials"]):
        growth(everything, directory / "growth.png")
