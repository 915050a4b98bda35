"""A target that is watched, and what is needed to reach it."""

import math
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Protocol

from netechod.client.resolver import Address
from netechod.client.watch.statistics import Statistics
from netechod.client.watch.targets import Target
from netechod.client.watch.thresholds import Finding, Status
from netechod.reactor.loop import Timer

RESOLVE_INTERVAL = 2.0  # seconds between two resolutions of a name, at first


class State(Enum):
    """The state of a target. Programs read these words: they are the same in all languages."""

    WAITING = "waiting"  # there was no answer yet, and not enough losses
    UP = "up"
    DOWN = "down"


class Watched:
    """A target, and what is known of it. Its transport calls `answered` and `failed`."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.statistics = Statistics()
        self.state = State.WAITING
        self.address: Address | None = None
        self.trouble = ""  # why there is no address, as a sentence
        self.waiting: dict[int, float] = {}  # when each probe was sent that has no outcome yet
        self.next_send = 0.0
        self.expiry: Timer | None = None
        self.resolves_at = -math.inf  # when the name may be resolved again
        self.resolve_interval = RESOLVE_INTERVAL
        self.is_resolving = False
        self.transport: Transport | None = None

    @property
    def where(self) -> str:
        """The address that is probed; empty if there is none."""
        return "" if self.address is None else str(self.address[1][0])

    def status(self, now: float) -> Status:
        """Return how it is by its thresholds, in the last minute."""
        if self.state is State.DOWN:
            return Status.CRITICAL
        minute = self.statistics.minute
        minute.forget(now)
        if not minute.answered + minute.lost:
            return Status.OK
        return self.target.limits.status(minute.mean, minute.loss)

    def finding(self) -> Finding:
        """Return how it is by its thresholds, in all."""
        counted, limits = self.statistics, self.target.limits
        if self.trouble and not counted.answered:
            return Finding(self.target.label, Status.UNKNOWN, None, 100.0, limits, self.trouble)
        mean = counted.times.mean
        if not counted.answered + counted.lost:
            return Finding(self.target.label, Status.UNKNOWN, mean, 0.0, limits)
        return Finding(self.target.label, limits.status(mean, counted.loss), mean, counted.loss, limits)


class Transport(Protocol):
    """Sends the probes of a target."""

    def send(self, number: int) -> str:
        """Send a probe. Return why it cannot be sent, a word of `kernel.REASONS`; empty if it can."""

    def timed_out(self) -> None:
        """Note that a probe was not answered in time."""

    def close(self) -> None:
        """Send no more."""


class Transports(Protocol):
    """Makes transports."""

    def open(self, watched: Watched, address: Address) -> Transport:
        """Return a transport of a target's probes to an address. Raises OSError."""


Resolved = Callable[[Sequence[Address], str], object]
"""Is called with the addresses of a name; or with none, and a sentence why."""


class Network(Transports, Protocol):
    """Makes transports, and resolves names."""

    def resolve(self, target: Target, resolved: Resolved) -> None:
        """Resolve the host of a target: at once if it is an address."""
