"""Mentions of us in messages."""

import re
from collections.abc import Sequence

from netechod.client.chat.events import Event, Kind


class Mentions:
    """Finds our names, and the words of --mention, in what others say.

    An ASCII word is found as a whole, in any case. A word of another script is found anywhere, because
    Chinese has no spaces between words.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._patterns = [_pattern(word) for word in words]

    def is_mention(self, event: Event, *own_names: str) -> bool:
        """Return whether another member mentions us."""
        if event.kind is not Kind.MESSAGE or event.own:
            return False
        patterns = (*self._patterns, *(_pattern(name) for name in own_names if name))
        return any(pattern.search(event.text) for pattern in patterns)


def _pattern(word: str) -> re.Pattern[str]:
    text = re.escape(word)
    return re.compile(rf"(?<!\w){text}(?!\w)" if word.isascii() else text, re.IGNORECASE | re.ASCII)
