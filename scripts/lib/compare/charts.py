"""The charts, PNG and SVG, out of the figures in JSON: run by the Python that has matplotlib.

python -m scripts.lib.compare.charts FIGURES.json DIRECTORY
"""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

# Colours that people with any kind of colour vision tell apart (Okabe and Ito), and a mark for print.
LOOKS = {
    "select": ("#0072B2", "o"),
    "iterative": ("#000000", "s"),
    "fork": ("#D55E00", "^"),
    "thread": ("#009E73", "D"),
    "pool": ("#CC79A7", "v"),
    "select/poll": ("#56B4E9", "o"),
    "select/select": ("#E69F00", "o"),
}
WIDTH, HEIGHT = 4.6, 3.7  # inches of a panel

Figures = dict[str, Any]
Value = Callable[[Figures], float]

CHARTS: dict[str, list[tuple[str, str, Value]]] = {
    "throughput": [
        ("Long-lived connections", "messages a second", lambda result: result["flat"]["rate"]),
        ("Visits: connect, one echo, close", "visits a second", lambda result: result["visits"]["rate"]),
    ],
    "p99": [
        ("Everybody reads", "p99 of an answer, ms", lambda result: result["paced"]["p99"] * 1000),
        ("One reads slowly", "p99 of an answer, ms", lambda result: result["slow"]["p99"] * 1000),
        ("UDP echo beside connections at full speed", "p99, ms", lambda result: result["udp_p99"] * 1000),
    ],
    "memory": [("Memory of all processes", "MB (PSS)", lambda result: result["memory"] / 1e6)],
    "tasks": [
        ("Processes", "processes", lambda result: result["processes"]),
        ("Threads", "threads of all processes", lambda result: result["threads"]),
    ],
}


def draw(
    results: Sequence[Figures], panels: Sequence[tuple[str, str, Value]], note: str, target: Path
) -> None:
    """One chart, in both formats."""
    size = (WIDTH * len(panels), HEIGHT)
    figure, axes = pyplot.subplots(1, len(panels), figsize=size, layout="constrained", squeeze=False)
    for axis, (title, unit, value) in zip(axes[0], panels, strict=True):
        plot(axis, results, value)
        axis.set_title(title, fontsize=10)
        axis.set_ylabel(unit)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False)
    figure.supxlabel(f"connections\n{note}", fontsize=8)
    for suffix in ("png", "svg"):
        figure.savefig(
            target.with_suffix(f".{suffix}"), dpi=110, metadata={"Date": None} if suffix == "svg" else {}
        )
    pyplot.close(figure)


def plot(axis: Axes, results: Sequence[Figures], value: Value) -> None:
    """A line for every contestant."""
    counts = sorted({result["connections"] for result in results})
    for name in dict.fromkeys(result["contestant"] for result in results):
        colour, mark = LOOKS[name]
        points = [
            (result["connections"], value(result)) for result in results if result["contestant"] == name
        ]
        axis.plot(*zip(*points, strict=True), color=colour, marker=mark, markersize=5, label=name)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xticks(counts, [f"{count:,}" for count in counts])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_formatter(FuncFormatter(lambda number, _: f"{number:,.15g}"))
    axis.grid(visible=True, which="major", color="#dddddd")
    axis.spines[["top", "right"]].set_visible(False)


def main() -> None:
    """Draw them all."""
    figures, directory = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2])
    mpl.use("Agg")
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "netechod", "font.size": 9})
    for name, panels in CHARTS.items():
        draw(figures["results"], panels, figures["machine"], directory / name)


if __name__ == "__main__":
    main()
