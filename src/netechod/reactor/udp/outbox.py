"""The sending half of a datagram socket: a queue, a budget for each turn, and patience with a full kernel."""

import socket
from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
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
        """Whether answers wait for more than one turn. Until they have left, nothing is received."""
        ...

    @property
    def may_have_more(self) -> bool:
        """Whether more may wait in the kernel than was received this turn."""
        ...


class UdpOutbox(ServiceOutbox):
    """Queues datagrams and sends them: so many a turn, the rest in the next turns.

    A kernel that takes nothing does not keep the queue for long: one destination that holds the socket up
    would stop all others. The datagrams that have waited longest are dropped then, and `on_dropped` is told
    how many.
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
        self._waiting = False  # for the next turn, or for the kernel, to send the rest of the queue
        self._blocked: Timer | None = None  # set while the kernel takes nothing
        self.on_dropped: Callable[[int], object] = lambda count: None
        self.counters = UdpCounters()

    @property
    def is_full(self) -> bool:
        """See ServiceOutbox."""
        return self._queue.size > SEND_LIMIT and self._blocked is None

    def send(self, payload: bytes, peer: Peer) -> None:
        """See Outbox."""
        self._queue.add(payload, peer)
        self._ask_for_flush()

    def send_all(self, datagrams: Sequence[Datagram]) -> None:
        """See Outbox."""
        self._queue.add_all(datagrams)
        self._ask_for_flush()

    def send_back(self, batch: Sequence[Datagram]) -> None:
        """See Outbox. It leaves at once, as far as the kernel takes it, since nothing waits before it."""
        sent = 0
        if not self._queue.size and self._budget() >= len(batch):
            with suppress(OSError):  # the queue finds out why
                sent = self._io.send_back(batch)
            self._spend(sent)
            self.counters.sent += sent
        if sent < len(batch):
            self.send_all(batch[sent:] if sent else batch)

    def broadcast(self, payload: bytes, peers: Sequence[Peer]) -> None:
        """See Outbox."""
        self._queue.add_all(FanOut(payload, peers))
        self._ask_for_flush()

    @abstractmethod
    def _watch(self) -> None:
        """Have `_on_writable` called while `_waiting`."""

    def _may_concern_another(self) -> bool:
        """Return whether a failed call may have met the error of a datagram sent earlier, to whomever."""
        return self._errors is not None and self._errors.drain()

    def _ask_for_flush(self) -> None:
        if not self._flush_asked:
            self._flush_asked = True
            self._loop.call_before_sleep(self._flush)
        if self._queue.size > QUEUE_LIMIT:
            self._overflow(self._queue.size - QUEUE_LIMIT)

    def _flush(self) -> None:
        """Send at the end of a batch or of a turn, unless the queue waits already."""
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

    def _budget(self) -> int:
        """Return how many datagrams may still be sent this turn."""
        if self._turn != self._loop.turns:
            self._turn, self._left = self._loop.turns, SEND_LIMIT
        return self._left

    def _spend(self, count: int) -> None:
        self._left -= count
        self._loop.work += count

    def _send(self) -> None:
        """Send what this turn may send, until the kernel takes no more for now."""
        queue, left = self._queue, self._budget()
        begun = left
        while queue.size and left > 0:
            try:
                sent = self._io.send(queue.first(min(BATCH, left)))
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
        self._spend(begun - left)

    def _note_failure(self) -> None:
        """Drop the first datagram, unless the call may have failed for another peer's sake."""
        self._failures += 1
        if self._failures == TRIES or not self._may_concern_another():
            self._failures = 0
            self.counters.send_errors += 1  # no route, a firewall, port 0: UDP allows it
            self._queue.drop(1)

    def _note_blocked(self) -> None:
        """The kernel takes nothing. What waits now may wait for SEND_PATIENCE."""
        if self._blocked is None:
            self.counters.blocked += 1
            self._queue.mark()
            self._blocked = self._loop.call_at(self._loop.now + SEND_PATIENCE, self._on_out_of_patience)

    def _on_out_of_patience(self) -> None:
        """Drop what has waited since the kernel took the last datagram, and wait with the rest."""
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
