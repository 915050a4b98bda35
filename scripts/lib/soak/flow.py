"""Load: kinds of traffic, each on a thread of its own, turn after turn, with every answer checked."""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from scripts.lib.soak.place import Place, Wrong

MAX_FAILURES = 20  # told one by one; the rest are only counted


class Flow:
    """One kind of traffic. What goes wrong in a turn is an exception; another flow takes over then."""

    def __init__(self, place: Place, rng: random.Random) -> None:
        self.place = place
        self.rng = rng
        self.counts: Counter[str] = Counter()  # what was sent and what came back, for the books

    def open(self) -> None:
        """Prepare for the first turn."""

    def turn(self) -> None:
        """Ask something and check what comes back."""
        raise NotImplementedError

    def close(self) -> None:
        """Close what is open, were it only a half of it."""


@dataclass
class Record:
    """The result of one kind of traffic."""

    turns: int = 0
    slowest: float = 0.0  # seconds that a turn has taken
    counts: Counter[str] = field(default_factory=Counter)


class Failures:
    """The failures, each with its time."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._lock = threading.Lock()
        self.told: list[str] = []
        self.count = 0

    def add(self, where: str, what: object) -> None:
        """Note one."""
        with self._lock:
            self.count += 1
            if len(self.told) < MAX_FAILURES:
                kind = "" if isinstance(what, Wrong | str) else f"{type(what).__name__}: "
                self.told.append(f"{time.monotonic() - self._begun:8.1f} s  {where}: {kind}{what}")


class Load:
    """Run all flows until the block ends. A fault can pause them."""

    def __init__(self, place: Place, kinds: Sequence[type[Flow]], failures: Failures) -> None:
        self.records = {kind.__name__: Record() for kind in kinds}
        self.extra: Counter[str] = Counter()  # what faults have sent
        self._kinds = kinds
        self._place = place
        self._failures = failures
        self.pause = 0.0  # seconds between two turns of a flow
        self._gate = threading.Condition()
        self._hushed = False
        self._busy = 0
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._over.clear()
        self._threads = [
            threading.Thread(target=self._repeat, args=(kind,), name=kind.__name__) for kind in self._kinds
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    @contextmanager
    def hushed(self) -> Iterator[None]:
        """Let all finish their turn, and nobody begin another one before the block ends."""
        with self._gate:
            self._hushed = True
            self._gate.wait_for(lambda: not self._busy)
        try:
            yield
        finally:
            with self._gate:
                self._hushed = False
                self._gate.notify_all()

    def rest(self, seconds: float) -> None:
        """Wait, while the load goes on."""
        self._over.wait(seconds)

    def total(self) -> Counter[str]:
        """Return the counts of all flows and faults."""
        return sum((record.counts for record in self.records.values()), self.extra)

    def _repeat(self, kind: type[Flow]) -> None:
        """One flow after the other: there is a second one only if the first comes upon something wrong."""
        record = self.records[kind.__name__]
        while not self._over.is_set():
            flow = kind(self._place, self._place.rng(kind.__name__, record.turns))
            try:
                flow.open()
                while not self._over.is_set():
                    self._take_turn(flow, record)
                    self._over.wait(self.pause)
            except Exception as error:  # a defect of the flow itself would end the load unseen
                self._failures.add(kind.__name__, error)
                self._over.wait(1.0)
            finally:
                with suppress(OSError):
                    flow.close()
                record.counts.update(flow.counts)

    def _take_turn(self, flow: Flow, record: Record) -> None:
        with self._gate:
            self._gate.wait_for(lambda: not self._hushed)
            self._busy += 1
        begun = time.monotonic()
        try:
            flow.turn()
        finally:
            record.turns += 1
            record.slowest = max(record.slowest, time.monotonic() - begun)
            with self._gate:
                self._busy -= 1
                self._gate.notify_all()
