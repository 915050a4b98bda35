"""The times at which we say our name, so that newcomers know it, too.

The room keeps no names. So a newcomer hears the name of each member from that member. All members would speak
at the same moment. So each waits for a random time, which grows with their number.
"""

import math
import random
from collections.abc import Callable

from netechod.client.chat.events import Event, Kind
from netechod.services.wire import NICK

COPIES = 4000.0  # datagrams a second that the introductions of all members take from a room at most
LEAST_WINDOW = 0.5  # seconds in which the members of a small room introduce themselves
LEAST_PAUSE = 2.0  # seconds between two introductions of ours
REPEATS = 2  # introductions for a newcomer: the datagram of the first may be lost
LATER = 10.0  # seconds from the first to the second, at least


class Introductions:
    """The times of our introductions. `now` is a monotonic clock, in seconds; `lot` returns 0 to 1."""

    def __init__(self, nick: str, now: float, lot: Callable[[], float] = random.random) -> None:
        self.nick = nick  # empty if we have none
        self.due = math.inf  # when `take` returns something
        self._lot = lot
        self._is_known = False  # whether the room has passed the name on
        self._repeats = 0  # introductions that are owed to newcomers
        self._last = -math.inf
        if nick:
            self.claim(nick, now)

    def claim(self, nick: str, now: float) -> None:
        """Want this name from now on."""
        self.nick = nick
        self._is_known = False
        self.due = now

    @property
    def is_owed(self) -> bool:
        """Whether somebody has come who has not heard our name so far."""
        return self._repeats == REPEATS

    def note(self, event: Event, members: int, now: float) -> None:
        """Learn from an event in a room with so many members."""
        if event.kind is Kind.NICK and event.own:  # also said without us, as by a script
            self.nick = event.nick
            self._is_known = True
        elif not self.nick:
            return
        elif event.kind is Kind.JOIN and event.own:
            self.due = now
        elif event.kind is Kind.JOIN:
            window = max(LEAST_WINDOW, members * members / COPIES)
            self._repeats = REPEATS
            self.due = min(self.due, max(now + self._lot() * window, self._last + max(LEAST_PAUSE, window)))
        elif event.kind is Kind.BACK and not self._is_known:
            self.due = now
        elif self.hides(event):
            self.due = min(self.due, now + LATER)

    def take(self, now: float) -> bytes:
        """Return the line that introduces us, if it is due."""
        return self.introduce(now) if now >= self.due else b""

    def introduce(self, now: float) -> bytes:
        """Return the line that introduces us."""
        self._last = now
        self._repeats = max(0, self._repeats - 1)
        self.due = now + LATER * (1 + self._lot()) if self._repeats else math.inf
        return NICK + self.nick.encode()

    def hides(self, event: Event) -> bool:
        """Return whether an event is about the repetition of our name alone. We try again another time."""
        text = event.said if event.kind is Kind.REFUSED else event.text
        is_trouble = event.kind in (Kind.REFUSED, Kind.LOST)
        return is_trouble and self._is_known and text == f"{NICK.decode()}{self.nick}"
