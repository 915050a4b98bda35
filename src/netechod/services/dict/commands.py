"""What each command of DICT answers (RFC 2229, 3): bytes, in pieces that are made when they are wanted.

A piece is b"" where work was done and there is nothing to say yet.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import chain, islice, repeat
from typing import TypeAlias

from netechod.services.dict.catalogue import Database, Databases, chosen, found_by
from netechod.services.dict.server import DictServer
from netechod.services.dict.strategies import STEP, STRATEGIES, Match, Strategy, matches
from netechod.services.dict.text import END, definition, quoted, text
from netechod.services.dict.words import BEST, FIRST, MalformedError, within_quotes, words_of
from netechod.services.dictionary.service import other_readings

MAX_DEFINITIONS = 200  # in an answer; the rest is left out, and the answer says so
SHORT = 2048  # bytes of meanings, below which an answer is made in one piece
MAX_SCANS = 64  # searches through all headwords at a time, one a client; beyond it a client is told to wait

OK = b"250 ok\r\n"
SYNTAX = b"501 syntax error, illegal parameters\r\n"
UNKNOWN = b"500 unknown command\r\n"
NOT_IMPLEMENTED = b"502 command not implemented\r\n"
NO_MATCH = b"552 no match\r\n"
NO_DATABASE = b'550 invalid database, use "SHOW DB" for list of databases\r\n'
NO_STRATEGY = b'551 invalid strategy, use "SHOW STRAT" for a list of strategies\r\n'
BUSY = b"420 busy, try again\r\n"
BYE = b"221 bye\r\n"
HELP = """\
DEFINE database word            what a word means
MATCH database strategy word    words that are like it
SHOW DB                         the databases; * stands for all, ! for the first with a match
SHOW STRAT                      the strategies; . stands for the usual one
SHOW INFO database              where a database comes from
SHOW SERVER                     about this server
OPTION MIME                     begin texts with an empty MIME header
CLIENT text                     say who you are
STATUS                          how much you have been told
HELP                            this text
QUIT                            end the connection"""

Answer: TypeAlias = bytes | Iterator[bytes]
"""A short answer, or the pieces of a long one."""

Definition: TypeAlias = tuple[Database, bytes, bytes]
"""A database, a word of it, and the meaning."""


class RefusedError(Exception):
    """A command that is not understood; with the line that says so."""

    def __init__(self, reply: bytes) -> None:
        super().__init__(reply)
        self.reply = reply


class Commands:
    """The commands of one client."""

    def __init__(self, server: DictServer) -> None:
        self._server = server
        self._header = b""  # of every text: an empty one, where the client wants a MIME header
        self._defined = 0
        self._matched = 0
        self.quit = False
        self._commands: dict[bytes, Callable[[bytes], Answer]] = {
            b"DEFINE": self._define,
            b"MATCH": self._match,
            b"SHOW": self._show,
            b"OPTION": self._option,
            b"CLIENT": self._client,
            b"STATUS": self._status,
            b"HELP": self._help,
            b"QUIT": self._quit,
            **dict.fromkeys((b"AUTH", b"SASLAUTH", b"SASLRESP"), self._auth),
        }

    def answer(self, line: bytes) -> Answer:
        """Return the answer to a line. It or its first piece with text raises RefusedError."""
        name, rest = (*line.split(None, 1), b"", b"")[:2]
        command = self._commands.get(name.upper())
        if command is None:
            raise RefusedError(UNKNOWN)
        return command(rest)

    def _define(self, rest: bytes) -> Answer:
        refusal = b""
        for name, word in _readings(rest, 2):
            databases = chosen(self._server.databases(), name)
            if found := _definitions(databases, word, first=name == FIRST):
                return self._told(found)
            refusal = refusal or (NO_MATCH if databases else NO_DATABASE)
        return self._refused(refusal)

    def _refused(self, refusal: bytes) -> bytes:
        """Return the answer without a result, and count it. If it is empty, there was nothing to read."""
        if not refusal:
            raise RefusedError(SYNTAX)
        self._server.counters["missed"] += refusal is NO_MATCH
        return refusal

    def _told(self, found: Sequence[Definition]) -> Answer:
        shown = found[:MAX_DEFINITIONS]
        self._defined += len(shown)
        self._server.counters["defined"] += len(shown)
        begin, end = b"150 %d definitions retrieved\r\n" % len(shown), _ok(len(found), MAX_DEFINITIONS)
        parts = chain((begin,), chain.from_iterable(map(self._definition, shown)), (end,))
        return b"".join(parts) if sum([len(meaning) for _, _, meaning in shown]) < SHORT else parts

    def _definition(self, found: Definition) -> Iterator[bytes]:
        database, word, meaning = found
        shown_word = word.decode()
        head = f'151 {quoted(shown_word)} {database.name} "{database.title}"\r\n'
        yield head.encode() + self._header
        yield from definition(shown_word, meaning.decode())

    def _match(self, rest: bytes) -> Iterator[bytes]:
        server, refusal = self._server, b""
        for name, method, word in _readings(rest, 3):
            databases = chosen(server.databases(), name)
            strategy = STRATEGIES.get(server.terms.default_strategy if method == BEST else method.lower())
            if not databases or strategy is None:
                refusal = refusal or (NO_STRATEGY if databases else NO_DATABASE)
                continue
            if strategy.scans and server.scans >= MAX_SCANS:
                server.counters["busy"] += 1
                yield BUSY
                return
            limit = server.terms.max_matches
            found = yield from self._scan(databases, strategy, word, limit + 1, first=name == FIRST)
            if found:
                yield from self._listed(found, limit)
                return
            refusal = refusal or NO_MATCH
        yield self._refused(refusal)

    def _scan(
        self, databases: Databases, strategy: Strategy, word: str, limit: int, *, first: bool
    ) -> Generator[bytes, None, Sequence[Match]]:
        """See `matches`. Searches through all headwords are counted."""
        self._server.scans += strategy.scans
        self._server.counters["scans"] += strategy.scans
        try:
            return (yield from matches(databases, strategy, word, limit, first=first))
        finally:
            self._server.scans -= strategy.scans

    def _listed(self, found: Sequence[Match], limit: int) -> Iterator[bytes]:
        shown = found[:limit]
        self._matched += len(shown)
        self._server.counters["matched"] += len(shown)
        yield b"152 %d matches found\r\n%b" % (len(shown), self._header)
        yield from _lines(f"{name} {quoted(word.decode())}\r\n" for name, word in shown)
        yield END + _ok(len(found), limit)

    def _show(self, rest: bytes) -> Iterator[bytes]:
        what, *names = _words(rest, 1, 2)
        match what.upper(), names:
            case "DB" | "DATABASES", []:
                databases = self._server.databases()
                lines = [f'{database.name} "{database.title}"\r\n' for database in databases]
                yield b"110 %d databases present\r\n%b" % (len(lines), self._header)
                yield from _lines(lines)
                yield END + OK
            case "STRAT" | "STRATEGIES", []:
                lines = [f'{name} "{strategy.description}"\r\n' for name, strategy in STRATEGIES.items()]
                yield b"111 %d strategies present\r\n%b" % (len(lines), self._header)
                yield from _lines(lines)
                yield END + OK
            case "INFO", [name]:
                yield from self._information(name)
            case "SERVER", []:
                yield b"114 server information\r\n" + self._header
                yield from text(f"{self._server.about()}\n{self._editions()}")
                yield OK
            case _:
                raise RefusedError(SYNTAX)

    def _information(self, name: str) -> Iterator[bytes]:
        for database in self._server.databases():
            if database.name == name:
                yield f"112 information for {name}\r\n".encode() + self._header
                yield from text(database.information or f"{database.title}, {len(database.dictionary)} words")
                yield OK
                return
        yield NO_DATABASE

    def _editions(self) -> str:
        """Which words each database has."""
        editions = [(database.name, database.dictionary) for database in self._server.databases()]
        return "\n".join(f"{name} {len(words)} words, sha256 {words.sha256[:12]}" for name, words in editions)

    def _option(self, rest: bytes) -> bytes:
        if [option.upper() for option in _words(rest, 1, 1)] != ["MIME"]:
            raise RefusedError(SYNTAX)
        self._header = b"\r\n"
        return b"250 ok, using MIME headers\r\n"

    def _client(self, rest: bytes) -> bytes:
        return OK

    def _auth(self, rest: bytes) -> bytes:
        return NOT_IMPLEMENTED

    def _status(self, rest: bytes) -> bytes:
        return b"210 status: %d defined, %d matched\r\n" % (self._defined, self._matched)

    def _help(self, rest: bytes) -> Iterator[bytes]:
        yield b"113 help text follows\r\n" + self._header
        yield from text(HELP)
        yield OK

    def _quit(self, rest: bytes) -> bytes:
        self.quit = True
        return BYE


def _definitions(databases: Databases, word: str, *, first: bool) -> Sequence[Definition]:
    """What the databases, or the first that has the word, say about it; a few more than are shown."""
    word = word.strip()
    for reading in chain([word], other_readings(word)):
        found: list[Definition] = []
        for database in databases:
            found += [(database, *entry) for entry in found_by(reading, database.dictionary)]
            if len(found) > (0 if first else MAX_DEFINITIONS):
                break
        if found:
            return found
    return ()


WAYS_TO_READ: Sequence[Callable[[bytes, int], Sequence[str]]] = (words_of, within_quotes)


def _readings(rest: bytes, count: int) -> Iterator[Sequence[str]]:
    """Return the ways to read `count` parameters of a command, of which the last is not blank."""
    return filter(None, map(_read, WAYS_TO_READ, repeat(rest), repeat(count)))


def _read(way: Callable[[bytes, int], Sequence[str]], rest: bytes, count: int) -> Sequence[str]:
    try:
        words = way(rest, count)
    except MalformedError:
        return ()
    return words if len(words) == count and words[-1].strip() else ()


def _words(rest: bytes, least: int, most: int) -> Sequence[str]:
    """So many parameters. Raises RefusedError when there are others."""
    try:
        words = words_of(rest)
    except MalformedError:
        raise RefusedError(SYNTAX) from None
    if not least <= len(words) <= most:
        raise RefusedError(SYNTAX)
    return words


def _lines(lines: Iterable[str]) -> Iterator[bytes]:
    """Lines of a text, some at a time. None of them begins with a dot."""
    rest = iter(lines)
    while some := "".join(islice(rest, STEP)):
        yield some.encode()


def _ok(count: int, limit: int) -> bytes:
    """The end of an answer that might have had so many parts."""
    return OK if count <= limit else b"250 ok, only the first %d\r\n" % limit
