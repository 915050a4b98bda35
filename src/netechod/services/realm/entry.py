"""An entry of the log: its fields, its lines, and what is refused.

Whoever may write to the log can write anything. So every part is checked for its form and its length.
"""

import re
from typing import Final, Literal, NamedTuple, TypeAlias

from netechod.services.wire import OFFLINE, ONLINE, text_error

VERSION: Final = b"1"
BODY = 16 * 1024  # bytes of an entry's lines, unless one line alone is longer
ENVELOPE = 64  # bytes of a line beside its text, at most
MAX_FIELDS = 32  # fields and values of an entry, counted together

NODE = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,30}[a-z0-9])?")
EPOCH = re.compile(r"[0-9a-f]{16}")
NAME = re.compile(r"[0-9a-f:.]{2,45}--[0-9]{1,5}")
_HEAD = re.compile(rf"({NODE.pattern}) ({EPOCH.pattern}) ([0-9]{{1,15}}) ([0-9]{{1,9}})".encode())
_REASON = re.compile(rb"[a-z]{1,16}")

Kind: TypeAlias = Literal["said", "came", "left", "asked", "begins", "there", "ends", "stops"]


class EntryError(ValueError):
    """A part of an entry that is refused. The text is the reason, one of a few words."""


class Entry(NamedTuple):
    """One entry: lines of one node, of which the first has `number`. Without lines it is a beat."""

    node: str
    epoch: str
    number: int
    members: int  # of that node
    body: bytes

    @property
    def size(self) -> int:
        """The number of lines."""
        return self.body.count(b"\n") + 1 if self.body else 0

    def lines(self) -> list[bytes]:
        """Return the lines, not yet checked."""
        return self.body.split(b"\n") if self.body else []

    def fields(self) -> list[bytes]:
        """Return the fields and their values in turn, as the log takes them."""
        return [
            *(b"v", VERSION),
            *(b"n", self.node.encode()),
            *(b"e", self.epoch.encode()),
            *(b"s", b"%d" % self.number),
            *(b"m", b"%d" % self.members),
            *(b"b", self.body),
        ]


def decode(fields: object, max_message: int) -> Entry:
    """Check the fields of an entry. Raises EntryError."""
    if not isinstance(fields, list) or len(fields) % 2 or len(fields) > MAX_FIELDS:
        raise EntryError("malformed")
    try:
        values = dict(zip(fields[::2], fields[1::2], strict=True))
        if values[b"v"] != VERSION:
            raise EntryError("version")
        body = values[b"b"]
        head = _HEAD.fullmatch(b" ".join([values[b"n"], values[b"e"], values[b"s"], values[b"m"]]))
    except (KeyError, TypeError):  # a field is missing, or something in the reply is no bytes
        raise EntryError("malformed") from None
    if head is None or not isinstance(body, bytes):
        raise EntryError("malformed")
    if len(body) > max(BODY, max_message + ENVELOPE):
        raise EntryError("size")
    return Entry(head[1].decode(), head[2].decode(), int(head[3]), int(head[4]), body)


class Line(NamedTuple):
    """One line. Only what somebody has said has a text, and only lines about a member have its name."""

    kind: Kind
    name: str = ""
    text: bytes = b""


ASK, BEGINS, ENDS, STOPS = b"?", b"(", b")", b"!"

_WHOLE: dict[bytes, Line] = {
    ASK: Line("asked"),
    BEGINS: Line("begins"),
    ENDS: Line("ends"),
    STOPS: Line("stops"),
}


def said(name: str, text: bytes) -> bytes:
    """Return the line of a member that has said `text`."""
    return b"=" + name.encode() + b"#" + text


def came(name: str) -> bytes:
    """Return the line of a member that has come online."""
    return b"+" + name.encode()


def left(name: str, reason: str) -> bytes:
    """Return the line of a member that has gone offline."""
    return b"-" + name.encode() + b" " + reason.encode()


def there(name: str) -> bytes:
    """Return the line of a member within the answer to `?`."""
    return b"*" + name.encode()


def parse(line: bytes, max_message: int) -> Line:
    """Check a line. Raises EntryError."""
    whole = _WHOLE.get(line)
    if whole is not None:
        return whole
    first, rest = line[:1], line[1:]
    if first == b"=":
        name, _, text = rest.partition(b"#")
        return Line("said", _name(name), _text(text, max_message))
    if first == b"+":
        return Line("came", _name(rest))
    if first == b"*":
        return Line("there", _name(rest))
    if first == b"-":
        name, _, reason = rest.partition(b" ")
        if not _REASON.fullmatch(reason):
            raise EntryError("malformed line")
        return Line("left", _name(name))
    raise EntryError("unknown line")


def _name(name: bytes) -> str:
    shown = name.decode() if len(name) <= ENVELOPE and name.isascii() else ""
    if not NAME.fullmatch(shown):
        raise EntryError("name")
    return shown


def _text(text: bytes, max_message: int) -> bytes:
    """Check a text as the room checks those of its own members."""
    if not 0 < len(text) <= max_message:
        raise EntryError("length")
    if text in (ONLINE, OFFLINE) or text_error(text) is not None:
        raise EntryError("text")
    return text


def renamed(node: str, epoch: str) -> str:
    """Return the name under which a node goes on whose name another process uses."""
    return f"{node[:27].rstrip('.-')}-{epoch[-4:]}"
