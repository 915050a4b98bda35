"""The sending half of a datagram socket: a queue, a budget for each turn, and a wait for a full kernel."""

import socket
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Protocol

from netechod.reactor.counters import UdpCounters
from netechod.reactor.loop import Loop, Timer
from netechod.reactor.udp.budget import BATCH, QUEUE_LIMIT, SEND_LIMIT, SEND_PATIENCE
from netechod.reactor.udp.datagram_io import DatagramIO, FanOut
from netechod.reactor.udp.error_queue import ErrorQueue
from netechod.reactor.udp.send_queue import SendQueue
from netechod.services.api import Datagram, Outbox, Peer

TRIES = 64  # times that a call is repeated whose failure may concern another peer


class ServiceOutbox(Outbox, Protocol):
    """The outbox of all sockets of a service."""

    @property
    def is_full(self) -> bool:
        """Return whether answers for more than one turn wait. Until they have left, none is received."""
        ...

    @property
    def may_have_more(self) -> bool:
        """Return whether the kernel may hold more datagrams than were received this turn."""
        ...


class UdpOutbox(ServiceOutbox):
    """Queues datagrams and sends them: SEND_LIMIT a turn, the rest in the next turns.

    While the kernel takes none, the queue does not wait for long: one slow destination would hold up all
    others. The datagrams that have waited longest are dropped, and `on_dropped` is called with their number.
    """

    def __init__(self, loop: Loop, sock: socket.socket, io: DatagramIO, errors: ErrorQueue | None) -> None:
        self._loop = loop
        self._sock = sock
        self._io = io
        self._errors = errors
        self._queue = SendQueue()
        self._turn = 0
        self._left = SEND_LIMIT  # datagrams that may still be sent this turn
        self._failures = 0  # of calls for the datagram that is next
        self._flush_asked = False
        self._waiting = False  # the rest of the queue waits for the next turn, or for the kernel
        self._blocked: Timer | None = None  # set while the kernel takes none
        self.on_dropped: Callable[[int], object] = lambda count: None
        self.counters = UdpCounters()

    @property
    def is_full(self) -> bool:
        """See ServiceOutbox."""
        return self._queue.size > SEND_LIMIT and self._blocked is None

    @property
    def queued(self) -> int:
        """The number of datagrams that wait to be sent."""
        return self._queue.size

    def send(self, payload: bytes, peer: Peer) -> None:
        """See Outbox."""
        self._queue.add(payload, peer)
        self._ask_for_flush()

    def send_all(self, datagrams: Sequence[Datagram]) -> None:
        """See Outbox."""
        self._send_or_queue(datagrams, self._io.send)

    def send_back(self, batch: Sequence[Datagram]) -> None:
        """See Outbox."""
        self._send_or_queue(batch, self._io.send_back)

    def broadcast(self, payload: bytes, peers: Sequence[Peer]) -> None:
        """See Outbox."""
        self._send_or_queue(FanOut(payload, peers), self._io.send)

    @abstractmethod
    def _watch(self) -> None:
        """Have `_on_writable` called while `_waiting`."""

    def _may_concern_another(self) -> bool:
        """Return whether a failed call may have met an ICMP error about an earlier datagram."""
        return self._errors is not None and self._errors.drain()

    def _send_or_queue(
        self, datagrams: Sequence[Datagram], send: Callable[[Sequence[Datagram]], int]
    ) -> None:
        """Send a batch at once if none waits before it. Queue what the kernel does not take."""
        count = len(datagrams)
        if self._turn != self._loop.turns:
            self._turn, self._left = self._loop.turns, SEND_LIMIT
        if not self._queue.size and 0 < count <= BATCH and count <= self._left:
            try:
                sent = send(datagrams)
            except OSError:
                sent = 0  # the datagrams are queued, and a later call fails with the same error
            self._left -= sent
            self._loop.work += sent
            self.counters.sent += sent
            if sent == count:
                return
            datagrams = datagrams[sent:] if sent else datagrams
        self._queue.add_all(datagrams)
        self._ask_for_flush()

    def _ask_for_flush(self) -> None:
        if not self._flush_asked:
            self._flush_asked = True
            self._loop.call_before_sleep(self._flush)
        if self._queue.size > QUEUE_LIMIT:
            self._overflow(self._queue.size - QUEUE_LIMIT)

    def _flush(self) -> None:
        """Send at the end of a batch or of a turn, unless the queue is waiting already."""
        self._flush_asked = False
        if self._waiting or not self._queue.size:
            return
        self._send()
        if self._queue.size:
            self._waiting = True
            self._watch()

    def _on_writable(self) -> None:
        self._send()
        self._stop_waiting()

    def _stop_waiting(self) -> None:
        if not self._queue.size:
            self._waiting = False
            self._watch()

    def _send(self) -> None:
        """Send datagrams within the budget of the turn, until the kernel takes no more for now."""
        if self._turn != self._loop.turns:
            self._turn, self._left = self._loop.turns, SEND_LIMIT
        queue, left = self._queue, self._left
        begun = left
        while queue.size and left > 0:
            try:
                sent = self._io.send(queue.first(left))
            except BlockingIOError:
                self._note_blocked()
                break
            except InterruptedError:
                left -= 1
            except OSError:
                left -= 1
                self._note_failure()
            else:
                self.counters.sent += sent
                queue.drop(sent)
                left -= sent
                self._failures = 0
                if self._blocked is not None:
                    self._blocked.cancel()
                    self._blocked = None
        self._left = left
        self._loop.work += begun - left

    def _note_failure(self) -> None:
        """Drop the first datagram, unless the call may have failed because of another peer."""
        self._failures += 1
        if self._failures == TRIES or not self._may_concern_another():
            self._failures = 0
            self.counters.send_errors += 1  # no route, a firewall, port 0: UDP allows it
            self._queue.drop(1)

    def _note_blocked(self) -> None:
        """The kernel takes none. The datagrams in the queue may wait for SEND_PATIENCE from now on."""
        if self._blocked is None:
            self.counters.blocked += 1
            self._queue.mark()
            self._blocked = self._loop.call_at(self._loop.now + SEND_PATIENCE, self._on_out_of_patience)

    def _on_out_of_patience(self) -> None:
        """Drop the datagrams that have waited for SEND_PATIENCE, and wait with the rest."""
        self._overflow(self._queue.marked)
        self._blocked = None
        if self._queue.size:
            self._queue.mark()
            self._blocked = self._loop.call_at(self._loop.now + SEND_PATIENCE, self._on_out_of_patience)
        self._stop_waiting()

    def _overflow(self, count: int) -> None:
        """Drop the first `count` datagrams."""
        if count > 0:
            self.counters.overflowed += count
            self._queue.drop(count)
            if self._blocked is not None:
                self.on_dropped(count)
