"""The base of all command lines: how a mistake is answered."""

import argparse
import math
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from netechod import __version__
from netechod.errors import ConfigError, NetechodError

USAGE_STATUS = 64  # EX_USAGE, sysexits.h: argparse's own 2 means a failed socket here
DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"  # web pages make them of "-"
INTERRUPTED_STATUS = 130  # what a shell reports of a program that SIGINT has ended: 128 + 2


class Parser(argparse.ArgumentParser):
    """argparse, with the exit status and the form of errors that all our programs have."""

    def __init__(self, **options: object) -> None:
        options.setdefault("allow_abbrev", False)
        super().__init__(**options)  # type: ignore[arg-type]

    def tr(self, text: str, /, **values: object) -> str:
        """Return `text` for the person who reads it: English, with `{fields}` filled in."""
        return text.format(**values)

    def error(self, message: str) -> NoReturn:
        """Exit: say what is wrong with the command line."""
        self.fail(message, self.tr("see {program} --help", program=self.prog))

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse, and exit with a suggestion for a mistaken dash."""
        self._check_dashes(sys.argv[1:] if args is None else args)
        return super().parse_known_args(args, namespace)

    def parse_known_intermixed_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Do the same. This way to parse calls the other one up to Python 3.12, and not later."""
        self._check_dashes(sys.argv[1:] if args is None else args)
        return super().parse_known_intermixed_args(args, namespace)

    def _check_dashes(self, arguments: Sequence[str]) -> None:
        """Exit if an option of ours begins with another dash, as in texts copied from web pages."""
        for argument in arguments:
            if argument == "--":
                return
            name = argument.lstrip(DASHES + "-").partition("=")[0]
            option = ("-" if len(name) == 1 else "--") + name
            if argument[:1] and argument[0] in DASHES and option in self._option_string_actions:
                self.fail(
                    self.tr("{text!r} begins with a dash that is no hyphen", text=argument),
                    self.tr("did you mean {name}?", name=option),
                )

    def fail(self, message: str, hint: str) -> NoReturn:
        """Exit with a usage error, and a hint what to try."""
        error, hint = self.tr("error:"), self.tr("hint: {hint}", hint=hint)
        say(f"{self.prog.split()[0]}: {error} {message}\n{hint}\n")
        raise SystemExit(USAGE_STATUS)

    def check_command(self, argv: Sequence[str], commands: Sequence[str]) -> None:
        """Exit with a suggestion if the first word is no command."""
        if argv and not argv[0].startswith("-") and argv[0] not in commands:
            import difflib  # on demand: a correct command needs none of it

            close = difflib.get_close_matches(argv[0], commands, n=1)
            hint = (
                self.tr("did you mean {name!r}?", name=close[0])
                if close
                else self.tr("the commands are {names}", names=", ".join(commands))
            )
            self.fail(self.tr("unknown command {name!r}", name=argv[0]), hint)

    def add_version(self) -> None:
        """Add the option that all programs have."""
        self.add_argument("-V", "--version", action="version", version=f"%(prog)s {__version__}")


def seconds(text: str) -> float:
    """Parse a time to wait. argparse shows this name: "invalid seconds value: 'x'"."""
    value = float(text)
    if not 0 < value < math.inf:
        raise ValueError
    return value


def failed(program: str, error: NetechodError) -> int:
    """Write what went wrong; return the exit status."""
    report = isinstance(error, ConfigError)  # which has a form of its own
    say(f"{error}\n" if report else f"{program}: error: {error}\n")
    return error.exit_code


def say(text: str) -> None:
    """Write to stderr, if it is open: the exit status must not depend on that."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        _forget(2)


def show(text: str) -> int:
    """Write a result to stdout; return the exit status, 1 if it cannot be written."""
    try:
        print(text, end="", flush=True)
    except OSError as error:
        _forget(1)
        say(f"netechod: error: cannot write the output: {error.strerror}\n")
        return 1
    return 0


def _forget(descriptor: int) -> None:
    """Redirect to /dev/null: at exit the interpreter would fail to flush what is left in the buffer."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
