"""RESP2, the protocol of Redis and Valkey: packs requests, and parses replies with hiredis.

hiredis is an extra. This is the only module that imports it, and only a daemon with a bus imports this module.
"""

from collections.abc import Iterator
from typing import TypeAlias

import hiredis

Reply: TypeAlias = "bytes | int | list[Reply] | ReplyError | None"
"""A reply. Errors are values, also within arrays."""

Command: TypeAlias = tuple[bytes | str | int, ...]
"""The words of a command."""


class ReplyError(Exception):
    """An error reply of the server. Its first word says which one it is."""

    @property
    def kind(self) -> str:
        """The first word: `NOAUTH`, `OOM`, `MOVED`."""
        return str(self).partition(" ")[0]


class NotRespError(Exception):
    """The peer does not speak RESP."""


def pack(command: Command) -> bytes:
    """Return a request as the server reads it: an array of bulk strings."""
    words = [word if isinstance(word, bytes) else str(word).encode() for word in command]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


class Parser:
    """Takes bytes as they come, and returns the replies that are complete."""

    def __init__(self) -> None:
        self._reader = hiredis.Reader(protocolError=NotRespError, replyError=ReplyError)

    def replies(self, data: bytes) -> Iterator[Reply]:
        """Yield the replies that `data` completes. Raises NotRespError."""
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not False:
            yield reply
