"""Admission: who may be answered. Wraps any datagram service."""

from collections.abc import Callable, Sequence

from netechod.services.api import Datagram, DatagramService, Outbox, Peer


class Admission:
    """Passes on what admitted peers sent and drops the rest without an answer, counted in `refused`."""

    def __init__(self, service: DatagramService, *, admits: Callable[[Peer], bool]) -> None:
        self._service = service
        self._admits = admits
        self.refused = 0
        self.next_deadline = service.next_deadline
        self.deadline_reached = service.deadline_reached

    def datagrams_received(self, batch: Sequence[Datagram], now: float, out: Outbox) -> None:
        """Hand over the admitted part of the batch."""
        admitted = [datagram for datagram in batch if self._admits(datagram[1])]
        self.refused += len(batch) - len(admitted)
        self._service.datagrams_received(admitted, now, out)
