"""A TCP connection on the loop: bytes to its session, and the answers back as fast as the peer takes them."""

import socket
from collections.abc import Callable, Collection
from sys import intern
from typing import Protocol

from netechod.reactor.loop import Loop
from netechod.services.api import Chunk, StreamSession
from netechod.services.wire import display_name

HIGH_WATER = 64 * 1024  # bytes owed to one connection; above it we stop reading from it

Keep = Callable[[socket.socket, bytes], object]
"""Takes over a connection: its socket, and what its peer is still owed."""


class Server(Protocol):
    """What a connection needs of the server that it belongs to."""

    loop: Loop
    buffer: memoryview  # where all connections read to, one after the other
    keep: Keep | None  # set when connections are handed over instead of served

    @property
    def connections(self) -> Collection["TcpConnection"]:
        """Those that are open."""
        ...

    @property
    def new_session(self) -> Callable[[], StreamSession]:
        """Makes what answers a connection."""
        ...

    def forget(self, connection: "TcpConnection", summary: str) -> None:
        """It has closed; `summary` says how, and is empty when somebody else has it now."""
        ...


class TcpConnection:
    """Drives one session without blocking: send at once, and wait only for what the kernel did not take."""

    __slots__ = (
        "_eof", "_opened", "_owed", "_server", "_session", "_sock",
        "address", "bytes_in", "bytes_out", "heard", "port",
    )  # fmt: skip

    def __init__(self, server: Server, sock: socket.socket, address: str, port: int) -> None:
        self._server = server
        self._sock = sock
        self._session = server.new_session()
        self._owed: bytearray | None = None  # what the peer has yet to take
        self._eof = False
        self._opened = self.heard = server.loop.now
        self.address = intern(address)  # one string for all connections of a source
        self.port = port
        self.bytes_in = 0
        self.bytes_out = 0
        self.settle()

    @property
    def name(self) -> str:
        """The peer as the log names it; made when it is needed, for there may be very many idle ones."""
        return display_name(self.address, self.port)

    @property
    def owes(self) -> bool:
        """Whether the peer has yet to take something."""
        return self._owed is not None

    def retire(self, reason: str) -> None:
        """Close a silent connection, unless a last look finds that it has just spoken.

        We close first, so nothing may be unread: the kernel would answer it with a reset, which takes
        what we sent last away from the peer (RFC 2525, 2.17).
        """
        bytes_in = self.bytes_in
        if not self.owes:
            self._on_readable()
        if self.bytes_in == bytes_in and self in self._server.connections:
            self.close(reason)

    def hand_over(self, keep: Keep) -> None:
        """Give the connection away, with what is owed; what is unread waits in the kernel."""
        self._server.loop.unwatch(self._sock.fileno())
        keep(self._sock, bytes(self._owed or b""))
        self._server.forget(self, "")

    def adopt(self, owed: bytes) -> None:
        """Take over what a former owner still owed."""
        self._owed = bytearray(owed) if owed else None
        self.settle()

    def close(self, reason: str) -> None:
        """Close now, whatever is owed."""
        loop = self._server.loop
        loop.unwatch(self._sock.fileno())
        self._sock.close()
        seconds = loop.now - self._opened
        summary = f"in={self.bytes_in} out={self.bytes_out} seconds={seconds:.3f} reason={reason}"
        self._server.forget(self, summary)

    def _on_readable(self) -> None:
        """One read per turn: a greedy peer must not keep the others waiting."""
        server = self._server
        try:
            size = self._sock.recv_into(server.buffer)
            if size:
                self.bytes_in += size
                self.heard = server.loop.now
                self._deliver(self._session.data_received(server.buffer[:size]))
            else:
                self._eof = True
                if tail := self._session.eof_received():
                    self._deliver(tail)
                self.settle()
        except BlockingIOError:
            pass  # a spurious wake-up (select(2), BUGS)
        except OSError as error:
            self._fail(error)

    def _on_writable(self) -> None:
        assert self._owed is not None  # noqa: S101 (watched for writing only while something is owed)
        try:
            del self._owed[: self._send(self._owed)]
            if not self._owed:
                self._owed = None
            self.settle()
        except OSError as error:
            self._fail(error)

    def _deliver(self, reply: Chunk) -> None:
        """Send at once when nothing is owed before it; what the kernel does not take is owed."""
        if self._owed is not None:
            self._owed += reply
        else:
            sent = self._send(reply)
            if sent == len(reply):
                return
            self._owed = bytearray(reply[sent:])
        self.settle()

    def _send(self, data: Chunk) -> int:
        """Send what the kernel takes now; returns the bytes."""
        try:
            sent = self._sock.send(data)
        except BlockingIOError:
            return 0
        self.bytes_out += sent
        self.heard = self._server.loop.now
        return sent

    def settle(self) -> None:
        """Wait for what can come next; close, or go to whoever takes over, when everything is said."""
        owed = 0 if self._owed is None else len(self._owed)
        if self._eof and not owed:
            self.close("eof")
            return
        keep = self._server.keep
        if keep is not None and not owed:
            self.hand_over(keep)
            return
        reads = not self._eof and owed <= HIGH_WATER and keep is None
        self._server.loop.watch(
            self._sock.fileno(), self._on_readable if reads else None, self._on_writable if owed else None
        )

    def _fail(self, error: OSError) -> None:
        self.close("reset" if isinstance(error, ConnectionError) else "error")
