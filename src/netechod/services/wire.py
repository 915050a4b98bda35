"""The rules of the text datagrams, shared by the services and the clients. Names and bytes are exact."""

import re

MAX_DATAGRAM = 65507
"""Bytes that a UDP datagram can carry over IPv4: 65535 less the IP and UDP headers (RFC 768)."""

MISS = "unknown"
"""The dictionary's answer for a word that it does not have, unless configured otherwise."""

PADDED = 400
"""Bytes to which clients pad a query with NULs: enough to be answered whole under the three-times rule."""

ONLINE = b"online"
OFFLINE = b"offline"
CHALLENGE = b"challenge "
"""Asks a newcomer to repeat the cookie behind it: `online COOKIE`."""
NOT_ONLINE = "你还没有上线,请先上线,运行: online".encode()
REFUSED = "message refused: "

_UNPRINTABLE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL and C1 controls, ESC among them: terminals obey these
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidi marks and overrides: text reads other than it is
    "\u2028\u2029"  # line and paragraph separators: one message would show as two
    "\ud800-\udfff"  # surrogates: no character at all, and no encoder takes them
    "]"
)


def text_of(payload: bytes) -> bytes:
    r"""Return the text of a datagram: up to the first NUL, less trailing CR, LF and space.

    The tutorials' clients send 32 bytes whatever the text is; behind a NUL comes garbage from their stack.
    `nc` and `socat` send the newline. All of them mean the same text.

    >>> text_of(b"online\0\x7f\x03"), text_of(b"online\r\n")
    (b'online', b'online')
    """
    end = payload.find(b"\0")
    return (payload if end < 0 else payload[:end]).rstrip(b"\r\n ")


def is_padded(payload: bytes) -> bool:
    """Whether a datagram is filled with NULs up to PADDED bytes at least, as a client's query is."""
    _, end, padding = payload.partition(b"\0")
    return len(payload) >= PADDED and bool(end) and not padding.strip(b"\0")


def flaw_of(text: bytes) -> str | None:
    """Say why `text` may not be shown on other people's terminals; None when it may."""
    try:
        shown = text.decode()
    except UnicodeDecodeError:
        return "not UTF-8"
    found = _UNPRINTABLE.search(shown)
    return None if found is None else f"control character U+{ord(found[0]):04X}"


def harmless(text: str) -> str:
    r"""Return `text` with escapes for all characters that a terminal or a log would obey.

    >>> harmless("a\x1b[2J\nb")
    'a\\x1b[2J\\nb'
    """
    return _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], text)


def printable(text: str) -> str:
    r"""Return `text` without the characters that a terminal would obey.

    >>> printable("a\x1b[2Jb")
    'a[2Jb'
    """
    return _UNPRINTABLE.sub("", text)


def unmapped(address: str) -> str:
    """Return an IPv4 address that a dual-stack socket shows as IPv6 in its own form (RFC 4291, 2.5.5.2).

    >>> unmapped("::ffff:192.0.2.1"), unmapped("::192.0.2.1")
    ('192.0.2.1', '::192.0.2.1')
    """
    rest = address.removeprefix("::ffff:")
    return rest if ":" not in rest and "." in rest else address


def display_name(address: str, port: int) -> str:
    """Return `ip--port`: a peer's name in chat lines and logs."""
    return f"{unmapped(address)}--{port}"


def chat_line(name: str, text: bytes) -> bytes:
    """Return `ip--port#text`: a member's text as the others get it."""
    return name.encode() + b"#" + text


def cut(text: bytes, limit: int) -> bytes:
    """Return the longest start of the UTF-8 `text` that has at most `limit` bytes and ends at a character.

    >>> cut("苹果".encode(), 5).decode()
    '苹'
    """
    return text if len(text) <= limit else text[:limit].decode(errors="ignore").encode()
