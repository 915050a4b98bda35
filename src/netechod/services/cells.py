"""The width of text on a terminal, in cells (UAX #11)."""

import re
from unicodedata import category, east_asian_width

MODIFIERS = re.compile("[\U0001f3fb-\U0001f3ff]|\ufe0f|\u20e3")
"""Skin tones, the emoji presentation selector and the enclosing keycap (UTS #51). They join the character
before them. Terminals disagree about the columns that both take together."""


def cells(text: str) -> int:
    """Return how many columns of a terminal `text` takes."""
    return len(text) if text.isascii() else sum(map(cells_of, text))


def cells_of(char: str) -> int:
    """Return the columns of one character: two if it is wide, none if it joins the character before it."""
    if category(char) in ("Mn", "Me", "Cf") or MODIFIERS.match(char):
        return 0
    return 2 if east_asian_width(char) in "WF" else 1
