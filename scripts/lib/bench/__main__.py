"""The program behind scripts/bench, which has its help text."""

import argparse
import json
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from scripts.lib.bench import report
from scripts.lib.bench.contest import Row
from scripts.lib.bench.environment import MissingError
from scripts.lib.bench.profiling import profile
from scripts.lib.bench.publish import publish
from scripts.lib.bench.server import ServerError
from scripts.lib.bench.stage import ENGINES, Effort, Stage
from scripts.lib.bench.trial import Trial
from scripts.lib.bench.trials import TRIALS
from scripts.lib.options import Parser, bounded

FULL = Effort(seconds=0.25, pairs=9)
EX_UNAVAILABLE = 69  # sysexits.h: something that is needed is not there
QUICK = Effort(seconds=0.1, pairs=3, scale=0.1)


def selected(names: str) -> list[Trial]:
    """The trials that are named, each whole or by its beginning."""
    chosen = [trial for trial in TRIALS if trial.name.startswith(tuple(names.split(",")))]
    if not all(any(trial.name.startswith(name) for trial in TRIALS) for name in names.split(",")):
        raise argparse.ArgumentTypeError(f"one of {', '.join(trial.name for trial in TRIALS)} expected")
    return chosen


def engines(names: str) -> list[str]:
    """The peers that are named."""
    if not set(names.split(",")) <= set(ENGINES):
        raise argparse.ArgumentTypeError(f"some of {', '.join(ENGINES)} expected")
    return names.split(",")


def build_parser() -> argparse.ArgumentParser:
    """The command line of scripts/bench."""
    parser = Parser(prog="scripts/bench", add_help=False, allow_abbrev=False)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", type=selected, default=list(TRIALS))
    parser.add_argument("--against", type=engines, default=list(ENGINES))
    parser.add_argument("--seconds", type=bounded(0.01, 10))
    parser.add_argument("--pairs", type=bounded(1, 100))
    parser.add_argument("--scale", type=bounded(0.01, 10))
    parser.add_argument("--json", type=Path)
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--publish", action="store_true")
    output.add_argument("--profile", action="store_true")
    return parser


def effort_of(arguments: argparse.Namespace) -> Effort:
    """As asked for; what is not, as usual."""
    usual = QUICK if arguments.quick else FULL
    return Effort(
        arguments.seconds or usual.seconds,
        int(arguments.pairs or usual.pairs),
        arguments.scale or usual.scale,
    )


def pin() -> tuple[int, int] | None:
    """Put the generator on a CPU of its own; returns the server's CPU and that one, None without a second."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        return None
    os.sched_setaffinity(0, {allowed[1]})
    return allowed[0], allowed[1]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the trials and print each table as soon as it is there; status 1 when netechod failed one."""
    arguments = build_parser().parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that servers end with us
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    cpus = pin()
    try:
        with tempfile.TemporaryDirectory(prefix="netechod-bench-") as directory:
            stage = Stage(Path(directory), cpus and cpus[0], effort_of(arguments))
            if arguments.profile:
                for trial in arguments.only:
                    print(profile(trial, stage), end="\n\n", flush=True)
                return 0
            return measure(arguments, stage, cpus)
    except (MissingError, ServerError) as error:
        print(f"scripts/bench: error: {error}", file=sys.stderr)
        return EX_UNAVAILABLE


def measure(arguments: argparse.Namespace, stage: Stage, cpus: tuple[int, int] | None) -> int:
    """Run the trials, and report."""
    results: list[tuple[Trial, list[Row]]] = []
    for trial in arguments.only:
        results.append((trial, trial.run(stage, arguments.against)))
        print(report.table(*results[-1]), end="\n\n", flush=True)
    machine = report.machine(cpus)
    print(report.targets(results), report.legend(stage.effort), machine, sep="\n\n")
    figures = report.as_json(machine, stage.effort, results)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    if arguments.publish:
        print(publish(figures), end="")
    return 0 if all(report.sound(rows) for _, rows in results) else 1


if __name__ == "__main__":
    sys.exit(main())
