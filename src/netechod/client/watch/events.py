"""What the watch tells, and whom."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import NamedTuple

from netechod.client.watch.watched import Watched


class Kind(Enum):
    """What has happened to a target. Programs read these words: they are the same in all languages."""

    UP = "up"  # it has answered for the first time
    DOWN = "down"
    BACK = "back"  # it has answered after an outage
    MOVED = "moved"  # its name has another address, or another of its addresses is tried
    UNRESOLVED = "unresolved"


class Event(NamedTuple):
    """Something that has happened to a target."""

    kind: Kind
    watched: Watched
    at: datetime
    seconds: float = 0.0  # the round trip of the first answer, or the length of the outage
    reason: str = ""  # of the last loss, or of the failed resolution
    losses: int = 0  # in the outage


class Sample(NamedTuple):
    """The outcome of a probe."""

    watched: Watched
    number: int
    sent: datetime
    outcome: str  # answered, lost, late or duplicate
    seconds: float | None
    reason: str = ""
    damaged: int = 0  # bytes of the answer that are not as they were sent


class Recorder:
    """Is told what happens. This one does nothing."""

    wants_samples = False

    def begin(self, all_watched: Sequence[Watched]) -> None:
        """Note what is watched."""

    def sampled(self, sample: Sample) -> None:
        """Note the outcome of a probe. It is only called if `wants_samples`."""

    def happened(self, event: Event) -> None:
        """Note an event."""

    def end(self, all_watched: Sequence[Watched]) -> None:
        """Note the end."""
