"""Lines of text on their way in: from the locale's encoding to UTF-8, which the services speak."""

import codecs
import locale
import os
import select
import sys
from collections import deque
from collections.abc import Iterable
from typing import Self

from netechod.client.errors import ClientError
from netechod.client.i18n.translate import tr

CHUNK = 64 * 1024  # bytes read at once: what a pipe holds (pipe(7))
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def to_utf8(text: str) -> bytes:
    """Encode an argument, or a line of input(). Bytes that the locale could not decode stay as they are."""
    return text.encode("utf-8", "surrogateescape")


class LineDecoder:
    """Turns lines in the locale's encoding into UTF-8.

    A byte order mark, which Windows puts before the first line, is dropped. Behind it everything is UTF-8.
    """

    def __init__(self) -> None:
        encoding = sys.stdin.encoding if sys.stdin is not None else locale.getencoding()
        self._encoding = codecs.lookup(encoding).name
        self._is_first = True

    def utf8(self, line: bytes) -> bytes:
        """Return a line as UTF-8. Raises ClientError for UTF-16, whose lines are no lines to us."""
        if self._is_first:
            self._is_first = False
            if line.startswith(_UTF_16):
                raise ClientError(tr("the input is UTF-16"), tr("convert it: iconv -f UTF-16 -t UTF-8"))
            if line.startswith(codecs.BOM_UTF8):
                self._encoding = "utf-8"
                line = line.removeprefix(codecs.BOM_UTF8)
        if self._encoding in ("utf-8", "ascii"):
            return line
        return to_utf8(line.decode(self._encoding, "surrogateescape"))


class Input:
    """A descriptor for select(2), and the lines that have come of it so far, as UTF-8."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.ended = False
        self._waiting = 0  # bytes of the lines that nobody has taken
        self._lines: deque[bytes] = deque()
        self._rest = b""  # the start of a line whose end has yet to come
        self._decoder = LineDecoder()

    @classmethod
    def of(cls, lines: Iterable[bytes]) -> Self:
        """Make an input that has these lines already, and no descriptor."""
        made = cls(-1)
        made.ended = True
        made._lines += lines
        made._waiting = sum(len(line) + 1 for line in made._lines)
        return made

    @property
    def waiting(self) -> int:
        """The bytes that were read and not taken."""
        return self._waiting + len(self._rest)

    def read(self) -> None:
        """Read once, when select(2) has said that there is something. Raises OSError and ClientError."""
        data = os.read(self.descriptor, CHUNK)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if not data:
            self.ended = True
            if self._rest:
                lines.append(self._rest)
                self._rest = b""
        for line in map(self._decoder.utf8, lines):
            self._lines.append(line)
            self._waiting += len(line) + 1

    def next_line(self) -> bytes | None:
        """Return the next line, without its end; None while there is none."""
        if not self._lines:
            return None
        line = self._lines.popleft()
        self._waiting -= len(line) + 1
        return line

    def give_up(self) -> None:
        """Drop the lines, and have no more."""
        self.ended = True
        self._lines.clear()
        self._waiting = 0
        self._rest = b""


def take_typed_ahead(terminal: int) -> list[bytes]:
    """Return the whole lines that were typed on a terminal so far, as UTF-8, without waiting.

    The start of a line stays in the terminal, where the person can go on with it.
    """
    if not select.select([terminal], [], [], 0)[0]:
        return []
    typed = Input(terminal)
    while not typed.ended and select.select([terminal], [], [], 0)[0]:
        typed.read()
    return [line for line in iter(typed.next_line, None) if line.strip()]
