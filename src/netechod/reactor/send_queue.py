"""What waits to be sent from one datagram socket, in the order in which it is to leave."""

from collections import deque
from collections.abc import Sequence

from netechod.reactor.datagram_io import BATCH, FanOut
from netechod.services.api import Datagram, Peer


class SendQueue:
    """Datagrams in portions that one system call can send; what came as a portion stays one."""

    def __init__(self) -> None:
        self._portions: deque[Sequence[Datagram]] = deque()
        self._open: list[Datagram] = []  # the last portion, while single datagrams may still join it
        self.size = 0  # datagrams

    def add(self, payload: bytes, peer: Peer) -> None:
        """Add one datagram."""
        if not self._open or len(self._open) == BATCH:
            self._open = []
            self._portions.append(self._open)
        self._open.append((payload, peer))
        self.size += 1

    def add_all(self, datagrams: Sequence[Datagram] | FanOut) -> None:
        """Add many, which nobody changes from now on."""
        self._open = []
        self.size += len(datagrams)
        if 0 < len(datagrams) <= BATCH:
            self._portions.append(datagrams)
            return
        for start in range(0, len(datagrams), BATCH):
            self._portions.append(datagrams[start : start + BATCH])

    def first(self) -> Sequence[Datagram]:
        """The portion whose turn it is. There has to be one."""
        return self._portions[0]

    def drop(self, count: int) -> None:
        """Forget the first `count` datagrams: they have left, or never will."""
        self.size -= count
        while count > 0:
            portion = self._portions.popleft()
            if portion is self._open:
                self._open = []
            if count < len(portion):
                self._portions.appendleft(portion[count:])
            count -= len(portion)
