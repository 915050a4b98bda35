"""The program behind scripts/soak, which has its help text."""

import argparse
import platform
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from netechod import __version__
from scripts.lib.options import Parser, bounded
from scripts.lib.soak.audit import mebibytes
from scripts.lib.soak.place import Place
from scripts.lib.soak.soak import Effort, Soak


def build_parser() -> argparse.ArgumentParser:
    """The command line of scripts/soak."""
    parser = Parser(prog="scripts/soak", add_help=False, allow_abbrev=False)
    parser.add_argument("--seconds", type=bounded(0, 86400), default=120.0)
    parser.add_argument("--pause", type=bounded(0, 10), default=0.01)
    parser.add_argument("--calm", type=bounded(0, 60), default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    return parser


def report(soak: Soak) -> Iterator[str]:
    """All that was found, for people."""
    outcome = soak.outcome
    yield (
        f"netechod {__version__} soaked for {outcome.seconds:.0f} s on Linux {platform.release()}, "
        f"Python {platform.python_version()}"
    )
    yield ""
    yield f"{'traffic':<14} {'turns':>10} {'slowest turn':>13}"
    for name, record in soak.load.records.items():
        yield f"{name:<14} {record.turns:>10,} {record.slowest:>11.2f} s"
    yield ""
    yield f"{outcome.faults.total()} faults: " + ", ".join(
        f"{name} {count}" for name, count in sorted(outcome.faults.items())
    )
    yield ""
    for finding in outcome.findings:
        yield f"{'holds' if finding.holds else 'FAILS'}  {finding.what}"
    yield f"       memory under load, quarter by quarter: {quarters(outcome.memory)} MiB"
    yield ""
    yield from outcome.failures.told
    failed = outcome.failures.count + sum(not finding.holds for finding in outcome.findings)
    yield "everything held" if outcome.sound else f"FAILED: {failed} things did not hold"


def quarters(sizes: Sequence[int]) -> str:
    """The largest of each quarter of a series."""
    edges = [len(sizes) * quarter // 4 for quarter in range(5)]
    return ", ".join(mebibytes(max(sizes[start:end])) for start, end in pairwise(edges) if start < end)


def main(argv: Sequence[str] | None = None) -> int:
    """Soak and report; status 1 when something did not hold."""
    arguments = build_parser().parse_args(argv)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: sys.exit(128 + number))  # so that the daemon ends with us
    directory = Path(tempfile.mkdtemp(prefix="netechod-soak-"))
    soak = Soak(Place(directory, arguments.seed), Effort(arguments.seconds, arguments.pause, arguments.calm))
    keep = False
    try:
        outcome = soak.run()
        keep = not outcome.sound
    finally:
        if not keep:
            shutil.rmtree(directory)
    print("\n".join(report(soak)))
    if keep:
        print(f"its files: {directory}")
    return 0 if outcome.sound else 1


if __name__ == "__main__":
    sys.exit(main())
