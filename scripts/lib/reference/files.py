"""Generated files: written, or compared with what is committed."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[3]
STALE = 1
USAGE_STATUS = 64  # EX_USAGE, as every program here


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(USAGE_STATUS, f"{self.prog}: error: {message}\nhint: {self.prog} --help\n")


def settle(program: str, files: Mapping[Path, str], argv: Sequence[str] | None = None) -> int:
    """Write the files, whose names are relative to the checkout; with `--check` say which would change."""
    parser = _Parser(prog=program, add_help=False, allow_abbrev=False)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args(argv).check
    stale = [name for name, text in files.items() if _text_of(ROOT / name) != text]
    for name in stale:
        if check:
            print(f"{name} is stale: run {program}", file=sys.stderr)
            continue
        (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / name).write_text(files[name], encoding="utf-8")
        print(name)
    return STALE if check and stale else 0


def _text_of(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
