"""The control socket: one question a connection, for `netechoctl`.

The question is a line, a JSON array of strings: a command and its arguments. The answer is a line, a JSON
object with `ok` and either `result` or `error`; a dump's text follows behind it. The kernel tells which user
is at the other end (SO_PEERCRED, unix(7)). Everybody who can open the socket may look; root and the user of
the service may change things.
"""

import json
import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from netechod.reactor.loop import Loop
from netechod.reactor.tcp.accept_queue import TcpLimits
from netechod.reactor.tcp.api import StreamService, Waker
from netechod.reactor.tcp.server import TcpServer
from netechod.services.api import StreamSession, Wake

MAX_QUESTION = 4096  # bytes; a longer one is refused
MAX_CONNECTIONS = 32  # at once; beyond it those that have been silent longest are closed
PIECE = 16 * 1024  # bytes of an answer made ahead of the other end
PATIENCE = 30.0  # seconds that a connection gets to ask, and to take each part of its answer


@dataclass(frozen=True)
class Command:
    """What a question can ask for; `run` answers it, now or later."""

    run: Callable[["ControlSession", list[str]], None]
    changes: bool = False  # only for root and the user of the service


class ControlServer(TcpServer):
    """Accepts questions on a listening socket and has the commands answer them."""

    def __init__(
        self, loop: Loop, sock: socket.socket, commands: Mapping[str, Command], allowed_uids: Iterable[int]
    ) -> None:
        allowed = frozenset(allowed_uids)

        def new_session(waker: Waker) -> ControlSession:
            return ControlSession(commands, waker, may_change=_peer_uid(waker.pending.sock) in allowed)

        limits = TcpLimits(MAX_CONNECTIONS, idle_timeout=PATIENCE, idle_at_limit=0.0)
        super().__init__(loop, StreamService("control", new_session, quiet=True), [sock], limits)


class ControlSession(StreamSession):
    """One question and its answer."""

    waiting = False
    ended = False

    def __init__(self, commands: Mapping[str, Command], wake: Wake, *, may_change: bool) -> None:
        self._commands = commands
        self._wake = wake
        self._may_change = may_change
        self._asked = b""
        self._pieces: Iterator[bytes] | None = None  # of the answer, once there is one
        self._then: Callable[[], object] = lambda: None

    def data_received(self, data: memoryview) -> bytes:
        """Take some of the question; `more` has the answer when it is complete."""
        self._asked += data
        line, newline, _ = self._asked.partition(b"\n")
        if len(line) > MAX_QUESTION:
            self.ended = True
        elif newline:
            self.waiting = True
            self._dispatch(line)
        return b""

    def more(self) -> bytes | None:
        """Return the next piece of the answer. More of a long one is made only as the other end takes it."""
        if self._pieces is None:
            return None
        if piece := next(self._pieces, b""):
            return piece
        self.ended = True
        self._then()
        return None

    def eof_received(self) -> bytes:
        """Half a question gets no answer."""
        return b""

    def answer(
        self,
        result: Any = None,  # noqa: ANN401 (whatever JSON can say)
        body: Iterable[str] = (),
        then: Callable[[], object] = lambda: None,
    ) -> None:
        """Answer with what was asked for, and lines of text behind it. When all is sent, call `then`."""
        self._then = then
        self._send({"ok": True, "result": result}, body)

    def refuse(self, error: str, **more: Any) -> None:  # noqa: ANN401
        """Say why not."""
        self._send({"ok": False, "error": error, **more}, ())

    def _dispatch(self, line: bytes) -> None:
        try:
            words = json.loads(line)
        except (ValueError, RecursionError):  # the latter: a thousand brackets are enough
            words = None
        if not (isinstance(words, list) and words and all(isinstance(word, str) for word in words)):
            self.refuse("the question is not a JSON array of strings")
            return
        command = self._commands.get(words[0])
        if command is None:
            self.refuse(f"unknown command {words[0]!r}")
        elif command.changes and not self._may_change:
            self.refuse("not permitted: only root and the user of the service may change anything")
        else:
            command.run(self, words[1:])

    def _send(self, head: Mapping[str, Any], body: Iterable[str]) -> None:
        self.waiting = False
        self._pieces = _pieces(json.dumps(head), body)  # JSON escapes: file names need not be UTF-8
        self._wake()


def _pieces(head: str, body: Iterable[str]) -> Iterator[bytes]:
    """The lines of an answer, in pieces of a little more than PIECE bytes."""
    piece = bytearray(head.encode() + b"\n")
    for line in body:
        if len(piece) >= PIECE:
            yield bytes(piece)
            piece.clear()
        piece += line.encode() + b"\n"
    yield bytes(piece)


def _peer_uid(sock: socket.socket) -> int:
    """Return the user at the other end when it connected: struct ucred of pid, uid and gid (unix(7))."""
    _, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(uid)
