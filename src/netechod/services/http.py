"""Pages over HTTP/1.1 (RFC 9112): GET and HEAD, one request after the other.

A malformed request is answered, and then the connection closes: the start of the next request is uncertain.
Request bodies are not read, so a request with a body also ends the connection.
"""

import re
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from netechod.services.api import StreamSession

MAX_HEAD = 8192  # bytes of a request line and its header fields; longer ones are refused

_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([!-~]+) HTTP/([0-9])\.([0-9])")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")
_TARGET = re.compile(r"(?:https?://[^/?#]*)?([^?#]*).*", re.IGNORECASE)  # a whole URL too (RFC 9112, 3.2.2)
_END = re.compile(rb"\r?\n\r?\n")

_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    431: "Request Header Fields Too Large",
    505: "HTTP Version Not Supported",
}


class Page(NamedTuple):
    """A rendered page."""

    content_type: str
    body: bytes
    fields: tuple[str, ...] = ()  # further header fields, each `Name: value`


class Request(NamedTuple):
    """A request. A field that it does not have is empty."""

    method: str
    path: str
    accept: str  # the value of Accept
    language: str  # the value of Accept-Language
    keeps_alive: bool


Render: TypeAlias = Callable[[Request], Page]
"""Renders the page for a request."""

Find: TypeAlias = Callable[[str], Render | None]
"""Finds what renders the page at a path; None if there is no such page."""


class _Refused(Exception):
    """A request that gets an error status."""

    def __init__(self, status: int, *fields: str) -> None:
        super().__init__(status)
        self.status = status
        self.fields = fields


class HttpSession(StreamSession):
    """Serves the pages that `find` finds."""

    ended = False

    def __init__(self, find: Find) -> None:
        self._find = find
        self._received = bytearray()

    def data_received(self, data: memoryview) -> bytes:
        """Take a part of a request. When the request is complete, `more` answers it."""
        self._received += data
        return b""

    def more(self) -> bytes | None:
        """Answer one request."""
        if self._received.startswith((b"\r", b"\n")):
            self._received = self._received.lstrip(b"\r\n")  # empty lines before a request (RFC 9112, 2.2)
        end = _END.search(self._received, 0, MAX_HEAD)
        if end is None and len(self._received) < MAX_HEAD:
            return None
        head_only = self._received.startswith(b"HEAD ")
        try:
            if end is None:
                raise _Refused(431)
            request = _parsed(bytes(self._received[: end.start()]))
            del self._received[: end.end()]
            return self._answer(request)
        except _Refused as refused:
            self.ended = True
            return _response(refused.status, *refused.fields, "Connection: close", head_only=head_only)

    def eof_received(self) -> bytes:
        """See StreamSession. An incomplete request gets no answer."""
        return b""

    def _answer(self, request: Request) -> bytes:
        if request.method not in ("GET", "HEAD"):
            raise _Refused(405, "Allow: GET, HEAD")
        render = self._find(request.path)
        if render is None:
            raise _Refused(404)
        page = render(request)
        self.ended = not request.keeps_alive
        fields = page.fields if request.keeps_alive else (*page.fields, "Connection: close")
        return _response(200, *fields, page=page, head_only=request.method == "HEAD")


def _parsed(head: bytes) -> Request:
    """Parse the head of a request. Raises _Refused."""
    first, *rest = re.split(rb"\r?\n", head)
    line = _LINE.fullmatch(first)
    if line is None:
        raise _Refused(400)
    if line[3] != b"1":
        raise _Refused(505)
    fields: dict[str, list[str]] = {}
    for each in rest:
        field = _FIELD.fullmatch(each)
        if field is None:
            raise _Refused(400)
        fields.setdefault(field[1].decode().lower(), []).append(field[2].decode("latin-1").strip())
    is_old = line[4] == b"0"
    if len(fields.get("host", ())) > 1 or not (is_old or "host" in fields):  # RFC 9112, 3.2
        raise _Refused(400)
    options = {option.strip().lower() for option in ",".join(fields.get("connection", ())).split(",")}
    keeps_alive = "keep-alive" in options if is_old else "close" not in options
    target = _TARGET.fullmatch(line[2].decode())
    assert target is not None  # noqa: S101 (for the type checker: it matches any text without line breaks)
    has_body = "transfer-encoding" in fields or set(fields.get("content-length", ())) - {"0"}
    return Request(
        line[1].decode(),
        target[1],
        ",".join(fields.get("accept", ())),
        ",".join(fields.get("accept-language", ())),
        keeps_alive and not has_body,
    )


def _response(status: int, *fields: str, page: Page | None = None, head_only: bool = False) -> bytes:
    if page is None:
        page = Page("text/plain; charset=utf-8", f"{status} {_REASONS[status]}\n".encode())
    lines = (
        f"HTTP/1.1 {status} {_REASONS[status]}",
        f"Content-Type: {page.content_type}",
        f"Content-Length: {len(page.body)}",
        *fields,
    )
    head = "".join(f"{line}\r\n" for line in (*lines, "")).encode()
    return head if head_only else head + page.body
