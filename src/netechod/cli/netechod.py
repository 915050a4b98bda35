"""netechod: the daemon's command line."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from netechod.cli.config_options import add_configuration
from netechod.cli.parser import Parser, failed, say, show
from netechod.errors import NetechodError, reason_of

DEFAULT_CONFIG = Path("/etc/netechod/netechod.toml")

DESCRIPTION = """\
Answer echo (TCP, UDP), an English-Chinese dictionary (UDP) and chat (UDP).

Without -f netechod becomes a daemon; the command returns when everything serves, or says why it does not.
"""

EPILOG = """\
signals: HUP reload the dictionary and the configuration; USR1 reopen the logs; USR2 write the status to
  log.txt; TERM stop, deliver what is owed; INT, or a second TERM, stop now.

exit status: 0 stopped cleanly, 1 failed while running, 2 socket, 3 bind, 4 listen, 5 dictionary,
  64 usage, 75 another instance runs, 77 no permission, 78 configuration.

examples:
  netechod -t                                    check the configuration and the dictionary
  netechod -f --set 'chat.listen=["[::]:9082"]'  run in the foreground with another port
  NETECHOD__LOG__LEVEL=DEBUG netechod -f         any key, by the environment
"""


def build_parser() -> Parser:
    """Return the parser of `netechod`."""
    parser = Parser(
        prog="netechod",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_configuration(parser, DEFAULT_CONFIG)
    parser.add_argument("-f", "--foreground", action="store_true", help="stay; show the log on stderr too")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument(
        "-t", "--check", action="store_true", help="check configuration and dictionary, then exit"
    )
    mode.add_argument("-T", "--dump-config", action="store_true", help="print the configuration in effect")
    mode.add_argument(
        "--health", action="store_true", help="ask the running daemon; 0 if it answers, 1 if not, and why"
    )
    mode.add_argument(
        "--init",
        type=Path,
        metavar="DIR",
        help="write a configuration, a dictionary and systemd units of this installation there",
    )
    parser.add_version()
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit status. Imports come late, because --help must be quick."""
    arguments = build_parser().parse_args(argv)
    path = arguments.config
    if path is None and DEFAULT_CONFIG.exists():
        path = DEFAULT_CONFIG
    try:
        return _run(path, arguments)
    except NetechodError as error:
        return failed("netechod", error)
    except (ImportError, OSError) as error:  # a module that cannot be read, or an unforeseen error
        say(f"netechod: error: {reason_of(error) if isinstance(error, OSError) else error}\n")
        return NetechodError.exit_code


def _run(path: Path | None, arguments: argparse.Namespace) -> int:
    """Do what the options ask for; return the exit status."""
    if arguments.check:
        from netechod.process.check import check

        return show("\n".join(check(path, arguments.overrides)) + "\n")
    if arguments.dump_config:
        from netechod.process.check import socket_warnings
        from netechod.process.config.dump import dump
        from netechod.process.config.load import load

        loaded = load(path, arguments.overrides)
        return show(dump(loaded, socket_warnings(loaded)))
    if arguments.health:
        return _health(path, arguments.overrides)
    if arguments.init is not None:
        from netechod.process.initialize import initialize

        return show("\n".join(initialize(arguments.init, _program())) + "\n")
    from netechod.process.start import Options, run

    run(Options(path, arguments.overrides, arguments.foreground))
    return 0


def _health(path: Path | None, overrides: Sequence[str]) -> int:
    """Ask the running daemon."""
    from netechod.client.health import health
    from netechod.process.config.overrides import unchecked

    try:
        settings = unchecked(path, overrides, os.environ)
    except (OSError, ValueError, RecursionError) as error:
        raise NetechodError(f"the configuration cannot be read: {error}") from None
    return show(f"{health(settings)}\n")


def _program() -> Path:
    """Return the path of this program; under `python -m`, that of its launcher."""
    named = Path(sys.argv[0])
    return named if named.name == "netechod" else Path(sys.executable).with_name("netechod")


if __name__ == "__main__":
    sys.exit(main())
