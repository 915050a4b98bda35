"""RESP2, the protocol of Redis and Valkey: packs requests, and parses replies with hiredis.

hiredis is an extra. Only this module imports it, and only a daemon with a bus imports this module.
"""

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import hiredis

LONG = 64 * 1024  # bytes of a string that no honest node writes

Reply: TypeAlias = "bytes | int | list[Reply] | ReplyError | None"
"""A reply. Errors are values, also within arrays."""

Command: TypeAlias = Sequence[bytes | str | int]
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
    """Takes bytes as they come, and returns the replies that are complete.

    A frugal one holds no string of more than LONG bytes: it returns None instead.
    """

    def __init__(self, *, frugal: bool = False) -> None:
        self._reader = hiredis.Reader(protocolError=NotRespError, replyError=ReplyError)
        self._filter = LongStrings() if frugal else None
        self.size = 0  # bytes that the replies so far took

    def replies(self, data: bytes) -> Iterator[Reply]:
        """Yield the replies that `data` completes. Raises NotRespError."""
        if self._filter is not None:
            data = self._filter.without_long(data)
        self.size += len(data)
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not False:
            yield reply


class LongStrings:
    """Takes long strings out of a stream of replies, as it comes. hiredis would hold them in memory."""

    def __init__(self) -> None:
        self._line = b""  # the beginning of a line
        self._left = 0  # bytes of the present string that have not come yet
        self._keeps = True  # it is not a long one

    def without_long(self, data: bytes) -> bytes:
        """Return `data` with a null in place of each long string. Raises NotRespError."""
        data, out, at = self._line + data, [], 0
        while True:
            piece = data[at : at + self._left]
            at += len(piece)
            self._left -= len(piece)
            if self._keeps:
                out.append(piece)
            end = data.find(b"\r\n", at)
            if self._left or end < 0:
                break
            out.append(self._header(data[at : end + 2]))
            at = end + 2
        self._line = data[at:]
        if len(self._line) > LONG:
            raise NotRespError
        return b"".join(out)

    def _header(self, line: bytes) -> bytes:
        """Return a line that is no part of a string, or a null in place of a long string's."""
        size = line[1:-2]
        if line[:1] != b"$" or not size.isdigit():
            return line
        self._left = int(size) + 2
        self._keeps = self._left <= LONG
        return line if self._keeps else b"$-1\r\n"
