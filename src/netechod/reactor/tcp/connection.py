"""A TCP connection on the loop. Its session gets the bytes, and the peer the answers as fast as it reads."""

import socket

from netechod.reactor.tcp.api import READ_SIZE, Connection, Keep, PendingConnection, Server
from netechod.services.api import Chunk, StreamSession

# With this flag a call does not block although its socket does. That saves a system call per connection.
AT_ONCE = int(socket.MSG_DONTWAIT)
FURTHER_READS = 2  # in the same turn, while each fills the buffer and the kernel takes all answers
HIGH_WATER = 64 * 1024  # unsent bytes of one connection beyond which nothing is read
LOW_WATER = HIGH_WATER // 2  # unsent bytes above which we do not read either: the reads would be too short


class TcpConnection(Connection):
    """Drives one session without blocking. It sends at once, and keeps what the kernel does not take."""

    __slots__ = ("_eof", "_session", "_unsent", "bytes_in", "bytes_out", "last_active")
    bytes_in: int
    bytes_out: int
    last_active: float

    def __init__(self, server: Server, pending: PendingConnection, session: StreamSession) -> None:
        super().__init__(server, pending)
        self._session = session
        self._unsent = bytearray(pending.unsent) if pending.unsent else None
        self._eof = False
        self.last_active = server.loop.now
        self.bytes_in = 0
        self.bytes_out = 0

    @property
    def has_unsent(self) -> bool:
        """Return whether the kernel has not taken all yet."""
        return self._unsent is not None

    def start(self) -> None:
        """See Connection."""
        self.update_interest()

    def retire(self, reason: str) -> None:
        """See Connection.

        We close first, so no input may be unread. For unread input the kernel sends a reset, and the peer may
        lose what we sent last (RFC 2525, 2.17).
        """
        bytes_in = self.bytes_in
        if not self.has_unsent:
            self._on_readable()
        if self.bytes_in == bytes_in and self in self._server.connections:
            self._close(reason)

    def abandon(self) -> None:
        """See Connection. If connections are handed over, this one is too, with its unsent bytes."""
        if self._server.keep is None:
            self._close("drain")
        else:
            self._hand_over(self._server.keep)

    def wait(self) -> None:
        """See Connection. It has ended already."""

    def _hand_over(self, keep: Keep) -> None:
        """Give the connection away with its unsent bytes. Unread input stays in the kernel."""
        self._server.loop.unwatch(self._sock.fileno())
        keep(self._sock, bytes(self._unsent or b""))
        self._server.forget(self, "")

    def _close(self, reason: str) -> None:
        """Close now, even if something is unsent."""
        self._unsent = None  # frees memory first: the log line below may need it
        self._server.loop.unwatch(self._sock.fileno())
        self._finish(reason)

    def _on_readable(self, further_reads: int = FURTHER_READS) -> None:
        """Read once per turn, and a few times more while the buffer is filled. Others must get their turn.

        The code is in one piece because every message runs through it: a call costs two percent.
        """
        if self._unsent is not None:
            self._read_beside_unsent()
            return
        server = self._server
        buffer = server.buffer
        try:
            size = self._sock.recv_into(buffer, 0, AT_ONCE)
            if not size:
                self._on_end()
                return
            self.bytes_in += size
            self.last_active = server.loop.now
            reply = self._session.data_received(buffer[:size])
            try:
                sent = self._sock.send(reply, AT_ONCE)
            except BlockingIOError:
                sent = 0
            self.bytes_out += sent
            if sent != len(reply):
                self._send_later(reply[sent:])
            elif size == READ_SIZE and further_reads:
                self._on_readable(further_reads - 1)
        except (OSError, MemoryError) as error:
            self.fail(error)

    def _read_beside_unsent(self) -> None:
        """Read only so much that the unsent bytes stay below HIGH_WATER."""
        server = self._server
        try:
            size = self._sock.recv_into(server.buffer[: HIGH_WATER - len(self._unsent or b"")], 0, AT_ONCE)
            if not size:
                self._on_end()
                return
            self.bytes_in += size
            self.last_active = server.loop.now
            self._send_later(self._session.data_received(server.buffer[:size]))
        except (OSError, MemoryError) as error:
            self.fail(error)

    def _on_end(self) -> None:
        """Handle the peer's end of stream. The session's answer to it is the last to be sent."""
        self._eof = True
        self._send_later(self._session.eof_received())

    def _on_writable(self) -> None:
        assert self._unsent is not None  # noqa: S101 (watched for writing only while something is unsent)
        try:
            sent = self._sock.send(self._unsent, AT_ONCE)
            self.bytes_out += sent
            self.last_active = self._server.loop.now
            del self._unsent[:sent]
            if not self._unsent:
                self._unsent = None
            self.update_interest()
        except (OSError, MemoryError) as error:
            self.fail(error)

    def _send_later(self, reply: Chunk) -> None:
        """Send `reply` when the kernel takes more."""
        if self._unsent is not None:
            self._unsent += reply
        elif reply:
            self._unsent = bytearray(reply)
        self.update_interest()

    def update_interest(self) -> None:
        """Watch for the events that can come next. If there are none, close or hand over."""
        unsent = 0 if self._unsent is None else len(self._unsent)
        if self._eof and not unsent:
            self._close("eof")
            return
        keep = self._server.keep
        if keep is not None and not unsent:
            self._hand_over(keep)
            return
        reads = not self._eof and unsent <= LOW_WATER and keep is None
        self._server.loop.watch(
            self._sock.fileno(), self._on_readable if reads else None, self._on_writable if unsent else None
        )

    def fail(self, error: OSError | MemoryError) -> None:
        """Close, unless the error is only a spurious wake-up (select(2), BUGS)."""
        if not isinstance(error, BlockingIOError):
            self._close("reset" if isinstance(error, ConnectionError) else "error")
