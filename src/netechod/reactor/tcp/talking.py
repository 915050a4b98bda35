"""A connection on the loop whose session does more than answer.

It may speak first, answer at length, speak unasked, and close the connection.
"""

import socket
from collections.abc import Callable

from netechod.reactor.loop import Timer
from netechod.reactor.tcp.api import PendingConnection, Server, Waker
from netechod.reactor.tcp.connection import AT_ONCE, TcpConnection
from netechod.services.api import Chunk, StreamSession

LINGER = 2.0  # seconds between our end of the stream and our close, unless the peer ends it before


class TalkingConnection(TcpConnection):
    """Pulls pieces out of one session. It reads no input before the kernel has taken them all.

    A peer that sends without getting an answer counts as silent. So the idle timeout of the server also ends
    a request that never ends.
    """

    __slots__ = ("_ending", "_linger", "_more", "_pull", "_queued")

    def __init__(self, server: Server, pending: PendingConnection, session: StreamSession) -> None:
        super().__init__(server, pending, session)
        assert session.more is not None  # noqa: S101 (or a TcpConnection would do)
        self._more = session.more
        self._pull: Callable[[], Chunk | None] = session.opened  # the first time, and then `more`
        self._queued = False  # a turn of the session is due
        self._ending = False  # we have ended the stream, and wait for the peer to do the same
        self._linger: Timer | None = None

    @property
    def has_unsent(self) -> bool:
        """Return whether something is still to be sent. What the session has not made yet counts."""
        return self._unsent is not None or self._queued or self._session.waiting

    def start(self) -> None:
        """See TcpConnection. The session's first words leave in this turn of the loop."""
        self.update_interest()
        self.wake()

    def wake(self) -> None:
        """Have the session asked for more soon, unless that is due already."""
        if self._unsent is None and not (self._queued or self._ending or self._is_closed):
            self._queued = True
            self._server.turns.add(self._take_turn)

    def retire(self, reason: str) -> None:
        """See Connection. A connection whose session still has to answer is not silent."""
        if not self._session.waiting:
            super().retire(reason)

    def abandon(self) -> None:
        """See Connection. The state of a session cannot be handed over."""
        self._close("drain")

    @property
    def _is_closed(self) -> bool:
        return self._sock.fileno() < 0

    def _close(self, reason: str) -> None:
        if self._linger is not None:
            self._linger.cancel()
        super()._close("ended" if self._ending else reason)

    def _on_readable(self, further_reads: int = 0) -> None:
        """Read once per turn, and not while the session has more to say."""
        if self._queued:  # its turn has not come yet
            self.update_interest()
            return
        buffer = self._server.buffer
        try:
            size = self._sock.recv_into(buffer, 0, AT_ONCE)
            if self._ending:
                if not size:
                    self._close("ended")
            elif size:
                self.bytes_in += size
                if self._send(self._session.data_received(buffer[:size])) and not self._session.idle:
                    self.wake()
            else:
                self._eof = True
                self._say(self._session.eof_received())
        except (OSError, MemoryError) as error:
            self.fail(error)

    def _on_writable(self) -> None:
        if self._unsent is None:  # its turn has not come yet
            self.update_interest()
            return
        try:
            sent = self._sock.send(self._unsent, AT_ONCE)
            self.bytes_out += sent
            self.last_active = self._server.loop.now
            del self._unsent[:sent]
            if not self._unsent:
                self._unsent = None
                self.wake()
        except (OSError, MemoryError) as error:
            self.fail(error)

    def _take_turn(self) -> None:
        """Send the session's next piece."""
        self._queued = False
        if self._is_closed:
            return
        try:
            piece = None if self._session.ended else self._pull()
            self._pull = self._more
            if piece is None:
                self._rest()
            else:
                self._say(piece)
        except (OSError, MemoryError) as error:
            self.fail(error)

    def _say(self, piece: Chunk) -> None:
        """Send a piece. When the kernel has taken all of it, ask the session for the next one."""
        if self._send(piece):
            self.wake()

    def _send(self, piece: Chunk) -> bool:
        """Send a piece. Return whether the kernel has taken all of it."""
        if not piece:
            return True
        self.last_active = self._server.loop.now
        try:
            sent = self._sock.send(piece, AT_ONCE)
        except BlockingIOError:
            sent = 0
        self.bytes_out += sent
        if sent != len(piece):
            self._send_later(piece[sent:])
        return sent == len(piece)

    def _rest(self) -> None:
        """The session has no more to say for now: read again, or end the stream."""
        if self._session.ended:
            self._end()
        elif self._eof and not self._session.waiting:
            self._close("eof")
        else:
            self.update_interest()

    def _end(self) -> None:
        """End the stream, and read on: to input behind a close, the kernel would answer with a reset."""
        self._ending = True
        if self._eof:
            self._close("ended")
            return
        self._sock.shutdown(socket.SHUT_WR)
        loop = self._server.loop
        self._linger = loop.call_at(loop.now + LINGER, self._stop_lingering)
        self.update_interest()

    def _stop_lingering(self) -> None:
        self._close("ended")

    def update_interest(self) -> None:
        """Watch for the events that can come next."""
        reads = self._ending or not (self._eof or self.has_unsent)
        self._server.loop.watch(
            self._sock.fileno(),
            self._on_readable if reads else None,
            self._on_writable if self._unsent is not None else None,
        )


def connection_of(server: Server, pending: PendingConnection) -> TcpConnection:
    """Make a connection of the kind that the session of `pending` needs."""
    waker = Waker(pending)
    session = server.service.new_session(waker)
    if session.more is None:
        return TcpConnection(server, pending, session)
    connection = TalkingConnection(server, pending, session)
    waker.target = connection.wake
    return connection
