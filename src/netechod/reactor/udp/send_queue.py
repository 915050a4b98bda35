"""The queue of datagrams that wait to be sent from one socket."""

from collections import deque
from collections.abc import Sequence

from netechod.reactor.udp.budget import BATCH
from netechod.reactor.udp.datagram_io import FanOut
from netechod.services.api import Datagram, Peer


class SendQueue:
    """Datagrams in portions, in their order. A portion for one system call is handed out as it came."""

    def __init__(self) -> None:
        self._portions: deque[Sequence[Datagram]] = deque()
        self._sent = 0  # datagrams of the first portion that have left
        self._open: list[Datagram] = []  # the last portion, while single datagrams may still be added to it
        self.size = 0  # datagrams
        self.marked = 0  # datagrams at the front that were there at `mark`; 0 or less if none is left

    def add(self, payload: bytes, peer: Peer) -> None:
        """Add one datagram."""
        if not self._open or len(self._open) == BATCH:
            self._open = []
            self._portions.append(self._open)
        self._open.append((payload, peer))
        self.size += 1

    def add_all(self, datagrams: Sequence[Datagram] | FanOut) -> None:
        """Add many datagrams. The sequence must not change afterwards."""
        self._open = []
        if datagrams:
            self.size += len(datagrams)
            self._portions.append(datagrams)

    def first(self, limit: int = BATCH) -> Sequence[Datagram]:
        """Return the next datagrams, BATCH and `limit` at most. The queue must not be empty."""
        portion, sent = self._portions[0], self._sent
        most = limit if limit < BATCH else BATCH  # min() takes four times as long
        if not sent and len(portion) <= most:
            return portion
        return portion[sent : sent + most]

    def drop(self, count: int) -> None:
        """Remove the first `count` datagrams, which have left or are given up."""
        self.size -= count
        self.marked -= count
        sent = self._sent + count
        while self._portions and sent >= len(self._portions[0]):
            portion = self._portions.popleft()
            sent -= len(portion)
            if portion is self._open:
                self._open = []
        self._sent = sent

    def mark(self) -> None:
        """Mark all datagrams in the queue. `marked` counts those of them that are left."""
        self.marked = self.size
