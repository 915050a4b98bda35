"""A scripted server of RESP on a loop, and a realm that only writes down what it is told."""

import socket
from collections import deque
from collections.abc import Callable, Sequence

from netechod.reactor.bus.resp import Parser, Reply
from netechod.reactor.loop import Loop
from netechod.reactor.outgoing.dialer import Target
from netechod.services.realm.events import Event
from netechod.services.realm.log import START, EntryId, Found, Log
from netechod.services.realm.realm import Realm

OK = b"+OK\r\n"
MASTER = b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
NO_STREAM = b"-ERR no such key\r\n"
NIL = b"*-1\r\n"
NONE = b"*0\r\n"
TIME = b"*2\r\n$4\r\n1700\r\n$6\r\n500000\r\n"


def bulk(text: bytes) -> bytes:
    """A string as a reply."""
    return b"$%d\r\n%b\r\n" % (len(text), text)


def array(*items: bytes) -> bytes:
    """An array of replies."""
    return b"*%d\r\n" % len(items) + b"".join(items)


def entry(at: str, *fields: bytes) -> bytes:
    """One entry of a stream."""
    return array(bulk(at.encode()), array(*map(bulk, fields)))


def entries(*each: bytes) -> bytes:
    """A reply to XREAD."""
    return array(array(bulk(b"key"), array(*each)))


class FakeRedis:
    """Replies to each command by its name. Without a reply the connection waits, as XREAD does."""

    def __init__(self, loop: Loop, listener: socket.socket) -> None:
        self.loop = loop
        self.listener = listener
        self.commands: list[Sequence[bytes]] = []
        self.replies: dict[str, bytes | Callable[[], bytes | None]] = {
            "AUTH": OK,
            "SELECT": OK,
            "CLIENT": OK,
            "ROLE": MASTER,
            "XRANGE": NONE,
            "TIME": TIME,
            "XINFO": NO_STREAM,
            "XADD": bulk(b"1700500-0"),
        }
        self.waiting: dict[str, socket.socket] = {}  # connections without a reply, by the command
        self.connections: list[socket.socket] = []
        listener.setblocking(False)
        loop.watch(listener.fileno(), self._accept)

    @property
    def target(self) -> Target:
        """Where it listens."""
        return socket.AF_INET, self.listener.getsockname()

    def names(self) -> list[str]:
        """The names of the commands so far."""
        return [command[0].decode() for command in self.commands]

    def reply(self, command: str, reply: bytes) -> None:
        """Reply to a command that waits."""
        self.waiting.pop(command).sendall(reply)

    def close(self) -> None:
        """Close all connections and the listener."""
        for sock in [*self.connections, self.listener]:
            self.loop.unwatch(sock.fileno()) if sock.fileno() >= 0 else None
            sock.close()

    def cut(self) -> None:
        """Close all connections."""
        for sock in self.connections:
            if sock.fileno() >= 0:
                self.loop.unwatch(sock.fileno())
                sock.close()
        self.connections.clear()
        self.waiting.clear()

    def _accept(self) -> None:
        sock, _ = self.listener.accept()
        sock.setblocking(False)
        self.connections.append(sock)
        parser = Parser()
        self.loop.watch(sock.fileno(), lambda: self._read(sock, parser))

    def _read(self, sock: socket.socket, parser: Parser) -> None:
        try:
            data = sock.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            self.loop.unwatch(sock.fileno())
            sock.close()
            return
        if not data.startswith(b"*"):
            sock.sendall(b"-ERR unknown command\r\n")
            return
        for command in parser.replies(data):
            assert isinstance(command, list)
            words = [word for word in command if isinstance(word, bytes)]
            self.commands.append(words)
            if sock.fileno() >= 0:
                self._answer(sock, words[0].decode())

    def _answer(self, sock: socket.socket, name: str) -> None:
        reply = self.replies.get(name)
        if callable(reply):
            reply = reply()
        if reply is None:
            self.waiting[name] = sock
        else:
            sock.sendall(reply)


class FakeRealm(Realm):
    """Writes down what the engine tells it."""

    def __init__(self) -> None:
        self.positions: tuple[EntryId | None, EntryId | None] = (None, None)
        self.told: list[str] = []
        self.reads: list[tuple[EntryId, object]] = []
        self.entries: deque[Sequence[bytes]] = deque()
        self.found: Found | None = None
        self.start = START
        self.deadline = 1e9
        self.is_open = True
        self.log: Log | None = None
        self.in_flight: Sequence[bytes] | None = None

    @property
    def node(self) -> str:
        """See Realm."""
        return "a"

    @property
    def last(self) -> EntryId | None:
        """See Realm."""
        return self.positions[0]

    @property
    def mine(self) -> EntryId | None:
        """See Realm."""
        return self.positions[1]

    def attach(self, log: Log) -> None:
        """See Realm."""
        self.log = log

    def connected(self, found: Found, now: float) -> EntryId:
        """See Realm."""
        self.told.append("connected")
        self.found = found
        return self.start

    def disconnected(self, now: float) -> None:
        """See Realm."""
        self.told.append("disconnected")

    def entry(self, now: float) -> Sequence[bytes] | None:
        """See Realm."""
        self.in_flight = self.entries[0] if self.entries else None
        return self.in_flight

    def taken(self, at: EntryId, now: float) -> None:
        """See Realm."""
        self.entries.popleft()
        self.told.append(f"taken {at}")

    def not_taken(self, now: float) -> None:
        """See Realm."""
        self.told.append("not taken")

    @property
    def may_read(self) -> bool:
        """See Realm."""
        return self.is_open

    def read(self, at: EntryId, fields: object, now: float) -> None:
        """See Realm."""
        self.reads.append((at, fields))

    def caught_up(self, now: float) -> None:
        """See Realm."""
        self.told.append("caught up")

    def next_deadline(self) -> float:
        """See Realm."""
        return self.deadline

    def deadline_reached(self, now: float) -> None:
        """See Realm."""
        self.told.append("deadline")
        self.deadline = 1e9


__all__ = ["Event", "FakeRealm", "FakeRedis", "Reply"]
