"""The command lines of the scripts: usage errors, and numbers with bounds."""

import argparse
from collections.abc import Callable
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """A parser whose usage errors exit with EX_USAGE, as those of every program here."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and how to find out more."""
        self.exit(64, f"{self.prog}: error: {message}\nhint: {self.prog} --help\n")


def bounded(low: float, high: float) -> Callable[[str], float]:
    """A number from `low` to `high`: what these tools do is bounded in count and time."""

    def number(text: str) -> float:
        value = float(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{low:g} to {high:g} expected")
        return value

    return number
