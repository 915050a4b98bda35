"""The commands of `netecho`: their options, and the functions that run them.

A client is imported when it runs: a look-up in a script must not wait for the chat's screen.
"""

import argparse
import os
from functools import partial
from pathlib import Path
from typing import NamedTuple

from netechod.cli.netecho_parser import DICTIONARY_PORT, ClientParser, address_with, number, target_of
from netechod.cli.parser import seconds
from netechod.client.i18n.translate import tr
from netechod.client.terminal.input import to_utf8
from netechod.client.terminal.output import choose_color
from netechod.services.wire import MAX_DATAGRAM, MISS, text_of

DICT_PORT = 2628


def define_echo(command: ClientParser) -> None:
    """Add the options of `echo`."""
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


def define_whoami(command: ClientParser) -> None:
    """Add the options of `whoami`."""
    command.add_argument("-u", "--udp", action="store_true", help=tr("use UDP instead of TCP"))
    command.add_argument(
        "-c",
        "--count",
        type=number,
        default=1,
        metavar="N",
        help=tr("ask N times, each time from another port, and count who answers (default: 1)"),
    )
    command.add_argument("--json", action="store_true", help=tr("one JSON object"))
    command.add_examples(
        ("netecho whoami localhost", tr("the server, and your address as it sees it")),
        ("netecho whoami -u -c 100 echo.example.org", tr("how a load balancer shares the questions out")),
    )
    command.set_defaults(run=_whoami)


def _whoami(arguments: argparse.Namespace) -> int:
    from netechod.client import whoami

    return whoami.run(target_of(arguments), arguments.count, udp=arguments.udp, as_json=arguments.json)


def define_dict(command: ClientParser) -> None:
    """Add the options of `dict`."""
    command.add_argument(
        "words", metavar="WORD", nargs="*", type=word, help=tr("default: those typed, one a line")
    )
    command.address.type = dictionary_address
    command.add_argument("--json", action="store_true", help=tr("one JSON object a word"))
    command.add_argument(
        "--whole",
        action="store_true",
        help=tr("whole meanings, asked over DICT (TCP port {port}), as for dict://HOST/", port=DICT_PORT),
    )
    command.add_argument(
        "--db", metavar="NAME", help=tr("the same, in this dictionary of the server's (default: all)")
    )
    command.add_argument(
        "--match",
        metavar="STRATEGY",
        help=tr("words that are like it, over DICT: {names} ...", names="prefix, suffix, substring, lev"),
    )
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
        ("netecho dict dict://localhost/ apple", tr("all that the dictionaries of the server say")),
        ("netecho dict --match prefix localhost app", tr("the words that begin so")),
    )
    command.set_defaults(run=_dict)


def _dict(arguments: argparse.Namespace) -> int:
    from netechod.client.dictionary import run, whole

    target = target_of(arguments)
    database, strategy = arguments.db or "*", arguments.match or ""
    is_url = isinstance(arguments.address, UrlAddress)
    if is_url or arguments.whole or arguments.db is not None or arguments.match is not None:
        options = whole.Options(database, strategy, arguments.json)
        return whole.run(target._replace(port=target.port or DICT_PORT), arguments.words, options)
    target = target._replace(port=target.port or DICTIONARY_PORT)
    return run.run(target, arguments.words, arguments.miss, as_json=arguments.json)


class UrlAddress(NamedTuple):
    """The server of a `dict:` URL (RFC 2229, 5)."""

    host: str
    port: int


def dictionary_address(text: str) -> tuple[str, int]:
    """Parse `HOST[:PORT]` or `dict://HOST[:PORT]/`; the port is 0 if there is none."""
    if not text.lower().startswith("dict://"):
        return address_with(0)(text)
    address, _, rest = text[len("dict://") :].partition("/")
    if rest:
        raise argparse.ArgumentTypeError(tr("only dict://HOST[:PORT]/: words stand behind it"))
    return UrlAddress(*address_with(0)(address))


def define_chat(command: ClientParser) -> None:
    """Add the options of `chat`."""
    form = command.add_mutually_exclusive_group()
    form.add_argument(
        "--jsonl",
        "--json",
        dest="json",
        action="store_true",
        help=tr("one JSON object an event, for programs"),
    )
    form.add_argument("--plain", action="store_true", help=tr("lines only, no control of the screen"))
    command.add_argument(
        "--mention",
        metavar="WORD",
        action="append",
        default=[],
        help=tr("ring the bell for this word, too, besides your own name; may be repeated"),
    )
    command.add_argument(
        "--nick", metavar="NAME", type=nick, help=tr("the name that others see (default: $NETECHO_NICK)")
    )
    command.add_argument(
        "--log", metavar="FILE", default="", help=tr("append the conversation to a file, with dates")
    )
    command.add_argument(
        "--dictionary",
        metavar="HOST[:PORT]",
        type=address_with(DICTIONARY_PORT),
        help=tr("what /dict asks (default: port {port} of the same host)", port=DICTIONARY_PORT),
    )
    command.add_examples(
        ("netecho chat localhost", tr("a screen, for a person")),
        ("echo hello | netecho chat localhost", tr("say one thing, and leave")),
        ("netecho chat --jsonl localhost", tr("for a program: what it hears and says, in JSON")),
    )
    command.set_defaults(run=partial(_chat, command))


def _chat(parser: ClientParser, arguments: argparse.Namespace) -> int:
    from netechod.client.chat import run
    from netechod.client.chat.conversation import ChatOptions

    if arguments.plain and arguments.color == "auto":
        choose_color("never")
    target = target_of(arguments)
    host, port = arguments.dictionary or (target.host, DICTIONARY_PORT)
    options = ChatOptions(
        as_json=arguments.json,
        is_plain=arguments.plain,
        mentions=arguments.mention,
        nick=arguments.nick or _nick_of_environment(parser),
        log=arguments.log,
    )
    return run.run(target, target._replace(host=host, port=port), options)


def nick(text: str) -> str:
    """Parse the name of a member of the chat."""
    from netechod.client.chat.people.nickname import flaw_of, normal

    chosen = normal(text)
    if flaw := flaw_of(chosen):
        raise argparse.ArgumentTypeError(flaw)
    return chosen


def _nick_of_environment(parser: ClientParser) -> str:
    """Return the name in $NETECHO_NICK, empty if there is none."""
    text = os.environ.get("NETECHO_NICK", "")
    try:
        return nick(text) if text else ""
    except argparse.ArgumentTypeError as error:
        parser.error(f"NETECHO_NICK: {error}")


def define_run(command: ClientParser) -> None:
    """Add the options of `run`."""
    command.epilog = tr(
        "exit status: the command's own, 124 it took too long, 126 refused, 75 too many run, 255 no answer."
    )
    command.add_examples(
        ("netecho run server --list", tr("what the key may run")),
        ("netecho run server disk /var", tr("run it")),
    )
    command.add_argument("name", metavar="NAME", nargs="?", help=tr("the command's name"))
    command.add_argument(
        "arguments", metavar="ARG", nargs="*", help=tr("its arguments; -- comes before one with a dash")
    )
    command.add_argument(
        "--list", action="store_true", help=tr("show the names that the key may run, and their arguments")
    )
    command.add_argument(
        "--key-file",
        type=Path,
        metavar="FILE",
        help=tr("the key to sign with (default: $NETECHO_KEY_FILE, then ~/.config/netecho/keys)"),
    )
    command.add_argument("--key", metavar="ID", help=tr("which key of the file (default: the first)"))
    command.add_argument(
        "--wait",
        type=seconds,
        default=15.0,
        metavar="S",
        help=tr("seconds to wait for the command's end (default: 15)"),
    )
    command.add_argument("--json", action="store_true", help=tr("one JSON object with status and output"))
    command.set_defaults(run=partial(_run, command))


def _run(parser: ClientParser, arguments: argparse.Namespace) -> int:
    from netechod.client import run_command

    if arguments.list == (arguments.name is not None):
        parser.error(tr("either NAME or --list is needed"))
    key = run_command.find_key(arguments.key_file, arguments.key)
    target, patience, as_json = target_of(arguments), arguments.wait, arguments.json
    if arguments.list:
        return run_command.show_list(target, key, patience, as_json=as_json)
    words = [arguments.name, *arguments.arguments]
    return run_command.run(target, key, words, patience, as_json=as_json)


def word(text: str) -> str:
    """Check a word to look up: the server does not answer an empty text."""
    raw = to_utf8(text)
    if not text_of(raw) or len(raw) > MAX_DATAGRAM:
        raise argparse.ArgumentTypeError(
            tr("a word has 1 to {most} bytes, this one {size}", most=MAX_DATAGRAM, size=len(raw))
        )
    return text
