"""A TCP connection on the loop: bytes to its session, and the answers back as fast as the peer takes them."""

import socket

from netechod.reactor.tcp.api import READ_SIZE, Arrival, Connection, Keep, Server
from netechod.services.api import Chunk, StreamSession

# With this flag a call does not block although its socket does. That saves a system call per connection.
AT_ONCE = int(socket.MSG_DONTWAIT)
FURTHER_READS = 2  # in the same turn, while each brings READ_SIZE bytes and the kernel takes the answers
HIGH_WATER = 64 * 1024  # unsent bytes of one connection beyond which nothing is read
LOW_WATER = HIGH_WATER // 2  # unsent bytes above which we do not read either: what may be read is too little


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
