"""The members that were seen in the room, and mentions of us in messages."""

import re
from collections.abc import Sequence

from netechod.client.chat.events import Event, Kind

MOST_SEEN = (
    4096  # names that are remembered, as many as a room has members; then the longest silent is forgotten
)


class Roster:
    """The members that were seen since we came online. The room has no list, so silent ones are missing."""

    def __init__(self) -> None:
        self._heard: dict[str, float] = {}  # time by name; the longest silent come first

    def __len__(self) -> int:
        return len(self._heard)

    def note(self, event: Event, now: float) -> None:
        """Learn from an event. A room that lets us join again has forgotten the others, too."""
        if event.kind is Kind.JOIN and event.own:
            self._heard.clear()
        if event.kind in (Kind.JOIN, Kind.MESSAGE, Kind.LEAVE):
            self._heard.pop(event.sender, None)
            if event.kind is not Kind.LEAVE:
                self._heard[event.sender] = now
        if len(self._heard) > MOST_SEEN:
            del self._heard[next(iter(self._heard))]

    def names(self) -> list[str]:
        """Return the names, the latest speaker first."""
        return list(reversed(self._heard))

    def silence(self, name: str, now: float) -> float:
        """Return the seconds since a member was heard."""
        return now - self._heard[name]


class Mentions:
    """Finds our name, and the words of --mention, in what others say.

    An ASCII word is found as a whole, in any case. A word of another script is found anywhere, because
    Chinese has no spaces between words.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._patterns = [_pattern(word) for word in words]

    def is_mention(self, event: Event, own_name: str) -> bool:
        """Return whether another member mentions us."""
        if event.kind is not Kind.MESSAGE or event.own:
            return False
        return any(pattern.search(event.text) for pattern in (*self._patterns, _pattern(own_name)))


def _pattern(word: str) -> re.Pattern[str]:
    text = re.escape(word)
    return re.compile(rf"(?<!\w){text}(?!\w)" if word.isascii() else text, re.IGNORECASE | re.ASCII)
