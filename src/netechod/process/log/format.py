"""Formats a log record as one line, in one of four formats. Texts of peers are escaped and cut."""

import json
import logging
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from netechod.levels import LEVELS
from netechod.services.wire import escape_controls

REMOTE_LIMIT = 256
"""Characters of a peer's text in a message. The rest is cut, so that a peer cannot fill the disk."""

PRIORITIES = {"DEBUG": 7, "NORMAL": 6, "WARNING": 4, "ERROR": 3, "FATAL": 2}
"""The severities of our levels (RFC 5424, 6.2.1)."""

_DAEMON = 3 * 8  # the facility "system daemons", where the severity is added
_ENTERPRISE = 32473  # the number for examples (RFC 5612): the program has none of its own
_SPECIAL, _ESCAPED = r'(["\\\]])', r"\\\1"  # in the value of structured data (RFC 5424, 6.3.3)

_FORMATTER = logging.Formatter()  # "%(message)s", then the exception and the stack if there are any


def quoted(text: bytes | str) -> str:
    r"""Return the text of a peer, escaped and cut at REMOTE_LIMIT, for a message.

    >>> quoted(b"a\x1b[2J\xff\n")
    'a\\x1b[2J\\xff\\n'
    """
    if isinstance(text, bytes):
        text = text[: 4 * REMOTE_LIMIT].decode(errors="backslashreplace")  # UTF-8: at most 4 bytes each
    return escape_controls(text[:REMOTE_LIMIT])[:REMOTE_LIMIT]


@dataclass(frozen=True, slots=True)
class Entry:
    """A log record that waits to be written: escaped text, without references to other objects."""

    created: float
    level: int
    message: str
    fields: dict[str, str]

    @property
    def level_name(self) -> str:
        """Return our name of the level, or of the next lower one."""
        return next((name for name, number in reversed(LEVELS.items()) if number <= self.level), "DEBUG")


def entry_of(record: logging.LogRecord) -> Entry:
    """Format the message of `record` now, because its arguments may change before the line is written."""
    try:
        message = _FORMATTER.format(record)
        fields = {key: escape_controls(str(value)) for key, value in _extra(record).items()}
    except Exception as error:
        # The __str__ of the arguments can raise anything. A bad log call must not end the service.
        message = f"log call at {record.filename}:{record.lineno} failed: {type(error).__name__}"
        fields = {}
    return Entry(record.created, record.levelno, escape_controls(message), fields)


def _extra(record: logging.LogRecord) -> dict[str, object]:
    """Return the known keys that the call has passed in `extra=`."""
    found = ((key, getattr(record, key, None)) for key in ("event", "service", "peer"))
    return {key: value for key, value in found if value is not None}


def _rfc3339(seconds: float) -> str:
    """Return local time with its offset, in milliseconds (RFC 3339, 5.6)."""
    return datetime.fromtimestamp(seconds, UTC).astimezone().isoformat(timespec="milliseconds")


def _classic(entry: Entry, pid: int) -> str:
    """Return the line of the tutorials: `[LEVEL][unix seconds][pid:N]message`."""
    return f"[{entry.level_name}][{int(entry.created)}][pid:{pid}]{entry.message}"


def _iso(entry: Entry, pid: int) -> str:
    """Return the same line with date and time."""
    return f"[{entry.level_name}][{_rfc3339(entry.created)}][pid:{pid}]{entry.message}"


def _json(entry: Entry, pid: int) -> str:
    """Return a JSON object in one line."""
    known = {
        "time": _rfc3339(entry.created),
        "level": entry.level_name,
        "pid": pid,
        "message": entry.message,
    }
    return json.dumps(known | entry.fields, ensure_ascii=False)


def _syslog(entry: Entry, pid: int) -> str:
    """Return a message of RFC 5424. Its identifier is the event, and its structured data are our fields."""
    priority = _DAEMON + PRIORITIES[entry.level_name]
    event = entry.fields.get("event", "-")
    host = re.sub("[^!-~]", "", socket.gethostname())[:255] or "-"
    data = "".join(
        f' {name}="{re.sub(_SPECIAL, _ESCAPED, value)}"'
        for name, value in entry.fields.items()
        if name != "event"
    )
    structured = f"[netechod@{_ENTERPRISE}{data}]" if data else "-"
    return (
        f"<{priority}>1 {_rfc3339(entry.created)} {host} netechod {pid} {event} {structured} {entry.message}"
    )


FORMATS: dict[str, Callable[[Entry, int], str]] = {
    "classic": _classic,
    "iso": _iso,
    "json": _json,
    "syslog": _syslog,
}
"""The formats by their names in the configuration. Each makes a line without its newline."""
