"""A TCP connection on the loop: bytes to its session, and the answers back as fast as the peer takes them."""

import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from sys import intern
from typing import NamedTuple, Protocol

from netechod.reactor.loop import Loop
from netechod.services.api import Chunk, StreamSession
from netechod.services.wire import display_name

AT_ONCE = int(socket.MSG_DONTWAIT)  # instead of a socket that does not block: a system call less for each
HIGH_WATER = 64 * 1024  # bytes owed to one connection; above it we stop reading from it

Keep = Callable[[socket.socket, bytes], object]
"""Takes over a connection: its socket, and what its peer is still owed."""


class Arrival(NamedTuple):
    """A connection that is ours to serve as soon as there is a place for it."""

    sock: socket.socket
    address: str
    port: int
    since: float
    owed: bytes = b""  # by a former owner

    @property
    def name(self) -> str:
        """The peer as the log names it."""
        return display_name(self.address, self.port)


class Server(Protocol):
    """What a connection needs of the server that it belongs to."""

    loop: Loop
    buffer: memoryview  # where all connections read to, one after the other
    keep: Keep | None  # set when connections are handed over instead of served

    @property
    def connections(self) -> Collection["Connection"]:
        """Those that are open."""
        ...

    @property
    def new_session(self) -> Callable[[], StreamSession]:
        """Makes what answers a connection."""
        ...

    def forget(self, connection: "Connection", reason: str) -> None:
        """It has closed; `reason` says why, and is empty when somebody else has it now."""
        ...


class Connection(ABC):
    """A connection as its server sees it, whoever moves the bytes."""

    __slots__ = ("_opened", "_server", "_sock", "address", "port")

    def __init__(self, server: Server, arrival: Arrival) -> None:
        self._server = server
        self._sock = arrival.sock
        self._opened = arrival.since
        self.address = intern(arrival.address)  # one string for all connections of a source
        self.port = arrival.port

    @property
    def name(self) -> str:
        """The peer as the log names it; made when it is needed, for there may be very many idle ones."""
        return display_name(self.address, self.port)

    def summary(self, reason: str) -> str:
        """What became of it, for the log."""
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
        """Whether the peer has yet to take something."""

    @abstractmethod
    def retire(self, reason: str) -> None:
        """Close a silent connection, unless a last look finds that it has just spoken."""

    @abstractmethod
    def abandon(self) -> None:
        """Serve it no longer, whatever is owed."""

    @abstractmethod
    def wait(self) -> None:
        """Wait until it has gone, after `abandon`: its worker may take a moment."""

    def _gone(self, reason: str) -> None:
        """Close the socket, and tell the server."""
        self._sock.close()
        self._server.forget(self, reason)


class TcpConnection(Connection):
    """Drives one session without blocking: send at once, and wait only for what the kernel did not take.

    `settle` begins it.
    """

    __slots__ = ("_eof", "_owed", "_session", "bytes_in", "bytes_out", "heard")
    bytes_in: int
    bytes_out: int
    heard: float

    def __init__(self, server: Server, arrival: Arrival) -> None:
        super().__init__(server, arrival)
        self._session = server.new_session()
        self._owed = bytearray(arrival.owed) if arrival.owed else None  # what the peer has yet to take
        self._eof = False
        self.heard = server.loop.now
        self.bytes_in = 0
        self.bytes_out = 0

    @property
    def owes(self) -> bool:
        """Whether the peer has yet to take something."""
        return self._owed is not None

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
        self._server.loop.unwatch(self._sock.fileno())
        self._gone(reason)

    def _on_readable(self) -> None:
        """One read per turn: a greedy peer must not keep the others waiting.

        Every message takes this way, so it is written out: a call less is two percent more of them.
        """
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
            if self._owed is not None:
                self._owe(reply)
                return
            try:
                sent = self._sock.send(reply, AT_ONCE)
            except BlockingIOError:
                sent = 0
            self.bytes_out += sent
            if sent != len(reply):
                self._owe(reply[sent:])
        except OSError as error:
            self._fail(error)

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
        except OSError as error:
            self._fail(error)

    def _owe(self, reply: Chunk) -> None:
        """Send it when the kernel takes more."""
        if self._owed is not None:
            self._owed += reply
        elif reply:
            self._owed = bytearray(reply)
        self.settle()

    def settle(self) -> None:
        """Wait for what can come next; close, or go to whoever takes over, when everything is said."""
        owed = 0 if self._owed is None else len(self._owed)
        if self._eof and not owed:
            self._close("eof")
            return
        keep = self._server.keep
        if keep is not None and not owed:
            self._hand_over(keep)
            return
        reads = not self._eof and owed <= HIGH_WATER and keep is None
        self._server.loop.watch(
            self._sock.fileno(), self._on_readable if reads else None, self._on_writable if owed else None
        )

    def _fail(self, error: OSError) -> None:
        """Close, unless it was only a spurious wake-up (select(2), BUGS)."""
        if not isinstance(error, BlockingIOError):
            self._close("reset" if isinstance(error, ConnectionError) else "error")
