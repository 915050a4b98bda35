"""The program behind scripts/make-completions: shtab turns the parsers of the programs into completions."""

import argparse
import os
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import shtab

from netechod.cli.parser import Parser
from scripts.lib.reference.files import ROOT, settle

FOLDER = Path("packaging", "completions")
NAMES = {"bash": "{}.bash", "zsh": "_{}", "fish": "{}.fish"}  # as each shell, or its package, looks for them

HOSTS = {
    "bash": "_netecho_hosts",
    "zsh": "_hosts",
    "fish": "(__fish_print_hostnames)",
    "preamble": {"bash": '_netecho_hosts() {\n  compgen -A hostname -- "$1"\n}'},
}


def programs() -> Iterator[tuple[str, Callable[..., int]]]:
    """Yield the installed programs: each one's name, and the function that it runs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for name, entry_point in project["scripts"].items():
        module, function = entry_point.split(":")
        yield name, getattr(import_module(module), function)


def parser_of(program: Callable[..., int]) -> argparse.ArgumentParser:
    """The parser that a program makes for itself: the one that answers to --help."""
    asked: list[argparse.ArgumentParser] = []

    def note(parser: argparse.ArgumentParser, file: object = None) -> None:
        asked.append(parser)

    usual = Parser.print_help
    Parser.print_help = note  # type: ignore[method-assign, assignment]
    try:
        with suppress(SystemExit):
            program(["--help"])
    finally:
        Parser.print_help = usual  # type: ignore[method-assign]
    return asked[0]


def tell_kinds(parser: argparse.ArgumentParser) -> None:
    """Tell shtab which arguments are files and which are hosts; the parser does not know of completions."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                tell_kinds(command)
        elif action.type is Path:
            _complete(action, shtab.FILE)
        elif action.metavar in ("HOST[:PORT]", "TARGET"):
            _complete(action, HOSTS)


def _complete(action: argparse.Action, kind: Any) -> None:  # noqa: ANN401 (shtab's own type leaves preambles out)
    action.complete = kind  # type: ignore[attr-defined]


def main() -> int:
    """Make the completions of every program for every shell."""
    os.environ["NETECHO_LANG"] = "en"  # whatever the language of whoever makes them
    files = {}
    for name, program in programs():
        parser = parser_of(program)
        tell_kinds(parser)
        for shell, form in NAMES.items():
            text = shtab.complete(parser, shell)
            files[FOLDER / form.format(name)] = "\n".join(map(str.rstrip, text.splitlines())).strip() + "\n"
    return settle("scripts/make-completions", files)


if __name__ == "__main__":
    sys.exit(main())
