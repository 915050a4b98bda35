"""netechod: the daemon's command line."""

import argparse
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
    parser.add_version()
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; return its exit status. Imports come late, because --help must be quick."""
    arguments = build_parser().parse_args(argv)
    path = arguments.config
    if path is None and DEFAULT_CONFIG.exists():
        path = DEFAULT_CONFIG
    try:
        if arguments.check:
            from netechod.process.check import check

            return show("\n".join(check(path, arguments.overrides)) + "\n")
        if arguments.dump_config:
            from netechod.process.check import socket_warnings
            from netechod.process.config.dump import dump
            from netechod.process.config.load import load

            loaded = load(path, arguments.overrides)
            return show(dump(loaded, socket_warnings(loaded)))
        from netechod.process.start import Options, run

        run(Options(path, arguments.overrides, arguments.foreground))
    except NetechodError as error:
        return failed("netechod", error)
    except (ImportError, OSError) as error:  # a module that cannot be read, or an unforeseen error
        say(f"netechod: error: {reason_of(error) if isinstance(error, OSError) else error}\n")
        return NetechodError.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
