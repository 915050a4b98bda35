"""The text protocols of dictionary and chat. Services and clients share them. The bytes are exact."""

import re

MAX_DATAGRAM = 65507
"""Bytes in the payload of a UDP datagram over IPv4, at most: 65535 less the IP and UDP headers (RFC 768)."""

MISS = "unknown"
"""The dictionary's answer to an unknown word, unless configured otherwise."""

PADDED = 400
"""Bytes to which clients pad a query with NULs: enough to be answered whole under the three-times rule."""

ONLINE = b"online"
OFFLINE = b"offline"
CHALLENGE = b"challenge "
"""The room's request to a newcomer. A cookie follows, which the newcomer repeats: `online COOKIE`."""
NOT_ONLINE = "你还没有上线,请先上线,运行: online".encode()
REFUSED = "message refused: "
NICK = b"/nick "
"""How a member gives itself a name. That is a convention of clients: to the room it is a message."""

EARLIER = re.compile(r"said (\d{1,9}) s ago: ([^\s#]+--\d+)#(.*)", re.DOTALL)
"""A line of the room's history: its age in seconds, the member that has said it, and its text."""

_UNPRINTABLE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL and C1 controls, with ESC: terminals execute these
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidi marks and overrides: they change the order of text
    "\u2028\u2029"  # line and paragraph separators: one message would show as two
    "\ud800-\udfff"  # surrogates: they are no characters, and cannot be encoded
    "]"
)


def text_of(payload: bytes) -> bytes:
    r"""Return the text of a datagram: up to the first NUL, less trailing CR, LF and space.

    The tutorials' clients always send 32 bytes: the text, a NUL, and garbage from their stack. `nc` and
    `socat` send the newline. All of them mean the same text.

    >>> text_of(b"online\0\x7f\x03"), text_of(b"online\r\n")
    (b'online', b'online')
    """
    end = payload.find(b"\0")
    return (payload if end < 0 else payload[:end]).rstrip(b"\r\n ")


def is_padded(payload: bytes) -> bool:
    """Return whether a datagram is filled with NULs up to PADDED bytes at least, as a client's query is."""
    _, end, padding = payload.partition(b"\0")
    return len(payload) >= PADDED and bool(end) and not padding.strip(b"\0")


def text_error(text: bytes) -> str | None:
    """Return why `text` may not be shown on other people's terminals; None if it may."""
    try:
        shown = text.decode()
    except UnicodeDecodeError:
        return "not UTF-8"
    found = None if shown.isprintable() else _UNPRINTABLE.search(shown)
    return None if found is None else f"control character U+{ord(found[0]):04X}"


def escape_controls(text: str) -> str:
    r"""Return `text` with escapes for all characters that a terminal or a log would execute.

    >>> escape_controls("a\x1b[2J\nb")
    'a\\x1b[2J\\nb'
    """
    return _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], text)


def printable(text: str) -> str:
    r"""Return `text` without the characters that a terminal would obey.

    >>> printable("a\x1b[2Jb")
    'a[2Jb'
    """
    return text if text.isprintable() else _UNPRINTABLE.sub("", text)  # few texts need the search


def unmapped(address: str) -> str:
    """Return an address; an IPv4-mapped one without its mapping (RFC 4291, 2.5.5.2).

    >>> unmapped("::ffff:192.0.2.1"), unmapped("::192.0.2.1")
    ('192.0.2.1', '::192.0.2.1')
    """
    rest = address.removeprefix("::ffff:")
    return rest if ":" not in rest and "." in rest else address


def host_port(address: str, port: int) -> str:
    """Return address and port as people write them (RFC 3986, 3.2.2).

    >>> host_port("::1", 8080), host_port("::ffff:192.0.2.1", 8080)
    ('[::1]:8080', '192.0.2.1:8080')
    """
    host = unmapped(address)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def display_name(address: str, port: int) -> str:
    """Return `ip--port`: a peer's name in chat lines and logs."""
    return f"{unmapped(address)}--{port}"


def chat_line(name: str, text: bytes) -> bytes:
    """Return `ip--port#text`: a member's text as all members get it."""
    return name.encode() + b"#" + text


def earlier_line(age: float, line: bytes) -> bytes:
    """Return a line of the chat as the room's history has it, `age` seconds after it was said."""
    return b"said %d s ago: %b" % (age, line)


def truncate_utf8(text: bytes, limit: int) -> bytes:
    """Return `text`, cut at the end of a UTF-8 character so that it has at most `limit` bytes.

    >>> truncate_utf8("苹果".encode(), 5).decode()
    '苹'
    """
    return text if len(text) <= limit else text[:limit].decode(errors="ignore").encode()
