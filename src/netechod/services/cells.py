"""How wide text is on a terminal: in cells, as UAX #11 and every terminal since have it."""

from unicodedata import category, east_asian_width


def cells(text: str) -> int:
    """How many columns of a terminal `text` takes: wide characters take two, combining ones none."""
    return len(text) if text.isascii() else sum(map(_cells_of, text))


def _cells_of(char: str) -> int:
    if category(char) in ("Mn", "Me", "Cf"):  # marks, and what joins or directs others
        return 0
    return 2 if east_asian_width(char) in "WF" else 1
