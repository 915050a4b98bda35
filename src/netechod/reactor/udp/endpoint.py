"""A datagram socket and the service behind it."""

import socket
from collections.abc import Sequence

from netechod.reactor.loop import Callback, Loop, Timer
from netechod.reactor.udp.budget import BATCH, SEND_LIMIT, SEND_PATIENCE
from netechod.reactor.udp.datagram_io import DatagramIO
from netechod.reactor.udp.error_queue import ErrorQueue
from netechod.reactor.udp.outbox import TRIES, ServiceOutbox, UdpOutbox
from netechod.services.api import Datagram, DatagramService

HEARINGS = (
    64  # turns for which a deadline waits while whole batches come: who spoke in time is heard before it
)
DRAIN_BATCHES = 64  # batches that are still answered when the endpoint closes


class UdpEndpoint(UdpOutbox):
    """Takes batches from the socket to the service, and its answers back. It is the service's outbox.

    Nothing is received while answers wait for more than one turn. But when they wait for the kernel,
    reading goes on.

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
        super().__init__(loop, sock, io, errors)
        self._fd = sock.fileno()
        self._service = service
        self.out: ServiceOutbox = (
            self  # what the service is given; a group's, if the socket is one of several
        )
        self._more = False  # the last batch was a whole one
        self._timer: Timer | None = None
        self._hearings = 0
        self._pause = 0.0
        self._pausing: Timer | None = None  # set while questions gather
        self._on_readable: Callback | None = self._receive
        self._watch()

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
        if (self._queue.size or self.out is not self) and self.out.is_full:
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
