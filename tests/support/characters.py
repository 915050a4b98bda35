"""What a terminal or a log would obey, as Unicode has it: said apart from the code that is to know it too."""

from unicodedata import category

BIDI_CONTROLS = {chr(c) for c in (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))}
"""The property Bidi_Control, whole (Unicode, PropList.txt)."""

EVERY_CHARACTER = [chr(code) for code in range(0x110000)]
HARMFUL = {c for c in EVERY_CHARACTER if category(c) in {"Cc", "Cs", "Zl", "Zp"}} | BIDI_CONTROLS


def is_harmless(text: str) -> bool:
    """Return whether `text` has none of these characters."""
    return HARMFUL.isdisjoint(text)
