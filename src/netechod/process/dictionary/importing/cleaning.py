"""Words and meanings as they may be shown: no character in them that a terminal obeys."""

import re

from netechod.services.wire import printable

_BLANK_END = re.compile(" +\n")


def clean_word(text: str) -> str:
    """A word: in one line, with single spaces."""
    word = " ".join(text.split())
    return word if word.isprintable() else " ".join(printable(word).split())


def clean_meaning(text: str) -> str:
    """A meaning: LF between lines, spaces for tabs, and no space at any end of it or of a line.

    What indents all lines is taken away, so that a meaning begins with a character.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\t" in text:
        text = text.expandtabs()
    if not text.replace("\n", "").isprintable():  # much faster than the search, which few texts need
        text = "\n".join(map(printable, text.split("\n")))
    text = text.strip("\n").rstrip()
    if " \n" in text:
        text = _BLANK_END.sub("\n", text).lstrip("\n")
    return _dedented(text) if text[:1].isspace() else text


def _dedented(text: str) -> str:
    """The text without the blanks that all of its lines begin with."""
    lines = text.split("\n")
    margin = min(len(line) - len(line.lstrip()) for line in lines if line)
    return "\n".join([line[margin:] for line in lines])
