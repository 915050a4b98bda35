"""An outgoing connection that is made again whenever it is lost."""

import errno
import os
import random
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Thread
from typing import Any, Literal, TypeAlias

from netechod.reactor.loop import Loop, Timer
from netechod.reactor.tcp.api import Connection, Keep, PendingConnection, StreamService
from netechod.reactor.tcp.talking import connection_of
from netechod.reactor.tcp.turns import Turns

CONNECT_TIMEOUT = 3.0  # seconds for one address
SHORTEST, LONGEST = 0.1, 5.0  # seconds between two rounds; each round that fails doubles the pause

Target: TypeAlias = tuple[socket.AddressFamily, Any]
"""An address family and an address, as getaddrinfo(3) returns them, or AF_UNIX and a path."""

Resolve: TypeAlias = Callable[[], Sequence[Target]]
"""Finds the targets. It runs on a thread of its own, because it may take long.

Raises OSError, and UnicodeError if the name can be none.
"""


@dataclass(frozen=True)
class DialState:
    """The state of a dialer. `error` says why it waits, and is empty in any other state."""

    status: Literal["resolving", "connecting", "connected", "waiting"]
    target: str = ""
    error: str = ""
    retry: float = 0.0  # seconds until the next round


class Dialer:
    """Connects to one of several targets, and again whenever the connection ends.

    A round tries the targets in turn, for CONNECT_TIMEOUT each. For each connection, `service` makes a
    session in the role of a client. A server that accepts connections need not be of use. So the owner calls
    `prove` when it is. Without that, the end of the connection is followed by the next target of the round.
    A pause follows a round that fails, and the end of a proved connection. It grows from SHORTEST to LONGEST,
    until `prove`. `on_state` is called at each change of state.
    """

    def __init__(
        self,
        loop: Loop,
        service: StreamService,
        targets: Sequence[Target] | Resolve,
        on_state: Callable[[DialState], object] = lambda state: None,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self.loop = loop
        self.service = service
        self.turns = Turns(loop)
        self.buffer = memoryview(bytearray(service.read_size))
        self.keep: Keep | None = None
        self.connections: set[Connection] = set()
        self._targets = targets
        self._on_state = on_state
        self._dice = dice
        self._round: list[Target] = []  # the targets that are still to be tried, the next one last
        self.target: Target | None = None  # that it connects to, or has last connected to
        self._sock: socket.socket | None = None  # while it connects
        self._timer: Timer | None = None  # of the attempt, or of the pause
        self._pause = SHORTEST
        self._error = ""
        self._reason = ""  # for which the owner drops the connection
        self._proved = False
        self._closed = False
        self._begin_round()

    def close(self) -> None:
        """Close the connection, and connect no more."""
        self._closed = True
        self._stop_attempt()
        self.drop("")

    def prove(self) -> None:
        """Note that the connection is of use: the next pause is the shortest."""
        self._proved = True
        self._pause = SHORTEST

    def drop(self, reason: str) -> None:
        """Close the connection, if there is one, and go on as if it had ended for this reason."""
        self._reason = reason
        for connection in tuple(self.connections):
            connection.abandon()
        self._reason = ""

    def forget(self, connection: Connection, reason: str) -> None:
        """See Server."""
        self.connections.discard(connection)
        if self._closed:
            return
        self._error = self._reason or f"connection ended: {reason}"
        if self._proved:
            self._rest()
        else:
            self._try_next()

    def _begin_round(self) -> None:
        """Find the targets, and try the first."""
        self._timer = None
        if callable(self._targets):
            self._on_state(DialState("resolving"))
            name = f"{self.service.name} resolver"
            try:
                Thread(target=self._resolve, args=(self._targets,), name=name, daemon=True).start()
            except RuntimeError as error:  # clone(2) says EAGAIN
                self._try_all((), str(error))
        else:
            self._try_all(self._targets, "no address")

    def _resolve(self, resolve: Resolve) -> None:
        """Find the targets. This is the main function of the resolver's thread."""
        targets: Sequence[Target] = ()
        error = "no address"
        try:
            targets = resolve()
        except OSError as trouble:
            error = trouble.strerror or str(trouble)
        except UnicodeError:  # of the codec for names, as for "a..b"
            error = "not a host name"
        self.loop.call_soon_threadsafe(lambda: self._try_all(targets, error))

    def _try_all(self, targets: Sequence[Target], error: str) -> None:
        """Try `targets`. If there are none, `error` says why."""
        if self._closed:
            return
        self._error = error
        self._round = list(reversed(targets))
        self._try_next()

    def _try_next(self) -> None:
        """Connect to the next target of the round. If there is none, pause."""
        while self._round:
            self.target = family, address = self._round.pop()
            self._on_state(DialState("connecting", written(address)))
            try:
                self._connect(family, address)
            except OSError as error:
                self._failed(error)
            else:
                return
        self._rest()

    def _connect(self, family: socket.AddressFamily, address: Any) -> None:  # noqa: ANN401 (as the family has it)
        """Begin to connect."""
        self._sock = sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        if family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        status = sock.connect_ex(address)
        if status not in (0, errno.EINPROGRESS):
            raise OSError(status, os.strerror(status))
        self.loop.watch(sock.fileno(), None, self._on_connected)
        self._timer = self.loop.call_at(self.loop.now + CONNECT_TIMEOUT, self._on_timeout)

    def _on_timeout(self) -> None:
        self._failed(OSError(errno.ETIMEDOUT, "no connection in time"))
        self._try_next()

    def _on_connected(self) -> None:
        """Serve the connection, unless it has failed."""
        assert self._sock is not None  # noqa: S101 (watched while it connects)
        try:
            sock = self._sock
            status = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if not status and _is_to_itself(sock):
                status = errno.ECONNREFUSED
            if status:
                raise OSError(status, os.strerror(status))
            self._serve(sock)
        except (OSError, MemoryError) as error:
            self._failed(error)
            self._try_next()

    def _serve(self, sock: socket.socket) -> None:
        self.loop.unwatch(sock.fileno())
        connection = connection_of(self, PendingConnection(sock, "", 0, self.loop.now))
        self.connections.add(connection)
        try:
            connection.start()
        except (OSError, MemoryError):
            self.connections.discard(connection)
            raise
        self._sock = None  # it is the connection's
        self._stop_attempt()
        self._proved = False
        self._on_state(DialState("connected", self._written))

    def _failed(self, error: OSError | MemoryError) -> None:
        """Note why the attempt has failed, and close its socket."""
        reason = error.strerror if isinstance(error, OSError) else "no memory"
        self._error = f"{self._written}: {reason}"
        self._stop_attempt()

    def _stop_attempt(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._sock is not None:
            self.loop.unwatch(self._sock.fileno())
            self._sock.close()
            self._sock = None

    def _rest(self) -> None:
        """Pause before the next round. A random part keeps clients of one server from coming all at once."""
        pause = self._pause * (0.5 + 0.5 * self._dice())
        self._pause = min(LONGEST, 2 * self._pause)
        self._timer = self.loop.call_at(self.loop.now + pause, self._begin_round)
        self._on_state(DialState("waiting", self._written, self._error, pause))

    @property
    def _written(self) -> str:
        return "" if self.target is None else written(self.target[1])


def _is_to_itself(sock: socket.socket) -> bool:
    """Return whether TCP has connected a port to itself (RFC 9293, 3.5, simultaneous open)."""
    return sock.family != socket.AF_UNIX and sock.getsockname() == sock.getpeername()


def written(address: Any) -> str:  # noqa: ANN401 (as the family has it)
    """Return an address as people write it."""
    if isinstance(address, str):
        return address
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
