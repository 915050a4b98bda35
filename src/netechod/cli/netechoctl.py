"""`netechoctl`: the operator's command line."""

import argparse
import os
import sys
import tomllib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from netechod.cli.config_options import add_configuration
from netechod.cli.parser import INTERRUPTED_STATUS, Parser, failed, say, seconds
from netechod.client.errors import ClientError
from netechod.client.operator import commands as operator
from netechod.client.operator.control import Target
from netechod.client.operator.instances import PATTERNS, ask_all
from netechod.client.terminal.output import OutputClosed, put
from netechod.client.terminal.progress import Progress
from netechod.errors import NetechodError
from netechod.levels import LEVELS
from netechod.regular_file import read_regular
from netechod.services.dict.strategies import STRATEGIES
from netechod.services.wire import escape_controls

CONFIG = Path("/etc/netechod/netechod.toml")
SOCKET = Path("/run/netechod/control.sock")
MAX_CONFIG = 1 << 20  # bytes; the daemon reads no longer one
FORMATS = ("dictd", "stardict", "ecdict", "cedict", "tsv", "csv")
FOR_ALL = ("status", "reload", "reopen", "log-level", "stop")  # commands that --all goes with
SEPARATED = ("semicolon", "colon", "comma", "equals", "bar", "dash", "spaces", "space")

EPILOG = """\
Looking is for whoever may open the control socket, changing for root and the user of the daemon.

exit status: 0 done, 1 failed or refused, no such word, dictionaries differ, 3 not running (status),
5 the dictionary is wrong (dict compile, dict import), 64 usage, 78 the configuration is wrong (dict compile).
"""

Run: TypeAlias = Callable[[Target, argparse.Namespace], int]

COMMANDS: tuple[tuple[str, str, Run], ...] = (
    ("status", "show what the daemon is doing", lambda daemon, it: operator.status(daemon, it.json, it.db)),
    ("watch", "show the status again and again", lambda daemon, it: operator.watch(daemon, it.interval)),
    ("members", "show who is online", lambda daemon, it: operator.members(daemon, it.json)),
    ("sessions", "show who measures by STAMP", lambda daemon, it: operator.sessions(daemon, it.json)),
    (
        "metrics",
        "show every counter as OpenMetrics text",
        lambda daemon, it: operator.metrics(daemon, it.db),
    ),
    ("reload", "reload, wait, show what changed", lambda daemon, it: operator.reload(daemon, it.json)),
    (
        "reopen",
        "open the log files anew, after a rotation",
        lambda daemon, it: operator.tell(daemon, "reopen"),
    ),
    (
        "log-level",
        "write from this level on, until the next reload",
        lambda daemon, it: operator.tell(daemon, "log-level", it.level),
    ),
    ("stop", "stop the daemon and wait until it has gone", lambda daemon, it: operator.stop(daemon)),
)
DICT_ACTIONS: tuple[tuple[str, str, Run], ...] = (
    ("list", "show the dictionaries", lambda daemon, it: operator.dict_list(daemon, it.json)),
    ("dump", "show every entry as key#value", lambda daemon, it: operator.dict_dump(daemon, it.db)),
    (
        "lookup",
        "show the whole value of words",
        lambda daemon, it: operator.dict_lookup(daemon, it.words, it.db),
    ),
    (
        "match",
        "show the words that are like a word",
        lambda daemon, it: operator.dict_match(daemon, it.strategy, it.word, it.db),
    ),
    (
        "diff",
        "show what a reload from a file would change",
        lambda daemon, it: operator.dict_diff(daemon, it.file, it.db),
    ),
    (
        "compile",
        "make the index of a large dictionary ahead of a start or reload",
        lambda daemon, it: dict_compile(it),
    ),
    ("import", "make a dictionary of one in another format", lambda daemon, it: dict_import(it)),
)


def dict_compile(arguments: argparse.Namespace) -> int:
    """Make the index, as the configuration says. The daemon is not asked."""
    from netechod.process.dictionary.compile import compile_dictionary

    path = arguments.config or (CONFIG if CONFIG.exists() else None)
    try:
        for line in compile_dictionary(path, arguments.overrides, arguments.file, arguments.db):
            put(f"{escape_controls(line)}\n")
    except ImportError:
        hint = "apt install python3-lmdb, or pip install 'netechod[index]'"
        raise ClientError("an index needs lmdb, which is not installed", hint) from None
    return 0


def dict_import(arguments: argparse.Namespace) -> int:
    """Make a dictionary of one in another format. Neither the daemon nor its configuration is needed."""
    from netechod.process.dictionary.importing.run import import_dictionary

    with Progress() as progress:
        lines = import_dictionary(
            arguments.source,
            form=arguments.format,
            output=arguments.output,
            title=arguments.title,
            progress=progress.show,
        )
        for line in lines:
            progress.clear()
            put(f"{escape_controls(line)}\n")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` names, and turn every ending into an exit status."""
    arguments = parse(sys.argv[1:] if argv is None else argv)
    run: Run = arguments.run
    try:
        if sys.stdout is None:
            raise ClientError("standard output must be open", "redirect it: >/dev/null")
        if arguments.all:
            patterns = PATTERNS if arguments.socket is None else (str(arguments.socket),)
            headed = not getattr(arguments, "json", False)
            return ask_all(patterns, arguments.timeout, lambda daemon: run(daemon, arguments), headed=headed)
        return run(Target(arguments.socket or default_socket(CONFIG), arguments.timeout), arguments)
    except ClientError as error:
        say(
            f"netechoctl: error: {escape_controls(str(error))}\n"
            + (f"hint: {error.hint}\n" if error.hint else "")
        )
        return error.exit_code
    except NetechodError as error:
        return failed("netechoctl", error)
    except OutputClosed:
        return 0  # as with `netechoctl dict dump | head`: the reader decides how much
    except KeyboardInterrupt:
        return INTERRUPTED_STATUS


def default_socket(config: Path) -> Path | None:
    """Return the control socket of this machine's daemon, as its configuration says, if that can be read.

    None: the configuration switches it off.
    """
    if path := os.environ.get("NETECHOD_CONTROL"):
        return Path(path)
    if (path := os.environ.get("NETECHOD__DAEMON__CONTROL")) is not None:
        return Path(path) if path else None
    control: object = None
    for file in (config, *sorted(config.parent.glob("conf.d/[!.]*.toml"))):
        with suppress(OSError, ValueError, KeyError, TypeError):
            control = tomllib.loads(read_regular(file, MAX_CONFIG).decode())["daemon"]["control"]
    if not isinstance(control, str):
        return SOCKET
    return Path(config.parent, control) if control else None


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the arguments; `run` in them is the function that runs the command."""
    common = _common()
    parser = Parser(
        prog="netechoctl",
        parents=[common],
        description="Ask a running netechod, and steer it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_version()
    commands = _define_commands(parser, common)
    actions = _define_dict(commands["dict"], common)
    given, words = common.parse_known_args(argv, argparse.Namespace(socket=None, timeout=None, all=False))
    parser.check_command(words, list(commands))
    if words[:1] == ["dict"]:
        commands["dict"].check_command(words[1:], list(actions))
    if given.all and words and words[0] in commands and words[0] not in FOR_ALL:
        parser.fail(f"--all does not go with {words[0]}", f"it goes with {', '.join(FOR_ALL)}")
    return parser.parse_args(words, given)


def _common() -> Parser:
    """Return the parser of the options that may stand anywhere. They are parsed first, and shown in all
    helps.

    They have no defaults, because those of the command's parser would overwrite what was parsed first.
    """
    made = Parser(prog="netechoctl", add_help=False, argument_default=argparse.SUPPRESS)
    made.add_argument(
        "-s",
        "--socket",
        type=Path,
        metavar="PATH",
        help=f"control socket (default: $NETECHOD_CONTROL, then daemon.control in {CONFIG}, then {SOCKET})",
    )
    made.add_argument(
        "-a",
        "--all",
        action="store_true",
        help=f"ask all instances on this machine, those of netechod@.service, too ({', '.join(FOR_ALL)}); "
        "with --socket, those whose sockets match a pattern",
    )
    made.add_argument(
        "--timeout",
        type=seconds,
        metavar="S",
        help="seconds to wait for the daemon (default: 10, for a reload 600, for its end 120)",
    )
    return made


def _define_commands(parser: Parser, common: Parser) -> dict[str, Parser]:
    """Return the parsers of the commands, by name."""
    choices = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    commands = _made(choices, COMMANDS, common)
    commands["dict"] = choices.add_parser(
        "dict",
        parents=[common],
        help="see the dictionaries in use",
        description="see the dictionaries in use",
    )
    for name in ("status", "members", "sessions", "reload"):
        commands[name].add_argument("--json", action="store_true", help="for programs")
    for name in ("status", "metrics"):
        _add_db(commands[name], "of this dictionary alone, where it is about dictionaries")
    commands["watch"].add_argument(
        "-n", "--interval", type=seconds, default=1.0, metavar="S", help="seconds between two (default: 1)"
    )
    commands["log-level"].add_argument(
        "level", metavar="LEVEL", type=str.upper, choices=tuple(LEVELS), help=", ".join(LEVELS)
    )
    return commands


def _define_dict(parser: Parser, common: Parser) -> dict[str, Parser]:
    """Return the parsers of the actions of `dict`, by name."""
    choices = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    actions = _made(choices, DICT_ACTIONS, common)
    actions["list"].add_argument("--json", action="store_true", help="for programs")
    for name in ("dump", "diff", "compile"):
        _add_db(actions[name], "name of the dictionary (default: the first one)")
    for name in ("lookup", "match"):
        _add_db(actions[name], "name of the dictionary (default: all of them)")
    actions["match"].add_argument(
        "strategy", metavar="STRATEGY", choices=tuple(STRATEGIES), help=", ".join(STRATEGIES)
    )
    actions["match"].add_argument("word", metavar="WORD")
    actions["lookup"].add_argument("words", metavar="WORD", nargs="+")
    actions["diff"].add_argument("file", metavar="FILE", type=Path)
    made = actions["compile"]
    made.add_argument(
        "file", metavar="FILE", type=Path, nargs="?", help="instead of the one in the configuration"
    )
    add_configuration(made, CONFIG)
    _define_import(actions["import"])
    return actions


def _add_db(parser: Parser, about: str) -> None:
    parser.add_argument("--db", metavar="NAME", help=about)


def _define_import(made: Parser) -> None:
    """Define the options of `dict import`."""
    formats = FORMATS + SEPARATED
    made.add_argument("source", metavar="SOURCE", type=Path, help="one of its files, or their directory")
    made.add_argument(
        "--format", default="", metavar="F", choices=formats, help=f"{', '.join(formats)} (default: a guess)"
    )
    made.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: NAME.tsv in this directory")
    made.add_argument("--title", default="", metavar="T", help="name of the dictionary for clients")


def _made(
    choices: "argparse._SubParsersAction[Parser]", table: Sequence[tuple[str, str, Run]], common: Parser
) -> dict[str, Parser]:
    """Return a parser for each row of a table, with the function to run."""
    parsers = {}
    for name, summary, run in table:
        parsers[name] = choices.add_parser(name, parents=[common], help=summary, description=summary)
        parsers[name].set_defaults(run=run)
    return parsers


if __name__ == "__main__":
    sys.exit(main())
