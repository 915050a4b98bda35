"""The commands of `netecho`: their options, and what runs them.

That is imported when it runs: a look-up in a script must not wait for the chat's screen.
"""

import argparse
import os

from netechod.cli.client_parser import ClientParser, target_of
from netechod.client.words import tr
from netechod.services.wire import MAX_DATAGRAM, MISS, text_of


def define_echo(command: ClientParser) -> None:
    """The options of `echo`."""
    command.add_argument(
        "-u", "--udp", action="store_true", help=tr("use UDP, one datagram a line, instead of TCP")
    )
    command.add_argument(
        "--verify", action="store_true", help=tr("show nothing, but fail if something else comes back")
    )
    command.add_examples(
        ("netecho echo localhost", tr("a prompt")),
        ("echo hello | netecho echo -u localhost", tr("what comes back, over UDP")),
        ("netecho echo --verify localhost <file", tr("does every byte come back?")),
    )
    command.set_defaults(run=_echo)


def _echo(arguments: argparse.Namespace) -> int:
    from netechod.client import echo

    run = echo.run_udp if arguments.udp else echo.run_tcp
    return run(target_of(arguments), verify=arguments.verify)


def define_dict(command: ClientParser) -> None:
    """The options of `dict`."""
    command.add_argument(
        "words", metavar="WORD", nargs="*", type=word, help=tr("default: those typed, one a line")
    )
    command.add_argument("--json", action="store_true", help=tr("one JSON object a word"))
    command.add_argument(
        "--miss",
        metavar="TEXT",
        default=MISS,
        help=tr("what the server answers for no such word (default: {miss})", miss=MISS),
    )
    command.add_examples(
        ("netecho dict localhost apple", tr("one word: its meaning alone, as for $(...)")),
        ("netecho dict localhost apple pear", tr("several: a table")),
        ("netecho dict localhost <words.txt", tr("one a line: as fast as the server answers")),
        ("netecho dict localhost", tr("a prompt, with history and Tab")),
    )
    command.set_defaults(run=_dict)


def _dict(arguments: argparse.Namespace) -> int:
    from netechod.client import dictionary

    return dictionary.run(target_of(arguments), arguments.words, arguments.miss, as_json=arguments.json)


def define_chat(command: ClientParser) -> None:
    """The options of `chat`."""
    command.add_argument("--json", action="store_true", help=tr("one JSON object a line heard"))
    command.set_defaults(run=_chat)


def _chat(arguments: argparse.Namespace) -> int:
    from netechod.client import chat

    return chat.run(target_of(arguments), as_json=arguments.json)


def word(text: str) -> str:
    """Something to look up; the server answers nothing to an empty text."""
    raw = os.fsencode(text)
    if not text_of(raw) or len(raw) > MAX_DATAGRAM:
        raise argparse.ArgumentTypeError(
            tr("a word has 1 to {most} bytes, this one {size}", most=MAX_DATAGRAM, size=len(raw))
        )
    return text
