"""The wall clock. It dates logs and requests; durations are measured with the monotonic clock."""

import select
from datetime import UTC, datetime


def wall_clock() -> float:
    """Return the seconds since the epoch."""
    return datetime.now(UTC).timestamp()


def await_next_second() -> None:
    """Wait for the next full second.

    Requests carry whole seconds, and we refuse those from before our start. If we start in a new second, none
    that an earlier process accepted can be replayed to us.
    """
    now = wall_clock()
    while int(wall_clock()) == int(now):
        select.select((), (), (), 1 - wall_clock() % 1)
