"""A datagram socket and the service behind it."""

import socket
from collections.abc import Sequence

from netechod.reactor.counters import UdpCounters
from netechod.reactor.datagram_io import BATCH, DatagramIO, FanOut
from netechod.reactor.error_queue import ErrorQueue
from netechod.reactor.loop import Callback, Loop, Timer
from netechod.reactor.send_queue import SendQueue
from netechod.services.api import Datagram, DatagramService, Peer

FLUSH_LIMIT = 512  # datagrams sent from one socket per turn; the rest wait one turn, the others have theirs
OUTBOX_LIMIT = 65536  # datagrams waiting for the kernel; beyond it the oldest are dropped
DRAIN_TURNS = 64  # batches still answered when the endpoint closes, or before somebody counts as silent


class UdpEndpoint:
    """Takes batches from the socket to the service and its answers back. It is the service's outbox.

    While answers wait for the kernel no more questions are taken: they wait in the kernel's own queue.

    With `errors`, what the network reports of our answers makes calls fail that concern somebody else: those
    are repeated.
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
        self._queue = SendQueue()
        self._flush_asked = False
        self._timer: Timer | None = None
        self._pause = 0.0
        self._pausing: Timer | None = None  # set while questions gather
        self._on_readable: Callback = self._receive
        self.counters = UdpCounters()
        loop.watch(self._fd, self._on_readable)

    def gather(self, pause: float) -> None:
        """After a question, let those that follow gather for `pause` seconds before they are looked at.

        For a service that takes long over each: many then interrupt the others no more often than a few.
        """
        self._pause = pause
        self._on_readable = self._receive_and_pause
        self._loop.watch(self._fd, self._on_readable)

    def send(self, payload: bytes, peer: Peer) -> None:
        """See Outbox."""
        self._queue.add(payload, peer)
        self._ask_for_flush()

    def send_all(self, datagrams: Sequence[Datagram]) -> None:
        """See Outbox."""
        self._queue.add_all(datagrams)
        self._ask_for_flush()

    def broadcast(self, payload: bytes, peers: Sequence[Peer]) -> None:
        """See Outbox."""
        self._queue.add_all(FanOut(payload, peers))
        self._ask_for_flush()

    def drain(self) -> None:
        """Answer what has arrived, as far as the kernel takes the answers at once, and close."""
        for _ in range(DRAIN_TURNS):
            received = self._receive()
            self._send(OUTBOX_LIMIT)  # after the last look too: this turn's answers still wait for its end
            if not received:
                break
        self.close()

    def close(self) -> None:
        """Close the socket."""
        for timer in filter(None, (self._timer, self._pausing)):
            timer.cancel()
        self._queue.drop(self._queue.size)
        self._loop.unwatch(self._fd)
        self._sock.close()

    def _receive(self) -> int:
        """Take one batch to the service, and send what it answers; returns the size of the batch."""
        try:
            batch = self._io.receive()
        except OSError:  # a failed checksum, memory: this call's trouble alone
            if self._is_of_another():
                return self._receive()
            self.counters.receive_errors += 1
            return 0
        if batch:
            self.counters.received += len(batch)
            self._flush_asked = True  # the end of this turn is now
            self._service.datagrams_received(batch, self._loop.now, self)
            self._flush()
            self.set_timer()
        elif self._errors is not None:
            self._errors.drain()  # a send has met the error, and what is left of it keeps waking us
        return len(batch)

    def _receive_and_pause(self) -> None:
        """Take one batch, then let questions gather; a full batch means that they have."""
        if self._receive() < BATCH and not self._queue.size:
            self._loop.unwatch(self._fd)
            self._pausing = self._loop.call_at(self._loop.now + self._pause, self._on_pause_over)

    def _on_pause_over(self) -> None:
        self._pausing = None
        self._flush()  # what is queued may only wait for the end of this turn, or for the kernel
        if not self._queue.size:
            self._loop.watch(self._fd, self._on_readable)

    def _is_of_another(self) -> bool:
        """Whether the error of a call may be about a datagram sent earlier, so that the call is repeated."""
        return self._errors is not None and self._errors.drain()

    def _ask_for_flush(self) -> None:
        if not self._flush_asked:
            self._flush_asked = True
            self._loop.call_before_sleep(self._flush)
        if self._queue.size > OUTBOX_LIMIT:
            self._make_room()

    def _flush(self) -> None:
        """Send; with something left, take no questions until the kernel has taken the answers."""
        self._flush_asked = False
        self._send(FLUSH_LIMIT)
        if self._queue.size:
            self._flush_asked = True
            self._loop.watch(self._fd, None, self._flush_rest)

    def _flush_rest(self) -> None:
        self._send(FLUSH_LIMIT)
        if not self._queue.size:
            self._flush_asked = False
            self._loop.watch(self._fd, None if self._pausing else self._on_readable)

    def _send(self, limit: int) -> None:
        """Send up to `limit` datagrams, until the kernel takes no more for now."""
        queue, counters = self._queue, self.counters
        while queue.size and limit > 0:
            try:
                sent = self._io.send(queue.first())
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                limit -= 1
                if not self._is_of_another():
                    counters.send_errors += 1  # no route, a firewall, port 0: UDP allows it
                    queue.drop(1)
            else:
                counters.sent += sent
                queue.drop(sent)
                limit -= sent

    def _make_room(self) -> None:
        """The outbox is full: send at once; what the kernel does not take costs the oldest."""
        self._send(OUTBOX_LIMIT)
        excess = self._queue.size - OUTBOX_LIMIT
        if excess > 0:
            self.counters.overflowed += excess
            self._queue.drop(excess)

    def set_timer(self) -> None:
        """Be there at the service's next deadline; a timer that comes too soon sets itself again."""
        deadline = self._service.next_deadline()
        if deadline is None or (self._timer is not None and self._timer.when <= deadline):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._on_deadline)

    def _on_deadline(self) -> None:
        """Hear first who has spoken in time: a process that was stopped or starved comes too late itself."""
        self._timer = None
        for _ in range(DRAIN_TURNS):
            if self._receive() < BATCH:
                break
        self._service.deadline_reached(self._loop.now, self)
        self.set_timer()
