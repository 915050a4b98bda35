"""The program behind scripts/compare-models, which has its help text."""

import argparse
import itertools
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from scripts.lib.bench.environment import MissingError, python_with
from scripts.lib.compare import ROOT, report
from scripts.lib.compare.contestants import MODELS, SELECTORS, Contestant
from scripts.lib.compare.trials import FLOWS, Result, measured, merged
from scripts.lib.options import Parser, bounded

COUNTS, QUICK_COUNTS = [1, 10, 100, 1000], [1, 10, 100]
SECONDS, QUICK_SECONDS = 1.0, 0.3
MOST = 1000  # connections; with the slow reader, fewer than a model of processes or threads takes
SPARE = 200  # descriptors that are not connections


def models(names: str) -> list[Contestant]:
    """The models that are named."""
    known = {contestant.model: contestant for contestant in MODELS}
    if not set(names.split(",")) <= known.keys():
        raise argparse.ArgumentTypeError(f"some of {', '.join(known)} expected")
    return [known[name] for name in names.split(",")]


def counts(texts: str) -> list[int]:
    """Numbers of connections: the load is bounded."""
    numbers = sorted({int(text) for text in texts.split(",")})
    if not 1 <= numbers[0] <= numbers[-1] <= MOST:
        raise argparse.ArgumentTypeError(f"numbers from 1 to {MOST} expected")
    return numbers


def build_parser() -> argparse.ArgumentParser:
    """The command line of scripts/compare-models."""
    parser = Parser(prog="scripts/compare-models", add_help=False, allow_abbrev=False)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--models", type=models, default=MODELS)
    parser.add_argument("--selectors", action="store_true")
    parser.add_argument("--connections", type=counts)
    parser.add_argument("--seconds", type=bounded(0.01, 60))
    parser.add_argument("--passes", type=bounded(1, 9), default=1)
    parser.add_argument("--charts", type=Path)
    parser.add_argument("--json", type=Path)
    return parser


def figures_of(results: Sequence[Result]) -> dict[str, object]:
    """Everything by name, for the charts and for who wants to know more."""
    named = [
        result._asdict() | {name: getattr(result, name)._asdict() for name in FLOWS} for result in results
    ]
    return {"machine": report.machine(), "results": named}


def draw(figures: Path, directory: Path) -> str:
    """Have the charts drawn; returns a sentence on what became of them."""
    try:
        python = python_with("matplotlib")
    except MissingError as error:
        return f"No charts: {error}"
    directory.mkdir(parents=True, exist_ok=True)
    command = [str(python), "-m", "scripts.lib.compare.charts", str(figures), str(directory)]
    subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    return f"Charts: {', '.join(sorted(str(file) for file in directory.glob('*.png')))}, and as SVG."


def main(argv: Sequence[str] | None = None) -> int:
    """Measure everything and print it; status 1 when an answer was wrong, or somebody was cut off."""
    arguments = build_parser().parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that daemons end with us
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    seconds = arguments.seconds or (QUICK_SECONDS if arguments.quick else SECONDS)
    contestants = arguments.models + (SELECTORS if arguments.selectors else [])
    numbers = arguments.connections or (QUICK_COUNTS if arguments.quick else COUNTS)
    passes = int(arguments.passes)
    every: dict[tuple[Contestant, int], list[Result]] = {}
    for turn in range(1, passes + 1):
        for contestant, number in itertools.product(contestants, numbers):
            where = f"pass {turn} of {passes}: {contestant.name}, {number} connections"
            print(where, file=sys.stderr, flush=True)
            every.setdefault((contestant, number), []).append(measured(contestant, number, seconds))
    results = [merged(measurements) for measurements in every.values()]
    parts = [
        report.tables(results),
        report.legend(seconds, passes),
        report.advice(contestants),
        report.machine(),
    ]
    print("\n\n".join(parts), flush=True)
    with TemporaryDirectory(prefix="netechod-compare-") as directory:
        file = arguments.json or Path(directory) / "figures.json"
        file.write_text(json.dumps(figures_of(results), indent=1), encoding="utf-8")
        if arguments.charts is not None:
            print("\n" + draw(file.absolute(), arguments.charts.absolute()))
    return 0 if report.sound(results) else 1


if __name__ == "__main__":
    sys.exit(main())
