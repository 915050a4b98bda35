"""The program behind scripts/bench, which has its help text."""

import argparse
import json
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from scripts.benching import report
from scripts.benching.trials import TRIALS, Effort, Stage, Trial, install_uvloop

ENGINES = ("asyncio", "uvloop")
FULL = Effort(seconds=0.3, pairs=7, connections=5000)
QUICK = Effort(seconds=0.1, pairs=3, connections=2000)
SPARE = 200  # descriptors that are not connections


class Parser(argparse.ArgumentParser):
    """A parser whose usage errors exit with EX_USAGE, as those of every program here."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and how to find out more."""
        self.exit(64, f"{self.prog}: error: {message}\nhint: {self.prog} --help\n")


def selected(names: str) -> list[Trial]:
    """The trials that are named, each whole or by its beginning."""
    chosen = [trial for trial in TRIALS if trial.name.startswith(tuple(names.split(",")))]
    if not all(any(trial.name.startswith(name) for trial in TRIALS) for name in names.split(",")):
        raise argparse.ArgumentTypeError(f"one of {', '.join(trial.name for trial in TRIALS)} expected")
    return chosen


def engines(names: str) -> list[str]:
    """The peers that are named."""
    if not set(names.split(",")) <= set(ENGINES):
        raise argparse.ArgumentTypeError(f"one or both of {', '.join(ENGINES)} expected")
    return names.split(",")


def bounded(low: float, high: float) -> Callable[[str], float]:
    """A number from `low` to `high`: the bench is bounded in count and time."""

    def number(text: str) -> float:
        value = float(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{low:g} to {high:g} expected")
        return value

    return number


def build_parser() -> argparse.ArgumentParser:
    """The command line of scripts/bench."""
    parser = Parser(prog="scripts/bench", add_help=False, allow_abbrev=False)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", type=selected, default=list(TRIALS))
    parser.add_argument("--against", type=engines, default=list(ENGINES))
    parser.add_argument("--seconds", type=bounded(0.01, 10))
    parser.add_argument("--pairs", type=bounded(1, 100))
    parser.add_argument("--connections", type=bounded(300, 100_000))
    parser.add_argument("--json", type=Path)
    return parser


def effort_of(arguments: argparse.Namespace) -> Effort:
    """As asked for, and as far as the hard limit on descriptors goes, to which the soft one is raised."""
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    usual = QUICK if arguments.quick else FULL
    connections = int(arguments.connections or usual.connections)
    if limit != resource.RLIM_INFINITY:
        connections = min(connections, limit - SPARE)
    return Effort(arguments.seconds or usual.seconds, int(arguments.pairs or usual.pairs), connections)


def pin() -> tuple[int, int] | None:
    """Put the generator on a CPU of its own; returns the server's CPU and that one, None without a second."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        return None
    os.sched_setaffinity(0, {allowed[1]})
    return allowed[0], allowed[1]


def peers(wanted: Sequence[str]) -> Sequence[str]:
    """The engines that are there; for the one that cannot be had, a sentence."""
    trouble = install_uvloop() if "uvloop" in wanted else ""
    if not trouble:
        return wanted
    print(f"uvloop does not take part, because it could not be installed: {trouble}\n", flush=True)
    return [engine for engine in wanted if engine != "uvloop"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the trials and print each table as soon as it is there; status 1 when netechod failed one."""
    arguments = build_parser().parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that servers end with us
    effort, present, cpus = effort_of(arguments), peers(arguments.against), pin()
    results, sound = [], True
    with tempfile.TemporaryDirectory(prefix="netechod-bench-") as directory:
        stage = Stage(Path(directory), cpus and cpus[0], effort)
        for trial in arguments.only:
            rows = trial.run(stage, present)
            print(report.table(trial, rows), end="\n\n", flush=True)
            results.append(report.as_json(trial, rows))
            sound = sound and report.sound(rows)
    print(report.legend(effort), report.machine(cpus), sep="\n\n")
    if arguments.json is not None:
        data = {"machine": report.machine(cpus), "effort": effort._asdict(), "trials": results}
        arguments.json.write_text(json.dumps(data, indent=1), encoding="utf-8")
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
