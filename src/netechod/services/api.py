"""The interfaces between what is said and how it travels, and nothing else.

A service is a plain object. It is given a batch of datagrams, the time and an outbox, and it queues its
answers. It never waits, it never fails on a peer's account, and it can be tested as a dialogue without a
socket.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple, Protocol, TypeAlias

Peer: TypeAlias = Hashable
"""Where a datagram came from and its answer goes: opaque to services, a key for their tables."""

Datagram: TypeAlias = tuple[bytes, Peer]
"""A payload and its peer."""


class MeasuredPayload(bytes):
    """A payload that says how it travelled. Only an endpoint that was asked to measure makes them."""

    received_ns: int = 0  # when the kernel got it, in nanoseconds since the epoch; 0: not known
    ttl: int = 255  # TTL or hop limit, as it arrived; 255 also if not known (RFC 5357, 4.2.1)
    tos: int = 0  # traffic class as it arrived: DSCP and ECN (RFC 2474); 0 also if not known


class UnfinishedPayload(Protocol):
    """A payload, itself `bytes`, that carries the time of its own leaving. Only for a measuring endpoint."""

    tos: int  # traffic class that it leaves with

    def completed(self, now_ns: int) -> bytes:
        """Return the payload to send at `now_ns`, in nanoseconds since the epoch.

        It is called right before the system call, and again if the kernel takes the datagram at a later try.
        """
        ...


Chunk: TypeAlias = bytes | bytearray | memoryview
"""Bytes of a stream, in whatever form spares a copy."""


class Outbox(Protocol):
    """A queue in memory that cannot block or fail.

    Answers to a batch leave at its end. What a timer or a command queues leaves before the loop sleeps.
    """

    def send(self, payload: bytes, peer: Peer) -> None:
        """Queue one datagram."""
        ...

    def send_all(self, datagrams: Sequence[Datagram]) -> None:
        """Queue many datagrams. The sequence must not change afterwards."""
        for payload, peer in datagrams:
            self.send(payload, peer)

    def send_back(self, batch: Sequence[Datagram]) -> None:
        """Queue, unchanged and each for its sender, the batch that `datagrams_received` was called with.

        An endpoint may send it from where it was received. Call this before that call returns.
        """
        self.send_all(batch)

    def broadcast(self, payload: bytes, peers: Sequence[Peer]) -> None:
        """Queue the same datagram for each of `peers`. The sequence must not change afterwards."""
        ...


class DatagramService(Protocol):
    """What answers datagrams. `now` is the loop's monotonic clock, in seconds."""

    def datagrams_received(self, batch: Sequence[Datagram], now: float, out: Outbox) -> None:
        """Handle what one turn of the loop took from the socket, in order of arrival."""
        ...

    def next_deadline(self) -> float | None:
        """When `deadline_reached` wants to be called; asked again after every call, None for never."""
        ...

    def deadline_reached(self, now: float, out: Outbox) -> None:
        """Do what is due at `now`."""
        ...


class StreamSession(Protocol):
    """One side of one connection, without I/O. Its driver sends what it returns, in order.

    A session whose `more` is None only answers: it is asked for nothing but `data_received` and
    `eof_received`. Any other session is pulled. Its driver calls `more` again each time that the kernel has
    taken the piece before, and reads nothing until `more` returns None. So a long answer takes no more memory
    than one piece, and a session that works long shares the loop with the others.

    A class that names this one as its base inherits the defaults.
    """

    def opened(self) -> Chunk:
        """Say something first: a banner, or a client's first request."""
        return b""

    def data_received(self, data: memoryview) -> Chunk:
        """Answer a chunk, or begin to. `data` is lent for the call only; the reply may be `data` itself."""
        ...

    @property
    def more(self) -> Callable[[], Chunk | None] | None:
        """A method that returns the next piece of what there is to say. It should take well under 1 ms.

        b"" stands for a piece of work without a result yet: the driver calls again. None means that there is
        nothing to say until something is received or the session has called its `wake`.
        """
        return None

    def eof_received(self) -> Chunk:
        """Answer the peer's end of stream. The connection closes when everything is said and delivered."""
        ...

    @property
    def waiting(self) -> bool:
        """Whether an answer is still to come, of which the session will `wake` its driver.

        Until then the driver reads nothing, and closes the connection neither for silence nor for the peer's
        end of stream.
        """
        return False

    @property
    def ended(self) -> bool:
        """Whether the driver closes the connection as soon as all that was returned is delivered."""
        return False


Wake: TypeAlias = Callable[[], object]
"""Has a driver call its session's `more` soon; to be called on the thread of the loop, at any time."""


class Check(NamedTuple):
    """An argument, and the regular expression that has to match the whole of it."""

    pattern: str
    flags: int  # of the expression, as re.compile takes them
    argument: str


class Job(NamedTuple):
    """A program to run, how long, and how much of it: argv as the program gets it, never a shell's line."""

    argv: Sequence[str]
    timeout: float  # seconds; then it is killed with all that it started
    max_output: int = 65536  # bytes of stdout and stderr that are kept; the rest is read away
    nice: int = 0  # how far it steps back behind us, in our session: among sessions it would not (sched(7))
    checks: Sequence[Check] = ()  # unless all of them hold, the program is not run


class Ending(NamedTuple):
    """What became of a job: its exit status as a shell tells it, 128 and the number of the signal for one."""

    status: int
    output: bytes  # stdout and stderr, as they came
    seconds: float
    truncated: bool = False  # there was more output
    timed_out: bool = False
    failed_check: int = 0  # the number, from 1, of the check because of which the program was not run
