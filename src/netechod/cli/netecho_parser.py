"""The parser that the commands of `netecho` share."""

import argparse
import math
import time
from collections.abc import Callable, Sequence
from typing import NoReturn

from netechod.cli.parser import Parser, seconds
from netechod.client.i18n.translate import tr
from netechod.client.net import ANY_FAMILY, IPV4, IPV6, Target, split_address
from netechod.client.terminal.text import padded
from netechod.services.cells import cells

DICTIONARY_PORT = 8081


def address_with(port: int) -> Callable[[str], tuple[str, int]]:
    """Return a parser of `HOST[:PORT]`, with this default port."""

    def address(text: str) -> tuple[str, int]:
        try:
            return split_address(text, port)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return address


class ClientParser(Parser):
    """The parser of a command: it speaks the person's language, and shows examples."""

    def __init__(self, **options: object) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def tr(self, text: str, /, **values: object) -> str:
        """Return `text` in the language of the person."""
        return tr(text, **values)

    def add_examples(self, *examples: tuple[str, str]) -> None:
        """Add command lines to the help, each with what it does."""
        width = max(cells(line) for line, _ in examples) + 2
        lines = (f"  {padded(line, width)}{remark}".rstrip() for line, remark in examples)
        self.epilog = "\n".join((*((self.epilog, "") if self.epilog else ()), tr("examples:"), *lines))

    def refuse(self, arguments: argparse.Namespace, unknown: Sequence[str]) -> NoReturn:
        """Exit: say that there are arguments too many."""
        message = tr("unrecognized arguments: {arguments}", arguments=" ".join(unknown))
        if unknown[0].isdecimal():
            host, _ = arguments.address
            name = f"[{host}]" if ":" in host else host
            self.fail(message, tr("a port stands behind the host: {name}:{port}", name=name, port=unknown[0]))
        self.error(message)

    def add_common(self, port: int) -> None:
        """Add the options that all commands have, and the server with its default port."""

        chooses = self.prog.endswith((" ping", " dict"))  # the port depends on their options
        self.address = self.add_argument(
            "address",
            metavar="HOST[:PORT]",
            type=address_with(0 if chooses else port),
            help=tr("a name, IPv4, ::1 or [::1]:{port}; port {port} if none", port=port),
        )
        self.add_options()

    def add_options(self) -> None:
        """Add the options of all commands that reach servers."""
        family = self.add_mutually_exclusive_group()
        family.add_argument(
            "-4",
            "--ipv4",
            dest="family",
            action="store_const",
            const=IPV4,
            default=ANY_FAMILY,
            help=tr("IPv4 only"),
        )
        family.add_argument(
            "-6", "--ipv6", dest="family", action="store_const", const=IPV6, help=tr("IPv6 only")
        )
        self.add_argument(
            *(("-W", "--timeout") if self.prog.endswith((" ping", " watch")) else ("--timeout",)),
            type=seconds,
            default=2.0,
            metavar="S",
            help=tr("seconds to wait for each answer (default: 2)"),
        )
        if not self.prog.endswith(" watch"):  # which repeats nothing: a loss is a result
            self.add_argument(
                "--retries",
                type=count,
                default=2,
                metavar="N",
                help=tr("further tries of a lost datagram (default: 2)"),
            )
        self.add_argument(
            "--color",
            choices=("auto", "always", "never"),
            default="auto",
            help=tr("paint: on a terminal unless NO_COLOR is set (auto), always, never"),
        )


def target_of(arguments: argparse.Namespace) -> Target:
    """Return the server that the common options name. Its deadline, if there is one, begins now."""
    host, port = arguments.address
    deadline = getattr(arguments, "deadline", 0.0)
    until = time.monotonic() + deadline if deadline else math.inf
    return Target(host, port, arguments.family, arguments.timeout, arguments.retries, until)


# argparse shows the names of these: "invalid seconds value: 'x'".


def count(text: str) -> int:
    """Parse a number of times."""
    value = int(text)
    if value < 0:
        raise ValueError
    return value


def number(text: str) -> int:
    """Parse a number of times that is not zero."""
    value = count(text)
    if not value:
        raise ValueError
    return value
