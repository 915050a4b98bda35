"""`netecho`: the clients' command line, for people and scripts."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NoReturn

from netechod.cli.netecho_commands import (
    define_chat,
    define_dict,
    define_echo,
    define_run,
    define_whoami,
)
from netechod.cli.netecho_parser import DICTIONARY_PORT, ClientParser
from netechod.cli.netecho_ping import define_ping
from netechod.cli.netecho_watch import define_report, define_watch
from netechod.cli.parser import INTERRUPTED_STATUS
from netechod.client.errors import ClientError
from netechod.client.i18n.translate import is_chinese, tr
from netechod.client.terminal.output import OutputClosed, choose_color, complain, put_json


class Terminated(BaseException):
    """SIGTERM or SIGHUP. It ends whatever is under way, in order: histories are kept, farewells are said."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number  # what a shell reports of a program that a signal has ended


def _raise(number: int, _frame: object) -> NoReturn:
    raise Terminated(number)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` names, and turn every ending into an exit status."""
    arguments = parse(sys.argv[1:] if argv is None else argv)
    choose_color(arguments.color)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # not with nohup(1)
            signal.signal(number, _raise)
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        if sys.stdin is None or sys.stdout is None:
            raise ClientError(
                tr("standard input and output must be open"), tr("redirect them: </dev/null >/dev/null")
            )
        return run(arguments)
    except ClientError as error:
        complain(str(error), error.hint)
        return max(error.exit_code, _put_error(arguments, error))
    except OutputClosed:
        return 0  # as with `netecho ... | head`: the reader decides how much
    except KeyboardInterrupt:
        return INTERRUPTED_STATUS
    except Terminated as ending:
        return ending.exit_code


def _put_error(arguments: argparse.Namespace, error: ClientError) -> int:
    """Write the error as JSON, too, if JSON was asked for; return 1 if that fails."""
    as_lines = getattr(arguments, "form", "") == "jsonl" or arguments.prog == "chat"
    if not (getattr(arguments, "json", False) or getattr(arguments, "form", "").startswith("json")):
        return 0
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    kind = {"type": "error", "time": now} if as_lines else {}
    try:
        put_json({**kind, "error": str(error), "hint": error.hint or None})
    except (ClientError, OutputClosed):
        return 1
    return 0


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the arguments; `run` in them is the function that runs the command."""
    if is_chinese(os.environ):
        from netechod.client.i18n.chinese_help import ARGPARSE

        argparse._ = lambda text: ARGPARSE.get(text, text)  # type: ignore[attr-defined] # its name for gettext
    parser, commands = _parsers()
    if argv and argv[0] in commands:
        command = commands[argv[0]]
        # Intermixed, so that `dict HOST --json WORD` works as well as `dict --json HOST WORD`.
        arguments, unknown = command.parse_known_intermixed_args(argv[1:])
        if unknown:
            command.refuse(arguments, unknown)
        return arguments
    parser.check_command(argv, list(commands))
    return parser.parse_args(argv)


def _parsers() -> tuple[ClientParser, dict[str, ClientParser]]:
    """Return the parser of `netecho`, and those of its commands by name."""
    parser = ClientParser(
        prog="netecho",
        description=tr("Talk to the services of netechod."),
        epilog=tr(
            "exit status: 0 answered, 1 unanswered, refused, or a word is missing, 64 usage, 130 interrupted."
        ),
    )
    parser.add_version()
    parser.add_examples(
        ("netecho dict localhost apple", tr("look a word up")),
        ("netecho COMMAND --help", tr("options and examples of a command")),
        ("NETECHO_LANG=zh netecho --help", tr("the same in Chinese")),
    )
    choices = parser.add_subparsers(title=tr("commands"), metavar="COMMAND", required=True)
    commands: dict[str, ClientParser] = {}
    for name, port, summary, define in (
        ("echo", 8080, tr("send lines or a stream and show what comes back"), define_echo),
        ("ping", 8080, tr("measure how long an echo takes, and what gets lost"), define_ping),
        ("whoami", 8080, tr("ask who answers, and from which address you ask"), define_whoami),
        ("dict", DICTIONARY_PORT, tr("look words up"), define_dict),
        ("chat", 8082, tr("come online, talk, go offline"), define_chat),
        ("run", 8083, tr("run a command of the server's, by its name"), define_run),
    ):
        commands[name] = choices.add_parser(name, help=summary, description=summary)
        commands[name].add_common(port)
        define(commands[name])
        commands[name].set_defaults(prog=name)
    for name, summary, define in (  # no single server is theirs
        ("watch", tr("watch many targets at once, for as long as wanted"), define_watch),
        ("report", tr("draw a recording of a watch"), define_report),
    ):
        commands[name] = choices.add_parser(name, help=summary, description=summary)
        define(commands[name])
        commands[name].set_defaults(prog=name)
    return parser, commands


if __name__ == "__main__":
    sys.exit(main())
