"""`netechoctl`: the operator's command line."""

import argparse
import os
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

from netechod.cli.parsing import Parser, check_command
from netechod.client import operator
from netechod.client.net import ClientError
from netechod.client.screen import OutputClosed

CONFIG = Path("/etc/netechod/netechod.toml")
SOCKET = Path("/run/netechod/control.sock")
LEVELS = ("DEBUG", "NORMAL", "WARNING", "ERROR", "FATAL")

EPILOG = """\
Looking is for whoever may open the control socket, changing for root and the user of the daemon.

exit status: 0 done, 1 failed or refused, 3 not running (status), 64 usage.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` names, and turn every ending into a status."""
    arguments = parse(sys.argv[1:] if argv is None else argv)
    run: Callable[[Path, argparse.Namespace], int] = arguments.run
    try:
        return run(arguments.socket or default_socket(CONFIG), arguments)
    except ClientError as error:
        sys.stderr.write(f"netechoctl: error: {error}\n" + (f"hint: {error.hint}\n" if error.hint else ""))
        return error.exit_code
    except OutputClosed:
        return 0
    except KeyboardInterrupt:
        return 130


def default_socket(config: Path) -> Path:
    """Where the daemon of this machine answers: as its configuration says, if it can be read."""
    if path := os.environ.get("NETECHOD_CONTROL"):
        return Path(path)
    try:
        with config.open("rb") as file:
            return Path(tomllib.load(file)["daemon"]["control"])
    except (OSError, ValueError, KeyError, TypeError):
        return SOCKET


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments, of which `run` is what to do with them."""
    parser = Parser(
        prog="netechoctl",
        description="Ask a running netechod, and steer it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_version()
    parser.add_argument(
        "-s",
        "--socket",
        type=Path,
        metavar="PATH",
        help=f"control socket (default: $NETECHOD_CONTROL, then daemon.control in {CONFIG}, then {SOCKET})",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _define(commands)
    check_command("netechoctl", _words(argv), list(commands.choices))
    return parser.parse_args(argv)


def _words(argv: Sequence[str]) -> Sequence[str]:
    """The command line from the command on."""
    return argv[2:] if argv[:1] in (["-s"], ["--socket"]) else argv


def _define(commands: "argparse._SubParsersAction[Parser]") -> None:
    def command(name: str, summary: str, run: Callable[[Path, argparse.Namespace], int]) -> Parser:
        made = commands.add_parser(name, help=summary, description=summary)
        made.set_defaults(run=run)
        return made

    looks = [
        command("status", "show what the daemon is doing", lambda path, it: operator.status(path, it.json)),
        command("members", "show who is online", lambda path, it: operator.members(path, it.json)),
        command("reload", "reload, wait, show what changed", lambda path, it: operator.reload(path, it.json)),
    ]
    for made in looks:
        made.add_argument("--json", action="store_true", help="for programs")
    made = command(
        "watch", "show the status again and again", lambda path, it: operator.watch(path, it.interval)
    )
    made.add_argument(
        "-n", "--interval", type=float, default=1.0, metavar="S", help="seconds between two (1)"
    )
    command(
        "reopen", "open the log files anew, after a rotation", lambda path, it: operator.tell(path, "reopen")
    )
    command(
        "metrics", "show every counter as OpenMetrics text", lambda path, it: operator.show(path, "metrics")
    )
    command("stop", "stop the daemon and wait until it has gone", lambda path, it: operator.stop(path))
    made = command(
        "log-level",
        "write from this level on, until the next reload",
        lambda path, it: operator.tell(path, "log-level", it.level),
    )
    made.add_argument("level", metavar="LEVEL", type=str.upper, choices=LEVELS, help=", ".join(LEVELS))
    _define_dict(
        commands.add_parser("dict", help="the dictionary in use", description="The dictionary in use.")
    )


def _define_dict(parser: Parser) -> None:
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    made = actions.add_parser("dump", help="show every entry as key#value")
    made.set_defaults(run=lambda path, it: operator.show(path, "dict-dump"))
    made = actions.add_parser("lookup", help="show the whole value of words")
    made.add_argument("words", metavar="WORD", nargs="+")
    made.set_defaults(run=lambda path, it: operator.dict_lookup(path, it.words))
    made = actions.add_parser("diff", help="show what a reload from a file would change")
    made.add_argument("file", metavar="FILE", type=Path)
    made.set_defaults(run=lambda path, it: operator.dict_diff(path, it.file))


if __name__ == "__main__":
    sys.exit(main())
