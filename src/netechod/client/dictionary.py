"""`netecho dict`: words go to the dictionary service, one datagram each, and their meanings come back."""

import os
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from netechod.client.net import ClientError, Server, Target
from netechod.client.screen import cells, complain, decoded, interactive, lines, padded, put, put_json, shown
from netechod.client.words import tr
from netechod.services.wire import MAX_DATAGRAM, MISS, harmless, text_of

QUERY_SIZE = 400
"""Bytes of a query, filled up with NULs that end its text: a server that does not know our address yet
answers it with at most three times the bytes it got, and this many earn the longest answer."""

GAP = 2  # columns between a word and its meaning on a terminal


class Result(NamedTuple):
    """One word, looked up; `text` is None for a word that the server does not hold."""

    word: str
    text: str | None
    rtt_ms: float

    @property
    def answer(self) -> str:
        """What people read: the meaning, or the word for a miss."""
        return MISS if self.text is None else harmless(self.text)


class Dictionary:
    """A dictionary server, as words and their results."""

    def __init__(self, target: Target, miss: str = MISS) -> None:
        self._server = Server(target, socket.SOCK_DGRAM)
        self._miss = os.fsencode(miss)

    def look_up(self, word: bytes) -> Result:
        """Ask for one word, and again while there is no answer."""
        answer = self._server.ask(query_of(word))
        text = text_of(answer.payload)
        return Result(
            decoded(word), None if text == self._miss else decoded(text), round(answer.seconds * 1000, 3)
        )


def query_of(word: bytes) -> bytes:
    """The datagram that asks for `word`."""
    if len(word) > MAX_DATAGRAM:
        raise ClientError(
            tr("a word of {size} bytes: a datagram holds {most}", size=len(word), most=MAX_DATAGRAM)
        )
    return word.ljust(QUERY_SIZE, b"\0")


def run(target: Target, words: Sequence[str], miss: str, *, as_json: bool) -> int:
    """Look up `words`, or else those that a person types or a pipe holds; 1 if one was not found."""
    dictionary = Dictionary(target, miss)
    if not words and not as_json and interactive():
        return _converse(dictionary)
    given = [os.fsencode(word) for word in words]
    report = _report_json if as_json else _report_text(given)
    misses = 0
    for word in given or _typed():
        result = dictionary.look_up(word)
        report(result)
        misses += result.text is None
    return 1 if misses else 0


def _report_json(result: Result) -> None:
    """One object a line, for scripts."""
    found = result.text is not None
    put_json({"word": result.word, "found": found, "text": result.text, "rtt_ms": result.rtt_ms})


def _report_text(words: Sequence[bytes]) -> Callable[[Result], None]:
    """How results are written: in columns for a person, bare for `$(...)` with one word, else with tabs."""
    if words and sys.stdout.isatty():
        width = max(cells(shown(word)) for word in words) + GAP
        return lambda result: put(f"{padded(harmless(result.word), width)}{result.answer}\n")
    if len(words) == 1:
        return lambda result: put(f"{result.answer}\n")
    return lambda result: put(f"{harmless(result.word)}\t{result.answer}\n")


def _converse(dictionary: Dictionary) -> int:
    """Ask a person for words until the end of input; a word without answer does not end it."""
    for word in _typed(tr("word> ")):
        try:
            result = dictionary.look_up(word)
        except ClientError as error:
            complain(str(error), error.hint)
            continue
        put(tr("{word}: {text}", word=harmless(result.word), text=result.answer) + "\n")
    return 0


def _typed(prompt: str = "") -> Iterator[bytes]:
    """The words on stdin, one a line; the server answers none to an empty one."""
    return filter(None, map(text_of, lines(prompt)))
