"""The lines of an answer (RFC 2229, 2.2 and 2.4): strings in quotes, and texts that a dot ends.

A line has at most 1024 characters with its CRLF. No byte that a terminal obeys is in it, whatever the file of
a dictionary holds.
"""

from collections.abc import Iterator

from netechod.services.wire import printable

MAX_LINE = 1022  # characters before the CRLF
BREAK = 200  # characters at the end of a longer line in which a space is looked for
INDENT = "  "  # before the lines of a meaning: clients take a dot or a number at the beginning for the end
END = b".\r\n"  # of a text


def quoted(word: str) -> str:
    r"""A word as a string.

    >>> print(quoted(r'say "hi"'), quoted("back\\slash"))
    "say \"hi\"" "back\\slash"
    """
    if "\\" in word or '"' in word:
        word = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{word}"'


def definition(word: str, meaning: str) -> Iterator[bytes]:
    """The text of a definition, in pieces: the word, then the lines of its meaning behind an INDENT."""
    lines = meaning.rstrip().split("\n")
    first = _dotted(word)
    if len(lines) == 1 and len(meaning) <= MAX_LINE - len(INDENT):
        yield f"{first}\r\n{INDENT}{_shown(meaning)}\r\n.\r\n".encode()
        return
    yield f"{first}\r\n".encode()
    for line in lines:
        for part in _broken(_shown(line), MAX_LINE - len(INDENT)):
            yield f"{INDENT}{part}\r\n".encode()
    yield END


def text(body: str) -> Iterator[bytes]:
    """Any other text, in pieces. It has one line at least: some clients would wait for it for ever."""
    for line in body.rstrip().split("\n"):
        for part in _broken(_shown(line), MAX_LINE - 1):
            yield f"{_dotted(part)}\r\n".encode()
    yield END


def _shown(line: str) -> str:
    return printable(line.expandtabs() if "\t" in line else line)


def _dotted(line: str) -> str:
    """A line of a text: a dot at its beginning is doubled."""
    return f".{line}" if line.startswith(".") else line


def _broken(line: str, width: int) -> Iterator[str]:
    """The parts of a line, broken at a space where there is one near the end of a part."""
    while len(line) > width:
        place = line.rfind(" ", width - BREAK, width + 1)
        if place < 0:
            place = width
        yield line[:place]
        line = line[place:].removeprefix(" ")
    yield line
