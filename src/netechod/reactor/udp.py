"""A datagram socket and the service behind it."""

import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from netechod.reactor.budget import BATCH, QUEUE_LIMIT, SEND_LIMIT, SEND_PATIENCE
from netechod.reactor.counters import UdpCounters
from netechod.reactor.datagram_io import DatagramIO, FanOut
from netechod.reactor.error_queue import ErrorQueue
from netechod.reactor.loop import Callback, Loop, Timer
from netechod.reactor.send_queue import SendQueue
from netechod.services.api import Datagram, DatagramService, Outbox, Peer

TRIES = 64  # times that a call is repeated whose failure may concern another peer
HEARINGS = (
    64  # turns for which a deadline waits while whole batches come: who spoke in time is heard before it
)
DRAIN_BATCHES = 64  # batches that are still answered when the endpoint closes


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


class UdpEndpoint(ServiceOutbox):
    """Takes batches from the socket to the service, and its answers back. It is the service's outbox.

    A turn has a budget, see `budget`. What is left of the answers leaves in the next turns, and nothing is
    received meanwhile. But a kernel that takes no answers does not stop the reading: one destination that
    holds the socket up would stop all. Then the answers that have waited longest are dropped, and
    `on_dropped` is told how many.

    With `errors`, calls fail since another peer's host has reported an error. Those calls are repeated.
    """

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        io: DatagramIO,
        service: DatagramService,
        errors: ErrorQueue | None = None,
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._fd = sock.fileno()
        self._io = io
        self._service = service
        self._errors = errors
        self.out: ServiceOutbox = (
            self  # what the service is given; a group's, if the socket is one of several
        )
        self.on_dropped: Callable[[int], object] = lambda count: None
        self._queue = SendQueue()
        self._turn = 0
        self._left = SEND_LIMIT  # datagrams that may still be sent this turn
        self._failures = 0  # of calls for the datagram that is next
        self._flush_asked = False
        self._waiting = False  # for the next turn, or for the kernel, to send the rest of the queue
        self._blocked: Timer | None = None  # set while the kernel takes nothing
        self._more = False  # the last batch was a whole one
        self._timer: Timer | None = None
        self._hearings = 0
        self._pause = 0.0
        self._pausing: Timer | None = None  # set while questions gather
        self._on_readable: Callback | None = self._receive
        self.counters = UdpCounters()
        self._watch()

    @property
    def is_full(self) -> bool:
        """See ServiceOutbox."""
        return self._queue.size > SEND_LIMIT and self._blocked is None

    @property
    def may_have_more(self) -> bool:
        """See ServiceOutbox."""
        return self._more

    def gather(self, pause: float) -> None:
        """After a question, let those that follow gather for `pause` seconds before they are received.

        This is for a service that takes long over each. However many come, it interrupts the others as
        rarely as for a few.
        """
        self._pause = pause
        self._on_readable = self._receive_and_pause
        self._watch()

    def stop_receiving(self) -> None:
        """Leave in the kernel what comes from now on."""
        self._on_readable = None
        self._more = False
        self._watch()

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

    def drain(self, until: float) -> None:
        """Answer what has arrived, until the time `until` or until the kernel takes no more, and close."""
        batches = DRAIN_BATCHES if self._on_readable is None else 0
        while self._loop.clock() < until:
            self._loop.turns += 1  # each pass has the budget of a turn
            received = self._receive() if batches < DRAIN_BATCHES else 0
            batches += bool(received)
            self._send()
            if not received and (self._blocked or not self._queue.size):
                break
        self.close()

    def close(self) -> None:
        """Close the socket."""
        for timer in filter(None, (self._timer, self._pausing, self._blocked)):
            timer.cancel()
        if self._errors is not None:
            self._errors.close()
        self._queue.drop(self._queue.size)
        self._loop.unwatch(self._fd)
        self._sock.close()

    def _watch(self) -> None:
        self._loop.watch(
            self._fd,
            None if self._pausing else self._on_readable,
            self._on_writable if self._waiting else None,
        )

    def _receive(self) -> int:
        """Take one batch to the service, and send what it answers. Return the size of the batch."""
        if self.out.is_full:
            return 0
        batch = self._taken()
        count = len(batch)
        self._more = count == BATCH
        if count:
            self.counters.received += count
            self._loop.work += count
            self._flush_asked = True  # the flush comes at the end of this batch
            self._service.datagrams_received(batch, self._loop.now, self.out)
            self._flush()
            self.set_timer()
        return count

    def _taken(self) -> Sequence[Datagram]:
        """Receive one batch. A failure that may concern another peer is no reason not to look again."""
        for _ in range(TRIES):
            try:
                batch = self._io.receive()
            except OSError:  # a failed checksum, or a lack of memory, concerns this call alone
                if not self._may_concern_another():
                    self.counters.receive_errors += 1
                    break
            else:
                if not batch and self._errors is not None:
                    self._errors.drain()  # the report of an error that a call has met still wakes us
                return batch
        return ()

    def _receive_and_pause(self) -> None:
        """Receive one batch, then let questions gather, unless a whole batch says that they have."""
        if self._receive() < BATCH and not self.out.is_full:
            self._pausing = self._loop.call_at(self._loop.now + self._pause, self._on_pause_over)
            self._watch()

    def _on_pause_over(self) -> None:
        self._pausing = None
        self._watch()

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
        if not self._waiting:
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
                    self._unblock()
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

    def _unblock(self) -> None:
        if self._blocked is not None:
            self._blocked.cancel()
            self._blocked = None

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

    def set_timer(self) -> None:
        """Wait for the service's next deadline. A timer that comes too soon sets itself again."""
        deadline = self._service.next_deadline()
        if deadline is None or (self._timer is not None and self._timer.when <= deadline):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._on_deadline)

    def _on_deadline(self) -> None:
        """Tell the service that its time has come, but first hear who has spoken in time.

        A process that was stopped or starved comes late itself, and finds whole batches. And what the
        service sends at a deadline has to wait until there is room for it.
        """
        hear_first = self.out.may_have_more and self._hearings < HEARINGS
        if self.out.is_full or hear_first or self._queue.size > SEND_LIMIT:
            self._hearings += not self.out.is_full
            pause = 0.0 if self._blocked is None else SEND_PATIENCE
            self._timer = self._loop.call_at(self._loop.now + pause, self._on_deadline)
            return
        self._timer = None
        self._hearings = 0
        self._service.deadline_reached(self._loop.now, self.out)
        self.set_timer()
