"""Text on its way to a terminal: decoded, escaped, and measured in columns. No I/O."""

from netechod.services.cells import MODIFIERS, cells, cells_of
from netechod.services.wire import escape_controls


def decoded(payload: bytes) -> str:
    """Decode UTF-8. Bytes that are none are spelled out."""
    return payload.decode(errors="backslashreplace")


def shown(payload: bytes) -> str:
    """Decode what came from the network, as one line that is safe on a terminal."""
    return escape_controls(decoded(payload))


def shown_lines(text: str) -> str:
    """Escape what a terminal would obey, but keep the ends of lines."""
    return "\n".join(map(escape_controls, text.split("\n")))


def cut_to_cells(text: str, width: int) -> str:
    """Return the start of `text` that fits into `width` columns."""
    taken = 0
    for at, char in enumerate(text):
        taken += cells_of(char)
        if taken > width:
            return text[:at]
    return text


def padded(text: str, width: int) -> str:
    """Fill `text` up to `width` columns with spaces."""
    return text + " " * (width - cells(text))


def without_modifiers(text: str) -> str:
    """Leave out what changes the width of emoji: a hand without its skin tone, a digit without its keycap."""
    return MODIFIERS.sub("", text)
