"""A client of the dictionary server protocol, DICT (RFC 2229), over TCP."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple, NoReturn

from netechod import __version__
from netechod.client.errors import ClientError
from netechod.client.i18n.translate import tr
from netechod.client.net import Server, Target
from netechod.client.terminal.text import decoded
from netechod.services.dict.text import INDENT, quoted
from netechod.services.dict.words import ALL, BEST, MalformedError, words_of

PORT = 2628
MAX_LINE = 65536  # bytes; the protocol has 6144 (RFC 2229, 2.3), which not every server keeps to
MAX_NEAREST = 5  # words that are suggested


class Definition(NamedTuple):
    """What a database says about a word."""

    word: str
    database: str
    title: str
    text: str


class Match(NamedTuple):
    """A word of a database."""

    database: str
    word: str


class DictClient:
    """One connection, made when it is needed."""

    def __init__(self, target: Target) -> None:
        """Resolve the name. Raises ClientError."""
        self._server = Server(target, socket.SOCK_STREAM)
        self._sock: socket.socket | None = None

    def define(self, word: str, database: str = ALL) -> Sequence[Definition]:
        """Return what the databases say about a word; nothing for a miss. Raises ClientError."""
        found = []
        for line, text in self._ask(f"DEFINE {quoted(database)} {quoted(_one_line(word))}"):
            spelled, name, title = _words_of(line, 3)
            found.append(Definition(spelled, name, title, _meaning(spelled, text)))
        return found

    def match(self, word: str, strategy: str = BEST, database: str = ALL) -> Sequence[Match]:
        """Return the words that are like a word. Raises ClientError."""
        asked = f"MATCH {quoted(database)} {quoted(strategy)} {quoted(_one_line(word))}"
        return [Match(*_words_of(line, 2)) for _, text in self._ask(asked) for line in text]

    def nearest(self, word: str, database: str = ALL) -> Sequence[str]:
        """Return a few words that are like one that was missed, each once. Raises ClientError."""
        found = dict.fromkeys(match.word for match in self.match(word, database=database))
        return [near for near in found if near != word][:MAX_NEAREST]

    def close(self) -> None:
        """Say farewell and end the connection. The next command makes another one."""
        if self._sock is not None:
            with suppress(OSError):
                self._sock.sendall(b"QUIT\r\n")
            self._file.close()
            self._sock.close()
            self._sock = None

    def _ask(self, command: str) -> Iterator[tuple[bytes, Sequence[bytes]]]:
        """Send a command; yield each text of its answer, behind the line about it. Raises ClientError."""
        try:
            sock = self._connection()
            sock.sendall(f"{command}\r\n".encode())
            line = self._line()
            while line[:1] == b"1":  # RFC 2229, 2.4.1: more follows
                if not line.startswith(b"150 "):
                    yield line[4:], list(self._text())
                line = self._line()
        except OSError as error:
            self.close()
            raise self._server.failed(error) from None
        if not line.startswith((b"2", b"552 ")):
            self._refused(line)

    def _connection(self) -> socket.socket:
        if self._sock is None:
            self._sock = self._server.connect()
            self._sock.settimeout(self._server.target.timeout)
            self._file = self._sock.makefile("rb")
            if not (banner := self._line()).startswith(b"220 "):
                self._refused(banner)
            self._sock.sendall(f"CLIENT netecho {__version__}\r\n".encode())
            self._line()
        return self._sock

    def _line(self) -> bytes:
        """The next line without its end. Raises ClientError when there is none."""
        line = self._file.readline(MAX_LINE)
        if not line.endswith(b"\n"):
            self.close()
            raise ClientError(tr("the server closed the connection"))
        return line.rstrip(b"\r\n")

    def _text(self) -> Iterator[bytes]:
        """The lines of a text (RFC 2229, 2.4.1): one more dot is taken off those that begin with one."""
        while (line := self._line()) != b".":
            yield line.removeprefix(b".")

    def _refused(self, line: bytes) -> NoReturn:
        """Raise a ClientError for an answer that says no."""
        if line.startswith(b"550 "):
            names = ", ".join(self._names("DB"))
            raise ClientError(tr("the server has no such dictionary"), tr("it has {names}", names=names))
        if line.startswith(b"551 "):
            names = ", ".join(self._names("STRAT"))
            raise ClientError(tr("the server has no such strategy"), tr("it has {names}", names=names))
        self.close()
        raise ClientError(tr("the server says: {answer}", answer=decoded(line)))

    def _names(self, what: str) -> Iterator[str]:
        """The names of the databases or strategies."""
        return (_words_of(line, 2)[0] for _, text in self._ask(f"SHOW {what}") for line in text)


def _one_line(word: str) -> str:
    return " ".join(word.split())


def _words_of(line: bytes, count: int) -> Sequence[str]:
    """The words of a line; as they stand if the server quotes them wrongly."""
    try:
        words = words_of(line)
    except MalformedError:
        words = decoded(line).split(None, count - 1)
    return [*words, *[""] * count][:count]


def _meaning(word: str, lines: Sequence[bytes]) -> str:
    """A text as the file of the dictionary has it: our server puts the word above it, and indents it."""
    head, *rest = [decoded(line) for line in lines] or [""]
    if head == word and rest and all(line.startswith(INDENT) for line in rest):
        return "\n".join(line.removeprefix(INDENT) for line in rest)
    return "\n".join([head, *rest])
