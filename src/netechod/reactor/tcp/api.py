"""The interfaces between the servers, drivers and connections of this package."""

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

READ_SIZE = 80 * 1024  # bytes read at once; all of them stay unsent if the kernel takes none for the peer

Keep = Callable[[socket.socket, bytes], object]
"""Takes over a connection: its socket, and the bytes that are still to be sent to its peer."""


class PendingConnection(NamedTuple):
    """An accepted connection that is not served yet."""

    sock: socket.socket
    address: str
    port: int
    since: float
    unsent: bytes = b""  # bytes that a former owner of the connection has left unsent

    @property
    def name(self) -> str:
        """The peer as the log names it."""
        return display_name(self.address, self.port)


class Waker:
    """The link from a session back to its connection. A call of it has the session's `more` called soon."""

    __slots__ = ("pending", "target")

    def __init__(self, pending: PendingConnection) -> None:
        self.pending = pending
        self.target: Callable[[], object] | None = None

    def __call__(self) -> None:
        """Have the connection ask its session for more. Without a connection on the loop, do nothing."""
        if self.target is not None:
            self.target()


NewSession: TypeAlias = Callable[[Waker], StreamSession]
"""Makes the session of one connection."""


@dataclass(frozen=True, slots=True)
class StreamService:
    """A service over TCP: its sessions, and how their connections are treated."""

    name: str  # for logs and threads
    new_session: NewSession
    read_size: int = READ_SIZE  # bytes that a session is given at once
    quiet: bool = False  # single connections are not logged
    denied: bytes = b""  # sent to a client that may not connect
    busy: bytes = b""  # sent to a client at the connection limit; if empty, clients wait in the backlog


class Server(Protocol):
    """The owner of connections, as they see it."""

    service: StreamService
    loop: Loop
    buffer: memoryview  # all connections read into it, one after the other
    keep: Keep | None  # set when connections are handed over instead of served
    turns: Turns  # of the sessions that have more to say

    @property
    def connections(self) -> Collection["Connection"]:
        """The open connections."""
        ...

    def forget(self, connection: "Connection", reason: str) -> None:
        """Note that a connection has closed, and why. An empty `reason`: it was handed over instead."""
        ...


class Connection(ABC):
    """A connection as its server sees it. The loop moves its bytes, or a worker does."""

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
        """Return the line for the log: bytes, seconds and the reason of the end, as `key=value` words."""
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
        """The time of the last byte that moved, either way, by the loop's clock."""

    @property
    @abstractmethod
    def has_unsent(self) -> bool:
        """Return whether something is still to be sent to the peer."""

    @abstractmethod
    def start(self) -> None:
        """Begin to serve. Raises OSError if the loop cannot watch the connection."""

    @abstractmethod
    def retire(self, reason: str) -> None:
        """Close a silent connection, unless a last read finds something that it has just sent."""

    @abstractmethod
    def abandon(self) -> None:
        """Stop serving it at once, even if something is unsent."""

    @abstractmethod
    def wait(self) -> None:
        """Block until the connection has ended after `abandon`. Its worker may need a moment."""

    def _finish(self, reason: str) -> None:
        """Close the socket, and tell the server."""
        self._sock.close()
        self._server.forget(self, reason)
