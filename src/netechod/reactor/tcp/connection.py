"""A TCP connection on the loop: bytes to its session, and the answers back as fast as the peer takes them."""

import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass
from sys import intern
from typing import NamedTuple, Protocol, TypeAlias

from netechod.reactor.loop import Loop
from netechod.reactor.tcp.turns import Turns
from netechod.services.api import Chunk, StreamSession
from netechod.services.wire import display_name

# With this flag a call does not block although its socket does. That saves a system call per connection.
AT_ONCE = int(socket.MSG_DONTWAIT)
READ_SIZE = 80 * 1024  # bytes read at once; all of them are owed where the kernel takes none for the peer
FURTHER_READS = 2  # in the same turn, while each brings READ_SIZE bytes and the kernel takes the answers
HIGH_WATER = 64 * 1024  # bytes owed to one connection beyond which nothing is read
LOW_WATER = HIGH_WATER // 2  # bytes owed above which we do not read either: what may be read is too little

Keep = Callable[[socket.socket, bytes], object]
"""Takes over a connection: its socket, and the bytes that its peer is still owed."""


class Arrival(NamedTuple):
    """An accepted connection that is not served yet."""

    sock: socket.socket
    address: str
    port: int
    since: float
    owed: bytes = b""  # by a former owner

    @property
    def name(self) -> str:
        """The peer as the log names it."""
        return display_name(self.address, self.port)


class Waker:
    """Given to whoever makes a session: tells who has connected, and can be called to have `more` called."""

    __slots__ = ("arrival", "target")

    def __init__(self, arrival: Arrival) -> None:
        self.arrival = arrival
        self.target: Callable[[], object] | None = None

    def __call__(self) -> None:
        """Have the connection ask its session for more; does nothing while nobody drives it."""
        if self.target is not None:
            self.target()


NewSession: TypeAlias = Callable[[Waker], StreamSession]
"""Makes the session of one connection."""


@dataclass(frozen=True, slots=True)
class StreamService:
    """What a server is to serve."""

    name: str  # for logs and threads
    new_session: NewSession
    read_size: int = READ_SIZE  # bytes that a session is given at once
    quiet: bool = False  # whether there are no lines about single connections in the log
    denied: bytes = b""  # what a client is told that may not connect
    busy: bytes = b""  # what it is told where all places are taken; without that, newcomers wait


class Server(Protocol):
    """What a connection needs of the server that it belongs to."""

    service: StreamService
    loop: Loop
    buffer: memoryview  # into which all connections read, one after the other
    keep: Keep | None  # set when connections are handed over instead of served
    turns: Turns  # the turns of the sessions that have more to say

    @property
    def connections(self) -> Collection["Connection"]:
        """Those that are open."""
        ...

    def forget(self, connection: "Connection", reason: str) -> None:
        """Note that a connection has closed and why; an empty `reason` says that somebody else has it now."""
        ...


class Connection(ABC):
    """A connection as its server sees it, whether the loop or a worker moves the bytes."""

    __slots__ = ("_opened", "_server", "_sock", "address", "port")

    def __init__(self, server: Server, arrival: Arrival) -> None:
        self._server = server
        self._sock = arrival.sock
        self._opened = arrival.since
        self.address = intern(arrival.address)  # one string for all connections of a source
        self.port = arrival.port

    @property
    def name(self) -> str:
        """The peer as the log names it. It is not stored: there may be very many idle connections."""
        return display_name(self.address, self.port)

    def summary(self, reason: str) -> str:
        """What the connection has done, for the log."""
        seconds = self._server.loop.now - self._opened
        return f"in={self.bytes_in} out={self.bytes_out} seconds={seconds:.3f} reason={reason}"

    @property
    @abstractmethod
    def bytes_in(self) -> int:
        """Bytes that the session was given."""

    @property
    @abstractmethod
    def bytes_out(self) -> int:
        """Bytes that the kernel has taken for the peer."""

    @property
    @abstractmethod
    def heard(self) -> float:
        """When a byte has moved last, either way."""

    @property
    @abstractmethod
    def owes(self) -> bool:
        """Whether the peer has yet to get something."""

    @abstractmethod
    def start(self) -> None:
        """Begin to serve. Raises OSError when the loop cannot watch the connection."""

    @abstractmethod
    def retire(self, reason: str) -> None:
        """Close a silent connection, unless a last look finds that it has just spoken."""

    @abstractmethod
    def abandon(self) -> None:
        """Serve it no longer, whatever is owed."""

    @abstractmethod
    def wait(self) -> None:
        """Wait for the end of the connection after `abandon`: its worker may take a moment."""

    def _gone(self, reason: str) -> None:
        """Close the socket, and tell the server."""
        self._sock.close()
        self._server.forget(self, reason)


class TcpConnection(Connection):
    """Drives one session without blocking: send at once, and wait only for what the kernel did not take."""

    __slots__ = ("_eof", "_owed", "_session", "bytes_in", "bytes_out", "heard")
    bytes_in: int
    bytes_out: int
    heard: float

    def __init__(self, server: Server, arrival: Arrival, session: StreamSession) -> None:
        super().__init__(server, arrival)
        self._session = session
        self._owed = bytearray(arrival.owed) if arrival.owed else None  # bytes that the peer has yet to take
        self._eof = False
        self.heard = server.loop.now
        self.bytes_in = 0
        self.bytes_out = 0

    @property
    def owes(self) -> bool:
        """Whether the peer has yet to get something."""
        return self._owed is not None

    def start(self) -> None:
        """See Connection."""
        self.settle()

    def retire(self, reason: str) -> None:
        """See Connection.

        We close first, so nothing may be unread: the kernel would answer it with a reset, which takes
        what we sent last away from the peer (RFC 2525, 2.17).
        """
        bytes_in = self.bytes_in
        if not self.owes:
            self._on_readable()
        if self.bytes_in == bytes_in and self in self._server.connections:
            self._close(reason)

    def abandon(self) -> None:
        """See Connection. Where connections are handed over, what is owed goes along."""
        if self._server.keep is None:
            self._close("drain")
        else:
            self._hand_over(self._server.keep)

    def wait(self) -> None:
        """See Connection: it went at once."""

    def _hand_over(self, keep: Keep) -> None:
        """Give the connection away, with what is owed; what is unread waits in the kernel."""
        self._server.loop.unwatch(self._sock.fileno())
        keep(self._sock, bytes(self._owed or b""))
        self._server.forget(self, "")

    def _close(self, reason: str) -> None:
        """Close now, whatever is owed."""
        self._owed = None  # the first memory to come back: there may be no other for the lines of the log
        self._server.loop.unwatch(self._sock.fileno())
        self._gone(reason)

    def _on_readable(self, further_reads: int = FURTHER_READS) -> None:
        """Read once per turn, or a few times what fills the buffer: greedy peers must not hold up others.

        Every message takes this way, so it is written out: a call less is two percent more of them.
        """
        if self._owed is not None:
            self._read_beside_what_is_owed()
            return
        server = self._server
        buffer = server.buffer
        try:
            size = self._sock.recv_into(buffer, 0, AT_ONCE)
            if not size:
                self._on_end()
                return
            self.bytes_in += size
            self.heard = server.loop.now
            reply = self._session.data_received(buffer[:size])
            try:
                sent = self._sock.send(reply, AT_ONCE)
            except BlockingIOError:
                sent = 0
            self.bytes_out += sent
            if sent != len(reply):
                self._owe(reply[sent:])
            elif size == READ_SIZE and further_reads:
                self._on_readable(further_reads - 1)
        except (OSError, MemoryError) as error:
            self.fail(error)

    def _read_beside_what_is_owed(self) -> None:
        """Read no more than may be owed on top."""
        server = self._server
        try:
            size = self._sock.recv_into(server.buffer[: HIGH_WATER - len(self._owed or b"")], 0, AT_ONCE)
            if not size:
                self._on_end()
                return
            self.bytes_in += size
            self.heard = server.loop.now
            self._owe(self._session.data_received(server.buffer[:size]))
        except (OSError, MemoryError) as error:
            self.fail(error)

    def _on_end(self) -> None:
        """The peer has said everything; what the session answers to that is the last that is owed."""
        self._eof = True
        self._owe(self._session.eof_received())

    def _on_writable(self) -> None:
        assert self._owed is not None  # noqa: S101 (watched for writing only while something is owed)
        try:
            sent = self._sock.send(self._owed, AT_ONCE)
            self.bytes_out += sent
            self.heard = self._server.loop.now
            del self._owed[:sent]
            if not self._owed:
                self._owed = None
            self.settle()
        except (OSError, MemoryError) as error:
            self.fail(error)

    def _owe(self, reply: Chunk) -> None:
        """Send `reply` when the kernel takes more."""
        if self._owed is not None:
            self._owed += reply
        elif reply:
            self._owed = bytearray(reply)
        self.settle()

    def settle(self) -> None:
        """Wait for what can come next; when everything is said, close or hand over."""
        owed = 0 if self._owed is None else len(self._owed)
        if self._eof and not owed:
            self._close("eof")
            return
        keep = self._server.keep
        if keep is not None and not owed:
            self._hand_over(keep)
            return
        reads = not self._eof and owed <= LOW_WATER and keep is None
        self._server.loop.watch(
            self._sock.fileno(), self._on_readable if reads else None, self._on_writable if owed else None
        )

    def fail(self, error: OSError | MemoryError) -> None:
        """Close, unless it was only a spurious wake-up (select(2), BUGS)."""
        if not isinstance(error, BlockingIOError):
            self._close("reset" if isinstance(error, ConnectionError) else "error")
