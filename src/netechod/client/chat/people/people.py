"""What one member knows of the others, and they of it."""

from netechod.client.chat.events import Event, Kind
from netechod.client.chat.people.introductions import Introductions
from netechod.client.chat.people.roster import Roster
from netechod.client.chat.people.scrollback import Scrollback


class People:
    """Who was seen, under which names, and what they said before. `now` is a monotonic clock, in seconds."""

    def __init__(self, nick: str, now: float) -> None:
        self.roster = Roster()
        self.introductions = Introductions(nick, now)
        self._scrollback = Scrollback()

    def note(self, event: Event, now: float) -> Event | None:
        """Learn from an event. Return it with the name of its sender; None if nobody is to see it."""
        self.introductions.note(event, len(self.roster), now)
        if self.introductions.hides(event):
            return None
        shown = self._scrollback.note(event, now)
        if shown is None or shown.kind is Kind.EARLIER:
            return shown
        return self.roster.note(shown, now)
