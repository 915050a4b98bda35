"""A datagram socket and the service behind it."""

import socket
from collections.abc import Sequence
from contextlib import suppress

from netechod.linux import MEMINFO_DROPS, SO_MEMINFO
from netechod.reactor.loop import Callback, Loop, Timer
from netechod.reactor.port_sharing import leave_datagrams
from netechod.reactor.udp.budget import BATCH, SEND_LIMIT, SEND_PATIENCE
from netechod.reactor.udp.datagram_io import DatagramIO
from netechod.reactor.udp.error_queue import ErrorQueue
from netechod.reactor.udp.outbox import TRIES, ServiceOutbox, UdpOutbox
from netechod.services.api import Datagram, DatagramService

HEARINGS = 64  # turns that a deadline waits, while whole batches come, for datagrams that came before it
DRAIN_BATCHES = 64  # batches that are still answered when the endpoint closes


class UdpEndpoint(UdpOutbox):
    """Takes batches from the socket to the service, and its answers back. It is the service's outbox.

    It receives no datagrams while answers for more than one turn wait. But while they wait for a full kernel,
    it goes on receiving.

    With `errors`, a call may fail because of an ICMP error about another peer. Such a call is repeated.
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
        self.out: ServiceOutbox = self  # a group sets its own
        self._more = False  # the last batch was a full one
        self._timer: Timer | None = None
        self._hearings = 0
        self._pause = 0.0
        self._pausing: Timer | None = None  # set during a pause of `gather`
        self._on_readable: Callback | None = self._receive
        self._watch()

    @property
    def may_have_more(self) -> bool:
        """See ServiceOutbox."""
        return self._more

    @property
    def kernel_drops(self) -> int:
        """Datagrams that the kernel has dropped since the socket was made: its buffer was full (socket(7)).

        The kernel tells it whenever it is asked, so a datagram costs nothing more (SO_RXQ_OVFL would).
        """
        try:
            numbers = memoryview(self._sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 64)).cast("I")
        except OSError:  # a system without it
            return 0
        return numbers[MEMINFO_DROPS]

    def gather(self, pause: float) -> None:
        """Wait `pause` seconds after each read before reading again, unless a full batch has been read.

        For a service with expensive requests: under load it then interrupts the others at most once per
        pause.
        """
        self._pause = pause
        self._on_readable = self._receive_and_pause
        self._watch()

    def stop_receiving(self) -> None:
        """Leave further datagrams in the kernel."""
        self._on_readable = None
        self._more = False
        self._watch()

    def leave_port(self) -> None:
        """Leave datagrams that have yet to come to the other sockets on this port."""
        leave_datagrams(self._sock)

    def drain(self, until: float) -> None:
        """Answer the datagrams that have arrived, then close.

        Stop earlier at the time `until`, or when the kernel takes no more.
        """
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
        self._io.close()
        self._sock.close()

    def _watch(self) -> None:
        self._loop.watch(
            self._fd,
            None if self._pausing else self._on_readable,
            self._on_writable if self._waiting else None,
        )

    def _receive(self) -> int:
        """Receive one batch, pass it to the service, and send the answers. Return the size of the batch."""
        if (self._queue.size or self.out is not self) and self.out.is_full:
            return 0
        try:
            batch = self._io.receive()
        except OSError:
            batch = self._receive_again()
        count = len(batch)
        self._more = count == BATCH
        if count:
            self.counters.received += count
            self._loop.work += count
            self._flush_asked = True  # the flush comes at the end of this batch
            self._service.datagrams_received(batch, self._loop.now, self.out)
            self._flush_asked = False
            if self._queue.size:
                self._flush()
            self.set_timer()
        elif self._errors is not None:
            self._errors.drain()  # the report of an error that a call has met still wakes us
        return count

    def _receive_again(self) -> Sequence[Datagram]:
        """Repeat a call that has failed, while it may have failed because of another peer."""
        for _ in range(TRIES - 1):
            if not self._may_concern_another():
                self.counters.receive_errors += 1  # a failed checksum, or a lack of memory
                break
            with suppress(OSError):
                return self._io.receive()
        return ()

    def _receive_and_pause(self) -> None:
        """Receive one batch, then pause, unless the batch was a full one."""
        if self._receive() < BATCH and not self.out.is_full:
            self._pausing = self._loop.call_at(self._loop.now + self._pause, self._on_pause_over)
            self._watch()

    def _on_pause_over(self) -> None:
        self._pausing = None
        self._watch()

    def set_timer(self) -> None:
        """Set a timer for the service's next deadline. A timer that comes too soon sets itself again."""
        deadline = self._service.next_deadline()
        if deadline is None or (self._timer is not None and self._timer.when <= deadline):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._on_deadline)

    def _on_deadline(self) -> None:
        """Call the service at its deadline, but first pass on the datagrams that came before it.

        A process that was stopped or starved is late itself, and finds full batches. The call also waits
        until the queue has room for what the service sends.
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
