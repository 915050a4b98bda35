"""Text on its way to a terminal: decoded, escaped, and measured in columns. No I/O."""

import re
import unicodedata

from netechod.services.wire import harmless

_MODIFIERS = re.compile("[\U0001f3fb-\U0001f3ff]|\ufe0f|\u20e3")
"""Skin tones, the emoji presentation selector and the enclosing keycap (UTS #51). They join the character
before them, and terminals disagree about the columns that both take together."""


def decoded(payload: bytes) -> str:
    """Decode UTF-8. Bytes that are none are spelled out."""
    return payload.decode(errors="backslashreplace")


def shown(payload: bytes) -> str:
    """Decode what came from the network, as one line that is safe on a terminal."""
    return harmless(decoded(payload))


def shown_lines(text: str) -> str:
    """Escape what a terminal would obey, but keep the ends of lines."""
    return "\n".join(map(harmless, text.split("\n")))


def cells(text: str) -> int:
    """Return how many columns of a terminal `text` takes: two for a wide character (UAX #11)."""
    return len(text) if text.isascii() else sum(map(_cells_of, text))


def _cells_of(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me", "Cf") or _MODIFIERS.match(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def cut_to_cells(text: str, width: int) -> str:
    """Return the start of `text` that fits into `width` columns."""
    taken = 0
    for at, char in enumerate(text):
        taken += _cells_of(char)
        if taken > width:
            return text[:at]
    return text


def padded(text: str, width: int) -> str:
    """Fill `text` up to `width` columns with spaces."""
    return text + " " * (width - cells(text))


def without_modifiers(text: str) -> str:
    """Leave out what changes the width of emoji: a hand without its skin tone, a digit without its keycap."""
    return _MODIFIERS.sub("", text)
