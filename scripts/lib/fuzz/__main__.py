"""The program behind scripts/fuzz, which has its help text."""

import argparse
import importlib.util
import subprocess
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from fuzz.cost import excess, once
from fuzz.target import Target, all_targets
from scripts.lib.fuzz.campaign import Campaign, Result
from scripts.lib.fuzz.schedules import run_all
from scripts.lib.options import Parser, bounded

ROOT = Path(__file__).resolve().parents[3]
INSTALL_LIMIT = 120  # seconds that pip may take to fetch the fuzzer
ATHERIS = "atheris >=3,<4"
UNAVAILABLE = 69  # EX_UNAVAILABLE, sysexits.h
HEADING = "{:<20} {:>12} {:>10} {:>6} {:>7} {:>12}  {}"


def selected(names: str) -> list[Target]:
    """The targets that are named, each whole or by its beginning."""
    targets = list(all_targets().values())
    for name in names.split(","):
        if not any(target.name.startswith(name) for target in targets):
            raise argparse.ArgumentTypeError(f"no target {name!r}; see --list")
    return [target for target in targets if target.name.startswith(tuple(names.split(",")))]


def build_parser() -> argparse.ArgumentParser:
    """The command line of scripts/fuzz."""
    parser = Parser(prog="scripts/fuzz", add_help=False, allow_abbrev=False)
    parser.add_argument("--only", type=selected, default=list(all_targets().values()))
    parser.add_argument("--seconds", type=bounded(1, 3600), default=10.0)
    parser.add_argument("--runs", type=bounded(1, 10**9))
    parser.add_argument("--corpus", type=Path, default=ROOT / ".fuzz")
    parser.add_argument("--input", type=Path)
    parser.add_argument("--schedules", type=bounded(1, 10**6))
    parser.add_argument("--first", type=bounded(0, 2**63), default=0)
    parser.add_argument("--list", action="store_true")
    return parser


def install_atheris() -> str:
    """Put the fuzzer into this environment if it is missing; returns why it could not be had, or nothing."""
    if importlib.util.find_spec("atheris") is not None:
        return ""
    install = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", ATHERIS]
    try:
        subprocess.run(install, check=True, capture_output=True, text=True, timeout=INSTALL_LIMIT)
    except subprocess.TimeoutExpired:
        return f"pip took more than {INSTALL_LIMIT} seconds"
    except subprocess.CalledProcessError as error:
        return str(error.stderr).strip().rpartition("\n")[2]
    return ""


def replay(target: Target, file: Path) -> int:
    """Run one input."""
    try:
        data = file.read_bytes()
        cost, too_much = once(target, data), excess(target, data)
    except Exception:  # whatever a target comes upon is what we want to see
        traceback.print_exc()
        return 1
    print(f"{target.name}: all that it asserts holds for {file}, which takes {cost:.6f} s of CPU")
    return 1 if too_much else 0


def row(name: str, result: Result) -> str:
    """One target as a line of the table."""
    rate = result.inputs / result.seconds
    return HEADING.format(
        name,
        f"{result.inputs:,}",
        f"{rate:,.0f}",
        result.coverage,
        result.kept,
        f"{result.slowest * 1000:.2f} ms",
        result.trouble or "holds",
    )


def fuzz(targets: Sequence[Target], campaign: Campaign) -> int:
    """Fuzz each target in turn and print what came of it as soon as it is known."""
    print(HEADING.format("target", "inputs", "inputs/s", "edges", "corpus", "slowest", ""), flush=True)
    total, sound = 0, True
    for target in targets:
        result = campaign.run(target)
        print(row(target.name, result), flush=True)
        if result.trouble:
            print(result.report, flush=True)
        total, sound = total + result.inputs, sound and not result.trouble
    print(f"{total:,} inputs in all; the slowest ones are in {campaign.corpus}/TARGET/slowest")
    return 0 if sound else 1


def main(argv: Sequence[str] | None = None) -> int:
    """Fuzz; status 1 when something did not hold."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if arguments.list:
        print("\n".join(f"{target.name:<20} {target.summary}" for target in arguments.only))
        return 0
    if arguments.schedules is not None:
        return run_all(int(arguments.first), int(arguments.schedules))
    if arguments.input is not None:
        if len(arguments.only) != 1:
            parser.error("--input needs --only with one target")
        return replay(arguments.only[0], arguments.input)
    if trouble := install_atheris():
        print(f"scripts/fuzz: error: the fuzzer cannot be installed: {trouble}", file=sys.stderr)
        print("hint: atheris has wheels for Python 3.11 to 3.13 on Linux", file=sys.stderr)
        return UNAVAILABLE
    return fuzz(arguments.only, Campaign(arguments.corpus, arguments.seconds, arguments.runs))


if __name__ == "__main__":
    sys.exit(main())
