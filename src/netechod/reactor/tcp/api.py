"""The seams of the TCP rooms: what servers, models, drivers and connections know of one another."""

import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass
from sys import intern
from typing import NamedTuple, Protocol, TypeAlias

from netechod.reactor.loop import Loop
from netechod.reactor.tcp.turns import Turns
from netechod.services.api import StreamSession
from netechod.services.wire import display_name

READ_SIZE = 80 * 1024  # bytes read at once; all of them are unsent where the kernel takes none for the peer

Keep = Callable[[socket.socket, bytes], object]
"""Takes over a connection: its socket, and the bytes that its peer is still owed."""


class PendingConnection(NamedTuple):
    """An accepted connection that is not served yet."""

    sock: socket.socket
    address: str
    port: int
    since: float
    unsent: bytes = b""  # by a former owner

    @property
    def name(self) -> str:
        """The peer as the log names it."""
        return display_name(self.address, self.port)


class Waker:
    """Given to whoever makes a session: tells who has connected, and can be called to have `more` called."""

    __slots__ = ("pending", "target")

    def __init__(self, pending: PendingConnection) -> None:
        self.pending = pending
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

    def __init__(self, server: Server, pending: PendingConnection) -> None:
        self._server = server
        self._sock = pending.sock
        self._opened = pending.since
        self.address = intern(pending.address)  # one string for all connections of a source
        self.port = pending.port

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
    def last_active(self) -> float:
        """When a byte has moved last, either way."""

    @property
    @abstractmethod
    def has_unsent(self) -> bool:
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

    def _finish(self, reason: str) -> None:
        """Close the socket, and tell the server."""
        self._sock.close()
        self._server.forget(self, reason)
