"""What the command lines have in common: how a mistake is answered."""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from netechod import __version__

USAGE_STATUS = 64  # EX_USAGE, sysexits.h: argparse's own 2 means a failed socket here


class Parser(argparse.ArgumentParser):
    """argparse, with the status and the form of error that all our programs have."""

    def __init__(self, **options: object) -> None:
        options.setdefault("allow_abbrev", False)
        super().__init__(**options)  # type: ignore[arg-type]

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the command line, and end."""
        fail(self.prog, message, f"see {self.prog} --help")

    def add_version(self) -> None:
        """The option that all programs have."""
        self.add_argument("-V", "--version", action="version", version=f"%(prog)s {__version__}")


def fail(program: str, message: str, hint: str) -> NoReturn:
    """End with a usage error and the next thing to try."""
    sys.stderr.write(f"{program.split()[0]}: error: {message}\nhint: {hint}\n")
    raise SystemExit(USAGE_STATUS)


def check_command(program: str, argv: Sequence[str], commands: Sequence[str]) -> None:
    """End with a suggestion when the first word is no command."""
    if argv and not argv[0].startswith("-") and argv[0] not in commands:
        import difflib  # on demand: a correct command needs none of it

        close = difflib.get_close_matches(argv[0], commands, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"the commands are {', '.join(commands)}"
        fail(program, f"unknown command {argv[0]!r}", hint)
