"""The program behind scripts/soak, which has its help text."""

import argparse
import platform
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from resource import RLIMIT_NOFILE, getrlimit, setrlimit

from support.network import Here, Network

from netechod import __version__
from scripts.lib.options import Parser, bounded
from scripts.lib.soak.audit import mebibytes
from scripts.lib.soak.place import Place
from scripts.lib.soak.soak import FAULTS, Effort, Soak


def build_parser() -> argparse.ArgumentParser:
    """The command line of scripts/soak."""
    parser = Parser(prog="scripts/soak", add_help=False, allow_abbrev=False)
    parser.add_argument("--seconds", type=bounded(0, 86400), default=120.0)
    parser.add_argument("--pause", type=bounded(0, 10), default=0.01)
    parser.add_argument("--calm", type=bounded(0, 60), default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=named, default=tuple(FAULTS))
    parser.add_argument("--members", type=bounded(16, 4096), default=300)
    return parser


def named(names: str) -> tuple[str, ...]:
    """The faults that are named, each whole or by its beginning."""
    for name in names.split(","):
        if not any(fault.startswith(name) for fault in FAULTS):
            raise argparse.ArgumentTypeError(f"no fault {name!r}; there are {', '.join(FAULTS)}")
    return tuple(fault for fault in FAULTS if fault.startswith(tuple(names.split(","))))


def own_network(stack: ExitStack) -> Network | None:
    """Enter a network of our own, joined to one of everybody else's; None where that is not allowed."""
    try:
        return stack.enter_context(Network(Here()))
    except PermissionError:
        return None


def report(soak: Soak) -> Iterator[str]:
    """Yield the lines of the report."""
    outcome = soak.outcome
    yield (
        f"netechod {__version__} soaked for {outcome.seconds:.0f} s on Linux {platform.release()}, "
        f"Python {platform.python_version()}"
    )
    yield ""
    if soak.left_out:
        yield f"left out, because they need root and a network of their own: {', '.join(soak.left_out)}"
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


def raise_own_limit() -> None:
    """Have as many descriptors as we may: each member of a room is one of ours."""
    _, hard = getrlimit(RLIMIT_NOFILE)
    setrlimit(RLIMIT_NOFILE, (hard, hard))


def main(argv: Sequence[str] | None = None) -> int:
    """Soak and report; status 1 when something did not hold."""
    arguments = build_parser().parse_args(argv)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: sys.exit(128 + number))  # so that the daemon ends with us
    raise_own_limit()
    directory = Path(tempfile.mkdtemp(prefix="netechod-soak-"))
    effort = Effort(arguments.seconds, arguments.pause, arguments.calm, arguments.only)
    keep = False
    with ExitStack() as stack:
        place = Place(directory, arguments.seed, network=own_network(stack))
        place.members = round(arguments.members)
        soak = Soak(place, effort)
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
