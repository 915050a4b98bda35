"""Several addresses of one server, tried so that a silent one costs little (RFC 8305, Happy Eyeballs).

The families take turns. The first address is tried at once, each further one 250 ms after the one before, or
as soon as that one fails. The first success wins. Over UDP a try is a question, sent again until it is
answered.
"""

import math
import os
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import takewhile, zip_longest
from typing import Generic, NamedTuple, Protocol, TypeVar

from netechod.client.kernel import RECEIVE_SIZE, TimedReceiver
from netechod.client.resolver import Address
from netechod.client.sockets import AS_USUAL, SocketOptions

ATTEMPT_DELAY = 0.25  # seconds before the next address is tried (RFC 8305, section 8)

_Result = TypeVar("_Result")
_Result_co = TypeVar("_Result_co", covariant=True)


class Answer(NamedTuple):
    """A datagram that came back, how long after the try that it answers, and to which port of ours."""

    payload: bytes
    seconds: float
    port: int


class Attempt(Protocol[_Result_co]):
    """A try with one address. Each method may raise OSError: this address has failed."""

    events: int  # for poll(2)
    deadline: float  # monotonic clock: when `deadline_reached` is to be called

    def fileno(self) -> int:
        """Return the descriptor for poll(2)."""

    def ready(self) -> _Result_co | None:
        """Return the result; None if there is none yet."""

    def deadline_reached(self) -> None:
        """Try once more, or raise TimeoutError."""

    def close(self) -> None:
        """Free the socket, unless it is the result."""


class ConnectionAttempt:
    """A TCP connection that is being made; it is tried once, because TCP repeats what gets lost."""

    events = select.POLLOUT

    def __init__(self, address: Address, timeout: float, options: SocketOptions = AS_USUAL) -> None:
        self.deadline = time.monotonic() + timeout
        self._timeout = timeout
        sock = options.open(address[0], socket.SOCK_STREAM)
        self._sock: socket.socket | None = sock
        sock.setblocking(False)
        try:
            sock.connect(address[1])
        except BlockingIOError:
            pass
        except OSError:
            sock.close()
            raise

    def fileno(self) -> int:
        """See Attempt."""
        return -1 if self._sock is None else self._sock.fileno()

    def ready(self) -> socket.socket | None:
        """Hand the connection over."""
        sock, self._sock = self._sock, None
        assert sock is not None  # noqa: S101 (it is asked once)
        if number := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            sock.close()
            raise OSError(number, os.strerror(number))
        sock.settimeout(self._timeout)
        return sock

    def deadline_reached(self) -> None:
        """Give up."""
        raise TimeoutError

    def close(self) -> None:
        """See Attempt."""
        if self._sock is not None:
            self._sock.close()


class Question:
    """A datagram that is sent again until something that `is_answer` comes back.

    A connected UDP socket hears its peer only, and of its ICMP errors (udp(7)). Each question has a port of
    its own, so that a late answer to an earlier question cannot be taken for an answer to this one.
    """

    events = select.POLLIN

    def __init__(
        self,
        sock: socket.socket,
        query: bytes,
        is_answer: Callable[[bytes], bool],
        timeout: float,
        tries: int,
    ) -> None:
        """Send the question on a connected socket, which is ours from now on."""
        self._query = query
        self._is_answer = is_answer
        self._timeout = timeout
        self._tries = tries
        self._sock = sock
        self._sock.setblocking(False)
        self._receiver = TimedReceiver(self._sock)
        try:
            self.deadline_reached()
        except OSError:
            self._sock.close()
            raise

    def fileno(self) -> int:
        """See Attempt."""
        return self._sock.fileno()

    def ready(self) -> Answer | None:
        """Take a datagram."""
        try:
            payload, came, _ = self._receiver.receive(RECEIVE_SIZE)
        except BlockingIOError:  # its checksum was wrong (select(2), BUGS)
            return None
        if not self._is_answer(payload):
            return None
        return Answer(payload, max(0.0, came - self._sent), self._sock.getsockname()[1])

    def deadline_reached(self) -> None:
        """Send the question, for the first time or again."""
        if not self._tries:
            raise TimeoutError
        self._tries -= 1
        self._sent = time.monotonic()
        self.deadline = self._sent + self._timeout
        self._sock.send(self._query)

    def close(self) -> None:
        """See Attempt."""
        self._sock.close()


def interleaved(addresses: Sequence[Address]) -> list[Address]:
    """Return the addresses so that the families take turns, each in its order (RFC 8305, section 4)."""
    families: dict[int, deque[Address]] = {}
    for address in addresses:
        families.setdefault(address[0], deque()).append(address)
    rounds = zip_longest(*families.values())
    return [address for one_of_each in rounds for address in one_of_each if address is not None]


class PassedOver(NamedTuple):
    """An address that was tried before the one that won."""

    address: Address
    error: OSError  # TimeoutError for a silent one


class Race(Generic[_Result]):
    """The tries that are under way. At `until` (monotonic clock) the race ends with TimeoutError."""

    def __init__(
        self,
        addresses: Sequence[Address],
        begin: Callable[[Address], Attempt[_Result]],
        until: float = math.inf,
    ) -> None:
        self.passed_over: list[PassedOver] = []
        self._waiting = deque(interleaved(addresses))
        self._begin = begin
        self._until = until
        self._running: dict[int, tuple[Address, Attempt[_Result]]] = {}  # by descriptor
        self._next_start = 0.0
        self._error: OSError = TimeoutError()

    def run(self) -> tuple[Address, _Result]:
        """Return the address that won, and its result.

        Raises the error of the address that failed last; a refusal says most and is preferred.
        """
        try:
            while self._waiting or self._running:
                now = time.monotonic()
                if now >= self._until:
                    raise TimeoutError
                self._start_next(now)
                self._meet_deadlines(now)
                for address, attempt in self._ready():
                    if (result := self._result_of(attempt)) is not None:
                        self._note_silence(attempt)
                        return address, result
            raise self._error
        finally:
            for _, attempt in self._running.values():
                attempt.close()

    def _start_next(self, now: float) -> None:
        """Start with the next address, if it is its turn."""
        while self._waiting and (not self._running or now >= self._next_start):
            self._next_start = now + ATTEMPT_DELAY
            address = self._waiting.popleft()
            try:
                attempt = self._begin(address)
            except OSError as error:
                self._note(address, error)
                continue
            self._running[attempt.fileno()] = address, attempt

    def _meet_deadlines(self, now: float) -> None:
        for _, attempt in list(self._running.values()):
            if attempt.deadline <= now:
                try:
                    attempt.deadline_reached()
                except OSError as error:
                    self._drop(attempt, error)

    def _ready(self) -> list[tuple[Address, Attempt[_Result]]]:
        """Sleep until something has happened or is due; the tries that something has happened to."""
        poll = select.poll()
        for descriptor, (_, attempt) in self._running.items():
            poll.register(descriptor, attempt.events)
        dues = [self._until, *(attempt.deadline for _, attempt in self._running.values())]
        if self._waiting:
            dues.append(self._next_start)
        left = min(dues) - time.monotonic() if self._running else 0.0
        ready = poll.poll(max(0, math.ceil(left * 1000)))
        return [self._running[descriptor] for descriptor, _ in ready]

    def _result_of(self, attempt: Attempt[_Result]) -> _Result | None:
        try:
            return attempt.ready()
        except OSError as error:
            self._drop(attempt, error)
            return None

    def _drop(self, attempt: Attempt[_Result], error: OSError) -> None:
        """Be done with an address, and let the next one start at once."""
        failed = next(address for address, other in self._running.values() if other is attempt)
        self._running = {key: pair for key, pair in self._running.items() if pair[1] is not attempt}
        attempt.close()
        self._next_start = 0.0
        self._note(failed, error)

    def _note_silence(self, winner: Attempt[_Result]) -> None:
        """Note the addresses that were tried before the one that has won, and have said nothing so far."""
        before = takewhile(lambda pair: pair[1] is not winner, self._running.values())
        self.passed_over += [PassedOver(address, TimeoutError()) for address, _ in before]

    def _note(self, address: Address, error: OSError) -> None:
        self.passed_over.append(PassedOver(address, error))
        if not isinstance(self._error, ConnectionRefusedError):
            self._error = error
