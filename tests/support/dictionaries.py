"""Dictionaries for the tests, and a client of DICT sessions without a network."""

from collections.abc import Iterable

from netechod.services.dict.catalogue import Database
from netechod.services.dict.server import DictServer, Terms
from netechod.services.dict.session import DictSession
from netechod.services.dictionary.memory_parser import DictionaryParser
from netechod.services.dictionary.parser import Rules
from netechod.services.dictionary.service import Dictionary, MemoryDictionary

BANNER = b"220 netechod 1.2.3 <mime> <00@netechod>\r\n"

WORDS = r"""
apple:苹果
dots:.one dot
say "hi":a word with quotes
back\slash:a word with a backslash
don't:an apostrophe
Essen:das Essen
essen:to eat
苹果:apple
工業|工业:industry
empty line:one
"""


def edition_of(text: str) -> MemoryDictionary:
    """The edition of a file with this text."""
    parser = DictionaryParser("dict.txt", rules=Rules(max_skipped=1.0))
    parser.feed(text.encode())
    return parser.finish()


def edition_with(entries: Iterable[tuple[str, str]]) -> MemoryDictionary:
    """An edition whose meanings may have line breaks."""
    edition = edition_of("".join(f"{word}:x\n" for word, _ in entries))
    meanings = {word.encode(): meaning.encode() for word, meaning in entries}
    edition.entries = meanings
    edition.exact = meanings.get
    return edition


def server_of(*editions: Dictionary, terms: Terms | None = None) -> DictServer:
    """A server of databases "main", "two" and "three"."""
    names = zip(("main", "two", "three"), editions, strict=False)
    databases = [Database(name, f'The "{name}" words', edition) for name, edition in names]
    return DictServer(lambda: databases, lambda: "netechod 1.2.3", terms)


def session_of(*editions: Dictionary, terms: Terms | None = None) -> DictSession:
    """A session with such a server."""
    return DictSession(server_of(*editions, terms=terms), BANNER)


def say(session: DictSession, data: bytes) -> bytes:
    """Everything that a session answers."""
    return b"".join(pieces(session, data))


def pieces(session: DictSession, data: bytes) -> list[bytes]:
    """What a session answers, as its driver gets it."""
    said = [bytes(session.data_received(memoryview(data)))]
    while not session.ended and (piece := session.more()) is not None:
        said.append(piece)
    return said
