"""Who was seen in the room, and whether a message means us."""

import re
from collections.abc import Sequence

from netechod.client.chat.events import Event, Kind

MOST_SEEN = 4096  # names that are remembered, as many as a room has members; the longest silent is forgotten


class Roster:
    """Who was seen since we came online: the room tells nobody who is there and says nothing."""

    def __init__(self) -> None:
        self._heard: dict[str, float] = {}  # when, by name; the longest silent come first

    def __len__(self) -> int:
        return len(self._heard)

    def note(self, event: Event, now: float) -> None:
        """Learn from a line. A room that has us join again has forgotten the others as well."""
        if event.kind is Kind.JOIN and event.own:
            self._heard.clear()
        if event.kind in (Kind.JOIN, Kind.MESSAGE, Kind.LEAVE):
            self._heard.pop(event.sender, None)
            if event.kind is not Kind.LEAVE:
                self._heard[event.sender] = now
        if len(self._heard) > MOST_SEEN:
            del self._heard[next(iter(self._heard))]

    def names(self) -> list[str]:
        """Those seen, who spoke last first."""
        return list(reversed(self._heard))

    def silence(self, name: str, now: float) -> float:
        """Seconds since somebody was heard."""
        return now - self._heard[name]


class Mentions:
    """Finds our name in what others say: that of the room, and the words that a person listens for.

    A word of ASCII is found as a whole, in any case; one of another script anywhere, because Chinese puts
    no spaces between words.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._patterns = [_pattern(word) for word in words]

    def is_mention(self, event: Event, own_name: str) -> bool:
        """Whether somebody else means us."""
        if event.kind is not Kind.MESSAGE or event.own:
            return False
        return any(pattern.search(event.text) for pattern in (*self._patterns, _pattern(own_name)))


def _pattern(word: str) -> re.Pattern[str]:
    text = re.escape(word)
    return re.compile(rf"(?<!\w){text}(?!\w)" if word.isascii() else text, re.IGNORECASE | re.ASCII)
