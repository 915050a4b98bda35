"""The options of `netecho ping --stamp`."""

import argparse
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from netechod.cli.netecho_parser import ClientParser
from netechod.client.i18n.translate import tr

if TYPE_CHECKING:
    from netechod.client.net import Target
    from netechod.client.ping.prober import Plan
    from netechod.client.ping.stamp.probes import ProbeStyle
    from netechod.client.ping.views import OutputOptions
    from netechod.client.run_command import Key

STAMP_PORT = 862  # IANA: twamp-test (RFC 8545)
DSCP_NAMES = {
    **{"BE": 0, "DF": 0, "LE": 1, "EF": 46, "VA": 44},
    **{f"CS{number}": 8 * number for number in range(8)},
    **{f"AF{number}{drop}": 8 * number + 2 * drop for number in range(1, 5) for drop in range(1, 4)},
}
"""Code points by name (RFC 2474, 2597, 3246, 5865, 8622)."""


def define_stamp(command: ClientParser) -> None:
    """Add the options of `--stamp`."""
    group = command.add_argument_group(tr("with --stamp"))
    group.add_argument(
        "--ssid",
        type=ssid,
        metavar="N",
        help=tr(
            "session id, 1 to 65535; answers without it are not ours (default: the key's, or one by lot)"
        ),
    )
    group.add_argument(
        "--padding",
        choices=("random", "zero"),
        help=tr("content of what -s adds (default: random)"),
    )
    group.add_argument("--source-port", type=port, metavar="N", help=tr("port that the probes leave from"))
    group.add_argument(
        "--key-file", type=Path, metavar="FILE", help=tr("sign the probes with a key of this file")
    )
    group.add_argument("--key", metavar="ID", help=tr("which key of the file (default: the first)"))


def run_stamp(
    parser: ClientParser,
    arguments: argparse.Namespace,
    targets: "Sequence[Target]",
    plan: "Plan",
    output: "OutputOptions",
) -> int:
    """Probe reflectors."""
    from netechod.client.ping import run

    if arguments.sweep:
        parser.error(tr("--sweep is for the echo services"))
    if arguments.key and not arguments.key_file:
        parser.error(tr("--key is for --key-file"))
    if arguments.source_port and len(targets) > 1:
        parser.error(tr("--source-port is for one host"))
    style = style_of(arguments)
    least, size = style.layout.size, arguments.size or style.layout.size
    more = least + 4  # the head of the TLV that pads it
    if size != least and size < more:
        text = tr(
            "{size}: --stamp sends {least} bytes, or {more} and more", size=size, least=least, more=more
        )
        parser.error(text)
    return run.run_stamp(targets, plan._replace(size=size), output, style)


def style_of(arguments: argparse.Namespace) -> "ProbeStyle":
    """Return how the probes are made."""
    from netechod.client.ping.stamp.probes import ProbeStyle
    from netechod.client.run_command import find_key

    key = find_key(arguments.key_file, arguments.key) if arguments.key_file else None
    return ProbeStyle(
        ssid=arguments.ssid or _ssid_of(key) or 1 + secrets.randbelow(65535),
        is_ssid_strict=arguments.ssid is not None,
        has_zero_padding=arguments.padding == "zero",
        key=None if key is None else key.secret,
        tos=(arguments.dscp or 0) << 2,
        source_port=arguments.source_port or 0,
    )


def _ssid_of(key: "Key | None") -> int:
    """Return the session id that a key is for, if its id is one: a reflector looks for it there."""
    try:
        return 0 if key is None else ssid(key.key_id)
    except ValueError:
        return 0


# argparse shows the names of these: "invalid dscp value: 'x'".


def ssid(text: str) -> int:
    """Parse a session id."""
    return _between(text, 1, 65535)


def port(text: str) -> int:
    """Parse a port."""
    return _between(text, 1, 65535)


def dscp(text: str) -> int:
    """Parse the name or the number of a traffic class."""
    named = DSCP_NAMES.get(text.upper())
    return _between(text, 0, 63) if named is None else named


def _between(text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise ValueError
    return int(text)
