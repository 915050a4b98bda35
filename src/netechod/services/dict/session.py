"""One connection of DICT: lines of bytes come in, answers go out in pieces.

A piece costs little work, and has little more than PIECE bytes. So a client that sends thousands of commands
at once, or has all headwords searched, shares the loop with the others.
"""

from collections import deque
from collections.abc import Iterator

from netechod.services.api import StreamSession
from netechod.services.dict.commands import Commands, RefusedError
from netechod.services.dict.server import DictServer

MAX_COMMAND = 6144  # bytes of a line (RFC 2229, 2.3); a longer one is skipped
PIECE = 8 * 1024  # bytes of an answer that are made ahead of the client
COMMANDS = 16  # that are answered in one piece
STEPS = 4  # of a search without a result, in one piece
MAX_REFUSED = 20  # commands in a row that are not understood; one more ends the connection

BLANKS = b"\r\n\0 \t"  # before a command; there are clients that send them behind one
TOO_LONG = b"500 line too long\r\n"
TOO_MANY = b"421 too many errors\r\n"


class DictSession(StreamSession):
    """Answers the commands of one client, in order."""

    ended = False
    idle = False

    def __init__(self, server: DictServer, banner: bytes) -> None:
        self._server = server
        self._banner = banner
        self._lines: deque[bytes] = deque()  # that are not answered yet
        self._begun = b""  # the beginning of the next line
        self._commands = Commands(server)
        self._answer: Iterator[bytes] | None = None
        self._refused = 0  # commands in a row

    def opened(self) -> bytes:
        """See StreamSession."""
        return self._banner

    def data_received(self, data: memoryview) -> bytes:
        """Take some commands, and answer as many as fit one piece."""
        *lines, begun = (self._begun + data).split(b"\n")
        self._lines += lines
        self._begun = begun.lstrip(BLANKS)[: MAX_COMMAND + 1] if begun else b""
        return self.more() or b""

    def eof_received(self) -> bytes:
        """Half a command gets no answer; the others do."""
        return b""

    def more(self) -> bytes | None:
        """Return the next piece."""
        piece = bytearray()
        commands = steps = 0
        while len(piece) < PIECE and steps < STEPS and not self.ended:
            if self._answer is not None:
                steps += self._go_on(self._answer, piece)
            elif self._lines and commands < COMMANDS:
                commands += 1
                self._begin(self._lines.popleft().lstrip(BLANKS), piece)
            else:
                break
        self.idle = not (self._lines or self._answer is not None or self.ended)
        return bytes(piece) if commands or steps or piece else None

    def _begin(self, line: bytes, piece: bytearray) -> None:
        """Begin to answer a line, or answer it whole. A blank one gets no answer."""
        if len(line) > MAX_COMMAND:
            self._refuse(TOO_LONG, piece)
        elif line:
            try:
                answer = self._commands.answer(line.removesuffix(b"\r").replace(b"\0", b""))
            except RefusedError as error:
                self._refuse(error.reply, piece)
                return
            if isinstance(answer, bytes):
                piece += answer
                self._done()
            else:
                self._answer = answer

    def _done(self) -> None:
        self._answer = None
        self._refused = 0
        self.ended = self._commands.quit

    def _go_on(self, answer: Iterator[bytes], piece: bytearray) -> bool:
        """Add parts of an answer to a piece. Return whether the last part took time and brought nothing."""
        try:
            for part in answer:
                piece += part
                if not part or len(piece) >= PIECE:
                    return not part
        except RefusedError as error:
            self._answer = None
            self._refuse(error.reply, piece)
        else:
            self._done()
        return False

    def _refuse(self, reply: bytes, piece: bytearray) -> None:
        piece += reply
        self._server.counters["refused"] += 1
        self._refused += 1
        if self._refused > MAX_REFUSED:
            piece += TOO_MANY
            self.ended = True
