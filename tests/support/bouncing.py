"""The loop guard as admission uses it, and nothing else of admission."""

from collections.abc import Sequence

from netechod.services.admission.loop_guard import LoopGuard
from netechod.services.api import Datagram


class Watcher:
    """Show batches to a loop guard, and say which datagrams it drops."""

    def __init__(self, limit: int, min_samples: int = 0) -> None:
        self.guard = LoopGuard(min_samples)
        self.guard.limit = limit

    def find(self, batch: Sequence[Datagram], now: float = 0.0) -> set[int]:
        """Return the places in the batch of what is dropped."""
        passed = self.guard.passes(batch, now)
        rest = enumerate(batch[passed:], passed)
        return {place for place, datagram in rest if self.guard.drops(datagram, fast=True)}
