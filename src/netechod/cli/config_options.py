"""The options of the programs that read the configuration: netechod, and netechoctl for `dict compile`."""

from pathlib import Path

from netechod.cli.parser import Parser


def add_configuration(parser: Parser, default: Path) -> None:
    """Add the options that choose the configuration."""
    parser.add_argument("-c", "--config", type=Path, metavar="FILE", help=f"default: {default}")
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override one key of the configuration, e.g. chat.idle_timeout=30; may be repeated",
    )
