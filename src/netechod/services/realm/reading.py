"""What this node knows of its reading: where it is, how old an entry is, what does not come back."""

from collections import deque
from typing import TypeAlias

from netechod.services.realm.log import START, EntryId, Found

SLACK = 1e-6  # seconds by which a lease may end early: sums of times are not exact
RECENT = 64  # entries whose times are remembered, to measure the lag


Lines: TypeAlias = tuple[int, int]
"""An entry of ours by the number of its first line, and how many lines it has."""


class Listening:
    """Counts the seconds in which this node has read everything that the log holds.

    The leases of other nodes run by this clock. So nobody is lost because this node could not read.
    """

    def __init__(self) -> None:
        self._total = 0.0
        self._since: float | None = None

    @property
    def is_on(self) -> bool:
        """Whether the clock runs."""
        return self._since is not None

    def begin(self, now: float) -> None:
        """Let the clock run, if it does not."""
        if self._since is None:
            self._since = now

    def end(self, now: float) -> None:
        """Stop the clock, if it runs."""
        self._total = self.seconds(now)
        self._since = None

    def seconds(self, now: float) -> float:
        """Return the count."""
        return self._total if self._since is None else self._total + now - self._since


class LogClock:
    """Tells how old an entry is, by the log's own clock. Clocks of two machines are never compared.

    What is known of the log's clock are its answers to TIME and the ids that it gave to our entries. Between
    them it goes on by the loop's clock.
    """

    def __init__(self) -> None:
        self._ms = 0.0
        self._when = 0.0

    def set(self, ms: int, now: float) -> None:
        """Note that the log's clock shows `ms` now."""
        self._ms, self._when = ms, now

    def age(self, at: EntryId, now: float) -> float:
        """Return the age of an entry in seconds. It is negative if the id is ahead of the log's clock."""
        return (self._ms - at.ms) / 1000 + now - self._when


class Returns:
    """Compares the entries that the log has taken with those that were read. Times are those of Listening."""

    def __init__(self) -> None:
        self.lag = 0.0  # seconds from the making of the entry that came back last to its return
        self._made: deque[tuple[Lines, float]] = deque(maxlen=RECENT)
        self._seen = START  # the entry that came back last
        self._missing: tuple[EntryId, float] | None = None  # the first that did not, and when it was taken
        self._heard = 0.0  # when any entry was read last

    def restart(self) -> None:
        """Expect nothing of what was taken before: the connection is new, and perhaps the log."""
        self._seen = START
        self._missing = None

    def made(self, lines: Lines, now: float) -> None:
        """Note the time of an entry by the loop's clock."""
        self._made.append((lines, now))

    def taken(self, at: EntryId, listened: float) -> None:
        """Note that the log has taken an entry. The reader may have been faster."""
        if at > self._seen and self._missing is None:
            self._missing = (at, listened)

    def heard(self, listened: float) -> None:
        """Note that some entry was read."""
        self._heard = listened

    def came_back(self, at: EntryId, lines: Lines, now: float) -> None:
        """Note that an entry of ours was read."""
        self._seen = at
        if self._missing is not None and self._missing[0] <= at:
            self._missing = None
        while self._made and self._made[0][0] <= lines:
            made, when = self._made.popleft()
            if made == lines:
                self.lag = now - when

    def are_missing(self, last: EntryId | None, listened: float, patience: float) -> bool:
        """Return whether an entry did not come back in time, and cannot come any more.

        On a slow link it still may: then earlier entries come all the time.
        """
        if self._missing is None:
            return False
        at, when = self._missing
        is_past = last is not None and last >= at
        return listened - when > patience and (is_past or listened - self._heard > patience)


class Reading:
    """Where this node reads in the log, and what it may conclude from what it has read."""

    def __init__(self, *, lease: float, patience: float) -> None:
        self._lease = lease
        self._patience = patience  # seconds in which entries of ours have to come back
        self._listening = Listening()
        self._clock = LogClock()
        self._returns = Returns()
        self._down_since: float | None = None  # set until the others are cut off
        self._longest_turn = lease / 3
        self._is_first = True
        self.now = 0.0  # the time of the last call
        self.last: EntryId | None = None  # the entry that was read last
        self.is_connected = False

    @property
    def lag(self) -> float:
        """Seconds from the making of the entry of ours that came back last to its return."""
        return self._returns.lag

    @property
    def is_listening(self) -> bool:
        """Whether everything was read that the log holds."""
        return self._listening.is_on

    def listened(self, now: float) -> float:
        """Return the seconds in which that was so. Leases run by this clock."""
        return self._listening.seconds(now)

    def restore(self, last: EntryId | None, now: float) -> None:
        """Go on where the process before this one stopped."""
        self.last = last
        self._down_since = now

    def connected(self, found: Found, now: float) -> bool:
        """Decide behind which entry to read on. Return whether the log is another one.

        Then the numbers of the lines tell which of them are new.
        """
        self.is_connected, self._down_since = True, None
        self._clock.set(found.now_ms, now)
        self._returns.restart()
        if self.last is None:
            self.last = found.end
        elif not _is_same(self.last, found):
            self.last = EntryId(max(0, found.now_ms - int(self._lease * 1000)))
            return True
        return False

    def disconnected(self, now: float) -> None:
        """Note that nothing can be read."""
        if self.is_connected:
            self._down_since = now
        self.is_connected = False
        self.rest(now)

    def caught_up(self, now: float) -> None:
        """Note that everything was read."""
        if self.is_connected:
            self._listening.begin(now)

    def rest(self, now: float) -> None:
        """Note that no more is read for now."""
        self._listening.end(now)

    def turn(self, now: float) -> float:
        """Note the time of a call. Return for how many seconds this process was stopped, or 0.

        It hears first what waits for it, and judges then: nobody's lease runs before.
        """
        pause = 0.0 if self._is_first else now - self.now
        before, self.now, self._is_first = self.now, now, False
        if pause <= self._longest_turn:
            return 0.0
        self.rest(before)
        if self._down_since is not None:
            self._down_since += pause
        return pause

    def read(self, at: EntryId, now: float) -> float:
        """Note that an entry is read. Return its age."""
        self.last = at
        self._returns.heard(self.listened(now))
        return self._clock.age(at, now)

    def made(self, lines: Lines, now: float) -> None:
        """Note that an entry of ours is in flight."""
        self._returns.made(lines, now)

    def taken(self, at: EntryId, now: float) -> None:
        """Note that the log has taken it."""
        self._clock.set(at.ms, now)
        self._returns.taken(at, self.listened(now))

    def came_back(self, at: EntryId, lines: Lines, now: float) -> None:
        """Note that an entry of ours was read."""
        self._returns.came_back(at, lines, now)

    def is_deaf(self, now: float) -> bool:
        """Return whether entries of ours should have come back. It is told once for a connection."""
        is_deaf = self.is_listening and self._returns.are_missing(
            self.last, self.listened(now), self._patience
        )
        if is_deaf:
            self._returns.restart()
        return is_deaf

    def is_cut_off(self, now: float) -> bool:
        """Return whether nothing could be read for a lease. It is told once for a loss of the connection."""
        if self._down_since is None or now - self._down_since < self._lease - SLACK:
            return False
        self._down_since = None
        return True

    def next_deadline(self, heard: float | None) -> float | None:
        """Return when the others are cut off, or the lease of the node ends that was `heard` first."""
        if self._down_since is not None:
            return self._down_since + self._lease
        if heard is None or not self.is_listening:
            return None
        return self.now + heard + self._lease - self.listened(self.now)


def _is_same(last: EntryId, found: Found) -> bool:
    """Return whether a log is the one whose entry `last` was read. That entry may have been trimmed."""
    if found.has_last or last == START:
        return True
    return last < found.first if found.first is not None else last <= found.end
