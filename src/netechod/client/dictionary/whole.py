"""`netecho dict` over DICT: whole meanings, from any dictionary, and words that are like one."""

import sys
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from netechod.client.dictionary.dict_client import PORT, Definition, DictClient, Match
from netechod.client.errors import ClientError
from netechod.client.i18n.translate import tr
from netechod.client.net import Target
from netechod.client.terminal.input import LineDecoder, to_utf8
from netechod.client.terminal.output import complain, interactive, note, painted, put, put_json
from netechod.client.terminal.text import decoded, shown_lines
from netechod.services.dict.text import INDENT
from netechod.services.dict.words import ALL
from netechod.services.wire import MISS, escape_controls, text_of

PATIENCE = 0.5  # seconds for the connection, and for each answer, when only suggestions are wanted


class Options(NamedTuple):
    """What is asked, and how it is shown."""

    database: str = ALL
    strategy: str = ""  # of a search for words; empty: their meanings are wanted
    as_json: bool = False


class Suggestions:
    """Tells a person which words are like one that was missed."""

    def __init__(self, target: Target, port: int = PORT) -> None:
        self._target = target._replace(port=port, timeout=min(target.timeout, PATIENCE))
        self._client: DictClient | None = None
        self._has_dict = True

    def show(self, word: str) -> None:
        """Show the words, in a line on stderr. A server without DICT is not asked again."""
        if self._has_dict:
            try:
                self._client = self._client or DictClient(self._target)
                put_nearest(self._client.nearest(word))
            except ClientError:
                self._has_dict = False

    def close(self) -> None:
        """End the connection."""
        if self._client is not None:
            self._client.close()


def put_nearest(words: Sequence[str]) -> None:
    """Ask on stderr whether one of these words was meant."""
    if words:
        note(tr("did you mean {words}?", words=", ".join(map(escape_controls, words))))


def run(target: Target, words: Sequence[str], options: Options) -> int:
    """Look up `words`, or those that a person types or a pipe holds; return 1 if one was not found."""
    client = DictClient(target)
    try:
        if not words and not options.as_json and interactive():
            return _converse(client, options)
        is_single = len(words) == 1 and not sys.stdout.isatty()
        given = map(decoded, map(to_utf8, words)) if words else _words_of_stdin()
        found = [_look_up(client, word, options, is_single=is_single) for word in given]
        return 0 if all(found) else 1
    finally:
        client.close()


def _words_of_stdin() -> Iterator[str]:
    """The lines with a word in them. Raises ClientError for UTF-16."""
    decoder = LineDecoder()
    lines = (decoder.utf8(line.removesuffix(b"\n")) for line in sys.stdin.buffer)
    return map(decoded, filter(None, map(text_of, lines)))


def _converse(client: DictClient, options: Options) -> int:
    """Ask a person for words until the end of input."""
    from netechod.client.terminal.prompt import Prompt  # on demand: not for pipes

    prompt = Prompt(tr("word> "), "dict")
    for entry in prompt.entries():
        try:
            for word in map(decoded, filter(None, map(text_of, entry))):
                _look_up(client, word, options, is_single=False)
        except ClientError as error:
            complain(str(error), error.hint)
        except KeyboardInterrupt:
            client.close()  # in the middle of an answer
            prompt.interrupted()
    return 0


def _look_up(client: DictClient, word: str, options: Options, *, is_single: bool) -> bool:
    """Ask for one word and show the answer; return whether there is any."""
    begun = time.monotonic()
    if options.strategy:
        matches = client.match(word, options.strategy, options.database)
        definitions: Sequence[Definition] = ()
    else:
        matches, definitions = (), client.define(word, options.database)
    found = bool(matches or definitions)
    if options.as_json:
        _put_json(word, matches, definitions, options, time.monotonic() - begun)
    elif options.strategy:
        for match in matches:
            put(f"{escape_controls(match.database)}\t{escape_controls(match.word)}\n")
    elif found:
        _put_definitions(definitions, is_single=is_single)
    else:
        put(f"{MISS}\n" if is_single else f"{escape_controls(word)}\t{MISS}\n")
        if sys.stderr is not None and sys.stderr.isatty():
            put_nearest(client.nearest(word, options.database))
    return found


def _put_definitions(definitions: Sequence[Definition], *, is_single: bool) -> None:
    """Write the meaning alone if it is the only one for a script, else each below a line with its origin."""
    if is_single and len(definitions) == 1:
        put(f"{shown_lines(definitions[0].text)}\n")
        return
    for each in definitions:
        word = painted(escape_controls(each.word), "strong", sys.stdout)
        origin = painted(escape_controls(f"[{each.database}] {each.title}"), "faint", sys.stdout)
        body = "\n".join(INDENT + line for line in shown_lines(each.text).split("\n"))
        put(f"{word}  {origin}\n{body}\n")


def _put_json(
    word: str, matches: Sequence[Match], definitions: Sequence[Definition], options: Options, seconds: float
) -> None:
    """Write one object a line, with the keys of a look-up over UDP and one more."""
    more: dict[str, object] = (
        {"matches": [match._asdict() for match in matches]}
        if options.strategy
        else {"definitions": [each._asdict() for each in definitions]}
    )
    put_json(
        {
            "word": word,
            "found": bool(matches or definitions),
            "text": definitions[0].text if definitions else None,
            "rtt_ms": round(seconds * 1000, 3),
            "cut": False,
            **more,
        }
    )
