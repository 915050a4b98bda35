"""The loop guard of admission alone."""

from collections.abc import Sequence

from netechod.services.api import Datagram, Peer
from netechod.services.bounces import Bounces


class Watcher:
    """Looks at batches, as admission does, and says which datagrams come once too often."""

    def __init__(self, limit: int, min_looks: int = 0) -> None:
        self._limit = limit
        self._bounces = Bounces(min_looks)
        self._marks: dict[Peer, int] = {}

    def find(self, batch: Sequence[Datagram]) -> set[int]:
        """The places in the batch of what is dropped."""
        bounces = self._bounces
        bounces.skip -= len(batch)
        suspect = bounces.suspect(batch, self._limit) if bounces.skip < 0 else None
        return {
            place
            for place, datagram in enumerate(batch)
            if place == suspect or self._bounces.ends_row(datagram, self._marks, self._limit)
        }
