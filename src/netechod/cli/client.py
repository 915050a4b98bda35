"""`netecho`: the client's command line, for people and scripts."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from netechod.cli.parsing import Parser, check_command, seconds
from netechod.client import chat, dictionary, echo
from netechod.client.net import ANY_FAMILY, IPV4, IPV6, ClientError, Target, split_address
from netechod.client.screen import OutputClosed, complain
from netechod.services.wire import MAX_DATAGRAM, MISS, text_of

INTERRUPTED_STATUS = 130  # what a shell reports of a program that SIGINT ended: 128 + 2

DEFAULT_PORTS = {"echo": 8080, "dict": 8081, "chat": 8082}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` names, and turn every ending into a status."""
    arguments = parse(sys.argv[1:] if argv is None else argv)
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        if sys.stdin is None or sys.stdout is None:
            raise ClientError(
                "standard input and output must be open", "redirect them: </dev/null >/dev/null"
            )
        return run(arguments)
    except ClientError as error:
        complain(str(error), error.hint)
        return error.exit_code
    except OutputClosed:
        return 0  # as with `netecho ... | head`: whoever reads decides how much
    except KeyboardInterrupt:
        return INTERRUPTED_STATUS


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments, of which `run` is what to do with them."""
    parser, commands = _parsers()
    if argv and argv[0] in commands:
        # Intermixed, so that `dict HOST --json WORD` works as well as `dict --json HOST WORD`.
        return commands[argv[0]].parse_intermixed_args(argv[1:])
    check_command("netecho", argv, list(commands))
    return parser.parse_args(argv)


def _parsers() -> tuple[Parser, dict[str, Parser]]:
    """The parser of `netecho` and those of its commands."""
    parser = Parser(prog="netecho", description="Talk to the services of netechod.")
    parser.add_version()
    choices = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    commands: dict[str, Parser] = {}
    for name, summary, define in (
        ("echo", "send lines or a stream and show what comes back", _define_echo),
        ("dict", "look words up", _define_dict),
        ("chat", "come online, talk, go offline", _define_chat),
    ):
        commands[name] = choices.add_parser(name, help=summary, description=summary)
        _define_common(commands[name], name)
        define(commands[name])
    return parser, commands


def _define_common(command: Parser, name: str) -> None:
    port = DEFAULT_PORTS[name]

    def address(text: str) -> tuple[str, int]:
        try:
            return split_address(text, port)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    command.add_argument(
        "address",
        metavar="HOST[:PORT]",
        type=address,
        help=f"a name, IPv4, ::1 or [::1]:{port}; port {port} if none",
    )
    family = command.add_mutually_exclusive_group()
    family.add_argument(
        "-4", "--ipv4", dest="family", action="store_const", const=IPV4, default=ANY_FAMILY, help="IPv4 only"
    )
    family.add_argument("-6", "--ipv6", dest="family", action="store_const", const=IPV6, help="IPv6 only")
    command.add_argument(
        "--timeout",
        type=seconds,
        default=2.0,
        metavar="S",
        help="seconds to wait for each answer (default: 2)",
    )
    command.add_argument(
        "--retries", type=count, default=2, metavar="N", help="further tries of a lost datagram (default: 2)"
    )


def _define_echo(command: Parser) -> None:
    command.add_argument(
        "-u", "--udp", action="store_true", help="use UDP, one datagram a line, instead of TCP"
    )
    command.set_defaults(run=lambda it: (echo.run_udp if it.udp else echo.run_tcp)(_target(it)))


def _define_dict(command: Parser) -> None:
    command.add_argument(
        "words", metavar="WORD", nargs="*", type=word, help="default: those typed, one a line"
    )
    command.add_argument("--json", action="store_true", help="one JSON object a word")
    command.add_argument(
        "--miss",
        metavar="TEXT",
        default=MISS,
        help=f"what the server answers for no such word (default: {MISS})",
    )
    command.set_defaults(run=lambda it: dictionary.run(_target(it), it.words, it.miss, as_json=it.json))


def _define_chat(command: Parser) -> None:
    command.add_argument("--json", action="store_true", help="one JSON object a line heard")
    command.set_defaults(run=lambda it: chat.run(_target(it), as_json=it.json))


def _target(arguments: argparse.Namespace) -> Target:
    host, port = arguments.address
    return Target(host, port, arguments.family, arguments.timeout, arguments.retries)


# argparse shows the names of these: "invalid seconds value: 'x'".


def count(text: str) -> int:
    """A number of times."""
    value = int(text)
    if value < 0:
        raise ValueError
    return value


def word(text: str) -> str:
    """Something to look up; the server answers nothing to an empty text."""
    raw = os.fsencode(text)
    if not text_of(raw) or len(raw) > MAX_DATAGRAM:
        raise argparse.ArgumentTypeError(f"a word has 1 to {MAX_DATAGRAM} bytes, this one {len(raw)}")
    return text


if __name__ == "__main__":
    sys.exit(main())
