"""The interfaces between services and the reactor.

A service is a plain object. It gets a batch of datagrams, the time and an outbox, and queues its answers. It
never blocks, and no input makes it fail. It can be tested as a dialogue, without a socket.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple, Protocol, TypeAlias

from netechod.services.wire import MAX_DATAGRAM

Peer: TypeAlias = Hashable
"""The source of a datagram and the destination of its answer. Services only use it as a key."""

Datagram: TypeAlias = tuple[bytes, Peer]
"""A payload and its peer."""


class MeasuredPayload(bytes):
    """A received payload that says how it travelled. Only a measuring endpoint makes them."""

    received_ns: int = 0  # when the kernel got it, in nanoseconds since the epoch; 0: not known
    ttl: int = 255  # TTL or hop limit, as it arrived; 255 also if not known (RFC 5357, 4.2.1)
    tos: int = 0  # traffic class as it arrived: DSCP and ECN (RFC 2474); 0 also if not known
    asked: tuple[str, int] = ("", 0)  # address and port that it was sent to; empty and 0: not known


class UnfinishedPayload(Protocol):
    """A payload that will carry the time of its own leaving. It is `bytes`, too.

    Only a measuring endpoint completes it. Any other endpoint sends the unfinished bytes.
    """

    tos: int  # the traffic class of the answer

    def completed(self, now_ns: int) -> bytes:
        """Return the payload to send at `now_ns`, in nanoseconds since the epoch.

        It is called right before the system call, and again before each further try.
        """
        ...


class Others(Protocol):
    """The other nodes that a chat room tells of its members. Names are those in chat lines.

    `Alone` stands for them where there are none.
    """

    def said(self, name: str, text: bytes, now: float) -> None:
        """Tell that a member has said `text` to all members."""
        ...

    def came(self, name: str, now: float) -> None:
        """Tell that a member has come online."""
        ...

    def left(self, name: str, reason: str, now: float) -> None:
        """Tell that a member has gone offline: it said so, or was idle or unreachable."""
        ...

    def stayed(self, name: str) -> None:
        """Note that a member is online since before a restart. The other nodes know that."""
        ...


class Alone(Others):
    """No other nodes."""

    def said(self, name: str, text: bytes, now: float) -> None:
        """See Others."""

    def came(self, name: str, now: float) -> None:
        """See Others."""

    def left(self, name: str, reason: str, now: float) -> None:
        """See Others."""

    def stayed(self, name: str) -> None:
        """See Others."""


Chunk: TypeAlias = bytes | bytearray | memoryview
"""Bytes of a stream, in the form that needs no copy."""


class Outbox(Protocol):
    """A queue in memory that cannot block or fail.

    Answers to a batch leave at its end at the latest, and in their order. Datagrams that are queued at
    another time leave before the loop sleeps.
    """

    limit: int = MAX_DATAGRAM
    """Bytes of the longest answer to the datagram that is being answered. What is longer is cut."""

    def send(self, payload: bytes, peer: Peer) -> None:
        """Queue one datagram."""
        ...

    def send_all(self, datagrams: Sequence[Datagram]) -> None:
        """Queue many datagrams. The sequence must not change afterwards."""
        for payload, peer in datagrams:
            self.send(payload, peer)

    def send_back(self, batch: Sequence[Datagram]) -> None:
        """Queue the batch of the current call of `datagrams_received`, each datagram for its sender.

        An endpoint may send it from the memory where it lies. Call this only before that call returns.
        """
        self.send_all(batch)

    def broadcast(self, payload: bytes, peers: Sequence[Peer]) -> None:
        """Queue the same datagram for each of `peers`. The sequence must not change afterwards."""
        ...


class DatagramService(Protocol):
    """A service that answers datagrams. `now` is the loop's monotonic clock, in seconds."""

    def datagrams_received(self, batch: Sequence[Datagram], now: float, out: Outbox) -> None:
        """Handle the datagrams that one turn of the loop took from the socket, in order of arrival."""
        ...

    def next_deadline(self) -> float | None:
        """Return the time for the next `deadline_reached`; None: never. It is asked after every call."""
        ...

    def deadline_reached(self, now: float, out: Outbox) -> None:
        """Do everything that is due at `now`. It may be called later than the deadline."""
        ...


class StreamSession(Protocol):
    """One side of one connection, without I/O. Its driver sends the returned bytes, in order.

    If `more` is None, the session only answers: the driver calls no methods but `data_received` and
    `eof_received`. Any other session is pulled: the driver calls `more` each time that the kernel has taken
    the piece before, and reads no input until `more` returns None. So a long answer takes no more memory than
    one piece, and long work shares the loop with other sessions.

    A class that names this one as its base inherits the defaults.
    """

    def opened(self) -> Chunk:
        """Return the first words: a banner, or a client's first request."""
        return b""

    def data_received(self, data: memoryview) -> Chunk:
        """Return the answer to a chunk, or its beginning.

        `data` is valid during the call only. But the answer may be `data` itself.
        """
        ...

    @property
    def more(self) -> Callable[[], Chunk | None] | None:
        """A method that returns the next piece. It should take well under 1 ms.

        It returns b"" after a piece of work without a result: the driver calls it again. It returns None if
        the session has no more to say until it gets input, or calls its `wake`.
        """
        return None

    @property
    def idle(self) -> bool:
        """Return whether `more` would return None now. It saves the driver the call; False does no harm."""
        return False

    def eof_received(self) -> Chunk:
        """Return the answer to the peer's end of stream.

        The connection closes when the session has no more to say and everything is sent.
        """
        ...

    @property
    def waiting(self) -> bool:
        """Return whether the session works on an answer, and will `wake` its driver when it has it.

        Until then the driver reads no input. It closes the connection neither for silence nor for the peer's
        end of stream.
        """
        return False

    @property
    def ended(self) -> bool:
        """Return whether the driver has to close the connection when all returned bytes are sent."""
        return False


Wake: TypeAlias = Callable[[], object]
"""Has the driver call its session's `more` soon. Call it on the thread of the loop, at any time."""


class Check(NamedTuple):
    """An argument, and a regular expression that has to match all of it."""

    pattern: str
    flags: int  # of the expression, as re.compile takes them
    argument: str


class Job(NamedTuple):
    """A program to run, with limits on its time and output. No shell is involved."""

    argv: Sequence[str]
    timeout: float  # seconds; then it is killed with all that it started
    max_output: int = 65536  # bytes of stdout and stderr that are kept; the rest is read and dropped
    nice: int = 0  # added to our niceness, within our session; it has no effect between sessions (sched(7))
    checks: Sequence[Check] = ()  # unless all of them hold, the program is not run


class Ending(NamedTuple):
    """The end of a job. Its exit status is as in a shell: after a signal, 128 plus the signal's number."""

    status: int
    output: bytes  # stdout and stderr, in order of arrival
    seconds: float
    truncated: bool = False  # there was more output
    timed_out: bool = False
    failed_check: int = 0  # the number, from 1, of the check that failed; the program was not run
