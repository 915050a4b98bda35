"""The rules of text: where it ends, what is wrong with it, how it is cut, and how it is shown."""

import io
import json
import sys

from fuzz.feed import Feed
from fuzz.target import target
from support.characters import is_harmless

from netechod.client.terminal.output import put_json
from netechod.client.terminal.text import padded, shown, shown_lines
from netechod.process.log.format import REMOTE_LIMIT, quoted
from netechod.services.cells import cells
from netechod.services.wire import escape_controls, text_error, text_of, truncate_utf8

WORDS = (
    b"\0",
    b"\r\n ",
    b"\x1b[2J",
    b"\\x1b",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    *map(str.encode, ("苹", "🍎", "e\u0301", "\x9b", "\u202e", "\u2028", "\u2066", "\ufeff", "\U0010ffff")),
)


@target(WORDS)
def text(feed: Feed) -> None:
    """Where the text of a datagram ends, and what is wrong with it."""
    payload = feed.rest()
    found = text_of(payload)
    rest = payload[len(found) :]
    assert payload.startswith(found)
    assert b"\0" not in found
    assert not found.endswith((b"\r", b"\n", b" "))
    assert not rest.partition(b"\0")[0].strip(b"\r\n ")
    assert text_of(found + b" \r\n\0" + payload) == found
    try:
        sound = is_harmless(found.decode())
    except UnicodeDecodeError:
        sound = False
    flaw = text_error(found)
    assert (flaw is None) == sound
    assert flaw is None or is_harmless(flaw)


@target(WORDS)
def show(feed: Feed) -> None:
    """What a terminal or a log is given of what came from the network."""
    payload = feed.rest()
    for line in (shown(payload), quoted(payload), escape_controls(payload.decode(errors="surrogateescape"))):
        assert is_harmless(line)
        assert escape_controls(line) == line
        assert len(line.splitlines()) <= 1
        line.encode()
    assert len(quoted(payload)) <= REMOTE_LIMIT
    lines = payload.decode(errors="backslashreplace").split("\n")
    assert shown_lines("\n".join(lines)).split("\n") == [escape_controls(line) for line in lines]


@target(WORDS)
def show_json(feed: Feed) -> None:
    """One object a line for scripts, whatever is in it."""
    text, before = feed.text(), sys.stdout
    sys.stdout = io.TextIOWrapper(io.BytesIO(), "ascii")
    try:
        put_json({"text": text})
        sys.stdout.seek(0)
        line = sys.stdout.buffer.read()
    finally:
        sys.stdout = before
    assert line.endswith(b"\n")
    assert is_harmless(line[:-1].decode())
    assert json.loads(line) == {"text": text}


@target(WORDS)
def columns(feed: Feed) -> None:
    """How wide a text is on a terminal."""
    width, text = feed.number(40), escape_controls(feed.text())
    assert 0 <= cells(text) <= 2 * len(text)
    assert cells(padded(text, width)) == max(width, cells(text))


@target(WORDS)
def cut_short(feed: Feed) -> None:
    """The longest start of a text that fits and ends at a character."""
    limit = feed.number(255)
    text = feed.rest().decode(errors="ignore")
    start = truncate_utf8(text.encode(), limit).decode()
    assert text.startswith(start)
    assert len(start.encode()) <= limit
    assert len(text[: len(start) + 1].encode()) > limit or start == text
