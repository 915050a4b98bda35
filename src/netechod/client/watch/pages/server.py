"""Pages over HTTP, on an address of this machine."""

import socket
from collections.abc import Mapping
from typing import NamedTuple

from netechod.client.i18n.translate import reason_text, tr
from netechod.client.watch.recorders import Notify
from netechod.reactor.loop import Loop
from netechod.reactor.tcp.accept_queue import TcpLimits
from netechod.reactor.tcp.api import StreamService
from netechod.reactor.tcp.server import TcpServer
from netechod.services.http import MAX_HEAD, HttpSession, Render

LOOPBACK = "127.0.0.1"
AGAIN = 5.0  # seconds until an address is tried again that could not be used
MOST_READERS = 32  # connections at once; beyond it those that have been silent longest are closed
PATIENCE = 30.0  # seconds that a connection gets to ask, and to take each part of its answer
BACKLOG = 128


class Place(NamedTuple):
    """An address to listen on."""

    host: str
    port: int  # 0: any

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def place(text: str) -> Place:
    """Parse `[ADDR:]PORT`; loopback without an address. Raises ValueError.

    >>> place("9863"), place("[::]:80")
    (Place(host='127.0.0.1', port=9863), Place(host='::', port=80))
    """
    host, _, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not (port.isascii() and port.isdigit() and int(port) < 65536) or (":" in host and bare == host):
        raise ValueError
    return Place(bare or LOOPBACK, int(port))


class PageServer:
    """Serves pages on an address as soon as it can have it."""

    def __init__(
        self, loop: Loop, where: Place, pages: Mapping[str, Render], complain: Notify, announce: Notify
    ) -> None:
        self._loop = loop
        self._where = where
        self._pages = pages
        self._complain = complain
        self._announce = announce
        self._server: TcpServer | None = None
        self._has_failed = False
        self._open()

    def _open(self) -> None:
        """Listen; if that fails, tell it once, and try again later."""
        try:
            sock = _listener(self._where)
        except OSError as error:
            if not self._has_failed:
                reason = reason_text(error.strerror or str(error))
                where = str(self._where)
                self._complain(
                    tr("cannot listen on {where}: {reason}; it is tried again", where=where, reason=reason)
                )
            self._has_failed = True
            self._loop.call_at(self._loop.now + AGAIN, self._open)
            return
        service = StreamService("pages", self._new_session, read_size=MAX_HEAD, quiet=True)
        limits = TcpLimits(MOST_READERS, MOST_READERS, PATIENCE, idle_at_limit=0.0)
        self._server = TcpServer(self._loop, service, [sock], limits)
        bound = self._where._replace(port=sock.getsockname()[1])
        paths = ", ".join(f"http://{bound}{path}" for path in self._pages if path in ENTRIES)
        self._announce(tr("serving {paths}", paths=paths))

    def _new_session(self, wake: object) -> HttpSession:
        return HttpSession(self._pages.get)

    def close(self) -> None:
        """Serve no more."""
        if self._server is not None:
            self._server.close()


ENTRIES = ("/", "/metrics")
"""The pages that people, or monitoring systems, ask for themselves."""


def _listener(where: Place) -> socket.socket:
    """Return a listening socket; `[::]` includes IPv4. Raises OSError."""
    found = socket.getaddrinfo(where.host, where.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, _, _, address = found[0]
    sock = socket.socket(family, kind)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(address)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock
