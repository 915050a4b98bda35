"""The control socket: one question a connection, for `netechoctl`.

The question is a line, a JSON array of strings: a command and its arguments. The answer is a line, a JSON
object with `ok` and either `result` or `error`; a dump's text follows behind it. Who may ask what is decided
by the kernel's word on who is at the other end (SO_PEERCRED, unix(7)): whoever can open the socket may look,
root and the user of the service may change things.
"""

import json
import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from netechod.reactor.acceptor import Acceptor
from netechod.reactor.counters import TcpCounters
from netechod.reactor.loop import Loop, Timer

MAX_QUESTION = 4096  # bytes; a longer one is refused
MAX_CONNECTIONS = 32  # at once; beyond it newcomers are closed
CHUNK = 64 * 1024  # bytes of an answer made ahead of the other end
PATIENCE = 30.0  # seconds that a connection gets to ask, and to take each part of its answer


@dataclass(frozen=True)
class Command:
    """What a question can ask for; `run` answers it, now or later."""

    run: Callable[["ControlConnection", list[str]], None]
    changes: bool = False  # only for root and the user of the service


class ControlServer:
    """Accepts questions on a listening socket and has the commands answer them."""

    def __init__(
        self, loop: Loop, sock: socket.socket, commands: Mapping[str, Command], allowed_uids: Iterable[int]
    ) -> None:
        self.loop = loop
        self.commands = commands
        self.connections: set[ControlConnection] = set()
        self._allowed_uids = frozenset(allowed_uids)
        self._acceptor = Acceptor(loop, sock, TcpCounters(), self._on_accepted)

    def close(self) -> None:
        """Answer nobody any more."""
        for connection in tuple(self.connections):
            connection.close()
        self._acceptor.close()

    def _on_accepted(self, sock: socket.socket, _: object) -> None:
        if len(self.connections) >= MAX_CONNECTIONS:
            sock.close()
            return
        sock.setblocking(False)
        self.connections.add(ControlConnection(self, sock, _peer_uid(sock) in self._allowed_uids))


class ControlConnection:
    """One question and its answer."""

    def __init__(self, server: ControlServer, sock: socket.socket, may_change: bool) -> None:
        self._server = server
        self._sock = sock
        self._may_change = may_change
        self._asked = b""
        self._answer: Iterator[bytes] = iter(())
        self._rest = b""
        self._then: Callable[[], object] = lambda: None
        self._timer: Timer | None = None
        self._watch(self._on_readable, None)

    def answer(
        self,
        result: Any = None,  # noqa: ANN401 (whatever JSON can say)
        body: Iterable[str] = (),
        then: Callable[[], object] = lambda: None,
    ) -> None:
        """Answer with what was asked for, and lines of text behind it; then, when it is sent, do more."""
        self._then = then
        self._send({"ok": True, "result": result}, body)

    def refuse(self, error: str, **more: Any) -> None:  # noqa: ANN401
        """Say why not."""
        self._send({"ok": False, "error": error, **more}, ())

    def close(self) -> None:
        """Hang up. Harmless when it has."""
        if self not in self._server.connections:
            return
        self._server.connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        self._server.loop.unwatch(self._sock.fileno())
        self._sock.close()

    def _watch(self, readable: Callable[[], None] | None, writable: Callable[[], None] | None) -> None:
        """Wait for the other end, but not for ever."""
        loop = self._server.loop
        loop.watch(self._sock.fileno(), readable, writable)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(loop.now + PATIENCE, self.close) if readable or writable else None

    def _on_readable(self) -> None:
        try:
            data = self._sock.recv(MAX_QUESTION)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._asked += data
        line, newline, _ = self._asked.partition(b"\n")
        if newline and len(line) <= MAX_QUESTION:
            self._watch(None, None)
            self._dispatch(line)
        elif not data or len(line) > MAX_QUESTION:
            self.close()

    def _dispatch(self, line: bytes) -> None:
        try:
            words = json.loads(line)
        except (ValueError, RecursionError):  # the latter: a thousand brackets are enough
            words = None
        if not (isinstance(words, list) and words and all(isinstance(word, str) for word in words)):
            self.refuse("the question is not a JSON array of strings")
            return
        command = self._server.commands.get(words[0])
        if command is None:
            self.refuse(f"unknown command {words[0]!r}")
        elif command.changes and not self._may_change:
            self.refuse("not permitted: only root and the user of the service may change anything")
        else:
            command.run(self, words[1:])

    def _send(self, head: Mapping[str, Any], body: Iterable[str]) -> None:
        if self not in self._server.connections:
            return  # whoever asked did not wait for the answer
        self._rest = json.dumps(head).encode() + b"\n"  # escapes: file names need not be UTF-8
        self._answer = (line.encode() + b"\n" for line in body)
        try:
            self._watch(None, self._on_writable)
        except OSError:  # no memory, no room in epoll(7)
            self.close()

    def _on_writable(self) -> None:
        """Send a part; more of a long answer is made only as the other end takes it."""
        parts, size = [self._rest], len(self._rest)
        while size < CHUNK and (part := next(self._answer, b"")):
            parts.append(part)
            size += len(part)
        self._rest = b"".join(parts)
        try:
            sent = self._sock.send(self._rest)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        self._rest = self._rest[sent:]
        if self._rest or size >= CHUNK:
            self._watch(None, self._on_writable)
        else:
            self.close()
            self._then()


def _peer_uid(sock: socket.socket) -> int:
    """The user at the other end when it connected: struct ucred of pid, uid and gid (unix(7))."""
    _, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(uid)
