"""Text on its way to a terminal: decoded, made harmless, and measured in columns. No I/O."""

import unicodedata

from netechod.services.wire import harmless


def decoded(payload: bytes) -> str:
    """The text of `payload`, whatever is not UTF-8 spelled out."""
    return payload.decode(errors="backslashreplace")


def shown(payload: bytes) -> str:
    """What came from the network as one line that is safe on a terminal."""
    return harmless(decoded(payload))


def shown_lines(text: str) -> str:
    """`text` made safe for a terminal, the ends of its lines kept."""
    return "\n".join(map(harmless, text.split("\n")))


def cells(text: str) -> int:
    """How many columns of a terminal `text` takes: wide characters take two (UAX #11), combining none."""
    return len(text) if text.isascii() else sum(map(_cells_of, text))


def _cells_of(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):  # marks, and what joins or directs others
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def padded(text: str, width: int) -> str:
    """`text` and the spaces that fill it up to `width` columns."""
    return text + " " * (width - cells(text))
