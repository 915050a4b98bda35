"""How a log record becomes one line: levels by the project's names, three formats, remote text tamed."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from netechod.levels import LEVELS
from netechod.services.wire import harmless

REMOTE_LIMIT = 256
"""Characters of a peer's text that a message shows; the rest is cut, so that a peer cannot fill the disk."""

_FORMATTER = logging.Formatter()  # "%(message)s", then the exception and the stack when there are any


def quoted(text: bytes | str) -> str:
    r"""Return the text of a peer, escaped and cut at REMOTE_LIMIT, for a message.

    >>> quoted(b"a\x1b[2J\xff\n")
    'a\\x1b[2J\\xff\\n'
    """
    if isinstance(text, bytes):
        text = text[: 4 * REMOTE_LIMIT].decode(errors="backslashreplace")  # UTF-8: at most 4 bytes each
    return harmless(text[:REMOTE_LIMIT])[:REMOTE_LIMIT]


@dataclass(frozen=True, slots=True)
class Entry:
    """A log record until it is written: plain escaped text, without references to other objects."""

    created: float
    level: int
    message: str
    fields: dict[str, str]

    @property
    def level_name(self) -> str:
        """The project's name for the level, or the nearest one below it."""
        return next((name for name, number in reversed(LEVELS.items()) if number <= self.level), "DEBUG")


def entry_of(record: logging.LogRecord) -> Entry:
    """Fix the message of `record` as one line: its arguments may change before the line is written."""
    try:
        message = _FORMATTER.format(record)
        fields = {key: harmless(str(value)) for key, value in _extra(record).items()}
    except Exception as error:
        # The arguments' own __str__ run here and can raise anything; serving outlives a bad log call.
        message = f"log call at {record.filename}:{record.lineno} failed: {type(error).__name__}"
        fields = {}
    return Entry(record.created, record.levelno, harmless(message), fields)


def _extra(record: logging.LogRecord) -> dict[str, object]:
    """Those of the known `extra=` keys that the call gave."""
    found = ((key, getattr(record, key, None)) for key in ("event", "service", "peer"))
    return {key: value for key, value in found if value is not None}


def _rfc3339(seconds: float) -> str:
    """Local time with its offset, to the millisecond (RFC 3339, 5.6)."""
    return datetime.fromtimestamp(seconds, UTC).astimezone().isoformat(timespec="milliseconds")


def _classic(entry: Entry, pid: int) -> str:
    """The tutorials' line: `[LEVEL][unix seconds][pid:N]message`."""
    return f"[{entry.level_name}][{int(entry.created)}][pid:{pid}]{entry.message}"


def _iso(entry: Entry, pid: int) -> str:
    """The same line for people."""
    return f"[{entry.level_name}][{_rfc3339(entry.created)}][pid:{pid}]{entry.message}"


def _json(entry: Entry, pid: int) -> str:
    """One object a line, for machines."""
    known = {
        "time": _rfc3339(entry.created),
        "level": entry.level_name,
        "pid": pid,
        "message": entry.message,
    }
    return json.dumps(known | entry.fields, ensure_ascii=False)


FORMATS: dict[str, Callable[[Entry, int], str]] = {"classic": _classic, "iso": _iso, "json": _json}
"""The functions that make a line, without its newline, by their names in the configuration."""
