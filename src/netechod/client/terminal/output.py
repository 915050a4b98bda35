"""Output: results on stdout, errors and hints on stderr."""

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import TextIO

from netechod.client.errors import ClientError
from netechod.client.i18n.translate import reason_text, tr
from netechod.services.wire import escape_controls

COLORS = {"error": "1;31", "warning": "33", "strong": "1", "faint": "2", "good": "32"}
"""Select Graphic Rendition (ECMA-48, 8.3.117) for each kind of text. No colour says more than its text."""

_color = "auto"  # what --color says: auto, always or never


class OutputClosed(Exception):
    """The reader of our stdout has closed it."""


def interactive() -> bool:
    """Return whether a person sits at both ends. Only then are there prompts."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def choose_color(choice: str) -> None:
    """Paint texts `always`, `never`, or on terminals that can show colours (`auto`)."""
    global _color
    _color = choice


def is_smart(stream: TextIO) -> bool:
    """Return whether `stream` is a terminal that obeys control sequences (ECMA-48)."""
    return stream.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb")


def takes_colors(stream: TextIO) -> bool:
    """Return whether texts on `stream` are painted (no-color.org)."""
    return _color == "always" or (_color == "auto" and not os.environ.get("NO_COLOR") and is_smart(stream))


def painted(text: str, kind: str, stream: TextIO) -> str:
    """Return `text` in the colour of its kind, if `stream` takes colours."""
    return f"\x1b[{COLORS[kind]}m{text}\x1b[m" if takes_colors(stream) else text


def put(text: str) -> None:
    """Write text to stdout at once, in the encoding of the locale."""
    put_bytes(text.encode(sys.stdout.encoding, "backslashreplace"))


def put_bytes(data: bytes) -> None:
    """Write bytes to stdout at once. Raises OutputClosed when the reader has left, else ClientError."""
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        # What stays in the buffer would fail again when the interpreter flushes it at exit.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
        if isinstance(error, BrokenPipeError):
            raise OutputClosed from None
        raise ClientError(
            tr("cannot write the output: {reason}", reason=reason_text(str(error.strerror)))
        ) from None


def complain(message: str, hint: str = "") -> None:
    """Write an error, and a hint what to try, to stderr, if that is open."""
    if sys.stderr is not None:
        note(f"{painted(tr('error:'), 'error', sys.stderr)} {escape_controls(message)}", hint)


def note(message: str, hint: str = "") -> None:
    """Write a remark that is no error, and a hint, to stderr, if that is open."""
    _write_error(f"netecho: {message}\n")
    if hint:
        suggest(hint)


def suggest(hint: str) -> None:
    """Write a hint to stderr, if that is open."""
    _write_error(tr("hint: {hint}", hint=hint) + "\n")


def _write_error(text: str) -> None:
    """Write to stderr, if it is open and its reader is there: the exit status must not depend on that."""
    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.write(text)
            sys.stderr.flush()


def put_json(record: Mapping[str, object]) -> None:
    """Write `record` as one line of JSON, which is UTF-8 in every locale (RFC 8259, 8.1).

    It is readable as long as that is safe, and all escapes where a terminal would obey a character.
    """
    import json  # on demand: few runs need it, and every run would pay for it

    text = json.dumps(record, ensure_ascii=False)
    put_bytes((text if escape_controls(text) == text else json.dumps(record)).encode() + b"\n")
