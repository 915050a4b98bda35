"""The program behind scripts/torture, which has its help text."""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from scripts.lib.options import Parser, bounded
from torture import serving, starting
from torture.strace import obstacle

Case = TypeVar("Case")


def build_parser() -> Parser:
    parser = Parser(prog="scripts/torture", add_help=False, allow_abbrev=False)
    parser.add_argument("--only", choices=("start", "serve"))
    parser.add_argument("--starts", type=bounded(1, 1000))
    parser.add_argument("--pairs", type=bounded(1, 1000))
    parser.add_argument("--jobs", type=bounded(1, 64), default=os.cpu_count() or 1)
    parser.add_argument("--verbose", action="store_true")
    return parser


def sample(cases: Sequence[Case], wanted: float | None) -> list[Case]:
    """Return a sample, spread evenly, with the first and the last; all of them for None."""
    size = min(int(wanted or len(cases)), len(cases))
    return [cases[round(place * (len(cases) - 1) / max(1, size - 1))] for place in range(size)]


def went(attempt: Callable[[Case], str], case: Case) -> tuple[bool, str]:
    """Return whether the outcome is allowed, and the outcome in words."""
    try:
        return True, f"{case}: {attempt(case)}"
    except Exception as error:  # whatever it is, the other cases are of interest, too
        return False, f"{case}: FAILED: {type(error).__name__}: {error}"


def run(arguments: argparse.Namespace) -> Iterator[tuple[bool, str]]:
    """How all the cases went that are asked for."""
    with ThreadPoolExecutor(int(arguments.jobs), "torture") as pool:
        if arguments.only != "serve":
            for way in starting.WAYS:
                starts = sample(starting.starts_of(way), arguments.starts)
                yield from pool.map(lambda start: went(starting.attempt, start), starts)
        if arguments.only != "start":
            pairs = sample(serving.PAIRS, arguments.pairs)
            yield from pool.map(lambda fault: went(serving.attempt, fault), pairs)


def say(line: str) -> None:
    """A line on stdout, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(argv: Sequence[str] | None = None) -> int:
    """Torture the daemon; 1 when it has failed."""
    arguments = build_parser().parse_args(argv)
    if trouble := obstacle():
        sys.stderr.write(f"torture: error: {trouble}\n")
        return 69
    cases = failures = 0
    for good, text in run(arguments):
        cases += 1
        failures += not good
        if arguments.verbose or not good:
            say(text)
    say(f"{cases} cases, {failures} failed")
    return min(failures, 1)


if __name__ == "__main__":
    sys.exit(main())
