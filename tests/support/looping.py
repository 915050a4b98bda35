"""Running a loop inside a test: turn by turn and in the test's own thread, so that nothing is left to chance.

Clients are plain non-blocking sockets. What waits for them runs the loop until the kernel says that they
are ready: no test here lasts for a length of time, it lasts until something has happened.
"""

import errno
import os
import select
import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from mmap import mmap
from typing import Any

from netechod.reactor.loop import Loop
from netechod.reactor.tcp.accept_queue import TcpLimits
from netechod.reactor.tcp.api import Connection, StreamService
from netechod.reactor.tcp.connection import LOW_WATER
from netechod.reactor.tcp.models import ModelName, model_of
from netechod.reactor.tcp.server import TcpServer
from netechod.services.api import StreamSession
from netechod.services.echo import EchoSession

PATIENCE = 10.0  # seconds after which a datagram to ourselves is taken to be lost
SMALL = 8192  # bytes of a kernel buffer that is soon full


class FakeClock:
    """A clock for a Loop: minutes cost nothing. Processes that are forked see the same time pass."""

    def __init__(self, now: float = 1000.0) -> None:
        self._cell = memoryview(mmap(-1, 8)).cast("d")
        self._cell[0] = now

    @property
    def now(self) -> float:
        """The time."""
        return self._cell[0]

    def __call__(self) -> float:
        """The time, as time.monotonic tells it."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._cell[0] += seconds


def turn(loop: Loop, times: int = 1) -> None:
    """Take turns that do not wait."""
    for _ in range(times):
        loop.call_soon(loop.stop)
        loop.run()


def waiting_turn(loop: Loop) -> None:
    """Take one turn that waits until something is ready or due."""
    loop.call_before_sleep(loop.stop)
    loop.run()


def run_until(loop: Loop, condition: Callable[[], object]) -> None:
    """Take turns until `condition` holds; what never comes is ended by pytest's own time limit."""
    while not condition():
        waiting_turn(loop)


def until_readable(loop: Loop, sock: socket.socket) -> None:
    """Run the loop until `sock`, a client's, has something to read."""
    ready: list[bool] = []
    loop.watch(sock.fileno(), lambda: ready.append(True))
    run_until(loop, lambda: ready)
    loop.unwatch(sock.fileno())


def receive(loop: Loop, sock: socket.socket, size: int = 65536) -> bytes:
    """Read from `sock`: up to `size` bytes or a datagram, or b"" at the end of a stream."""
    until_readable(loop, sock)
    return sock.recv(size)


def receive_rest(loop: Loop, sock: socket.socket) -> bytes:
    """Read from `sock` up to the end of the stream."""
    heard = bytearray()
    while data := receive(loop, sock):
        heard += data
    return bytes(heard)


def receive_exactly(loop: Loop, sock: socket.socket, size: int) -> bytes:
    """The next `size` bytes for `sock`, or fewer when the stream ends before."""
    heard = bytearray()
    while len(heard) < size and (data := receive(loop, sock, size - len(heard))):
        heard += data
    return bytes(heard)


def push(loop: Loop, sock: socket.socket, data: bytes) -> None:
    """Send all of `data` while the loop runs; the answers are nobody's concern."""
    rest = memoryview(data)

    def send_some() -> None:
        nonlocal rest
        rest = rest[sock.send(rest) :]

    loop.watch(sock.fileno(), None, send_some)
    run_until(loop, lambda: not rest)
    loop.unwatch(sock.fileno())


def settle() -> None:
    """Wait until what was sent has arrived: loopback delivers in order, so one more letter tells."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE)
        sock.bind(("127.0.0.1", 0))
        sock.sendto(b"", sock.getsockname())
        sock.recv(1)


def owed(connection: Connection) -> int:
    """Bytes that an echo has yet to deliver."""
    return connection.bytes_in - connection.bytes_out


def reset(sock: socket.socket) -> None:
    """Close `sock` with an RST instead of a FIN (socket(7), SO_LINGER)."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Exchange:
    """A client that sends as fast as it can and then half-closes, and reads slowly."""

    def __init__(self, loop: Loop, sock: socket.socket, data: bytes) -> None:
        self._loop = loop
        self._sock = sock
        self._unsent = memoryview(data)
        self.heard = bytearray()
        self.ended = False
        loop.watch(sock.fileno(), self._on_readable, self._on_writable)

    def _on_writable(self) -> None:
        if self._unsent:
            self._unsent = self._unsent[self._sock.send(self._unsent) :]
        else:
            self._sock.shutdown(socket.SHUT_WR)
            self._loop.watch(self._sock.fileno(), self._on_readable)

    def _on_readable(self) -> None:
        data = self._sock.recv(16384)
        self.heard += data
        if not data:
            self.ended = True
            self._loop.unwatch(self._sock.fileno())


class FailingSocket(socket.socket):
    """A connection whose network goes away."""

    def recv_into(self, *arguments: object, **options: object) -> int:
        """Fail as tcp(7) says that it can."""
        raise OSError(errno.EHOSTUNREACH, os.strerror(errno.EHOSTUNREACH))


class FailingListener(socket.socket):
    """A listener all of whose connections fail."""

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept as always, and give the connection its fault."""
        sock, address = super().accept()
        return FailingSocket(fileno=sock.detach()), address


class Drain:
    """Drains a server, and counts how often it says that it is done."""

    def __init__(self, server: TcpServer) -> None:
        self.calls = 0
        server.drain(self._drained)

    def _drained(self) -> None:
        self.calls += 1


class TcpBench:
    """TCP servers on loopback and their clients, all on one loop."""

    def __init__(self, loop: Loop, resources: ExitStack) -> None:
        self.loop = loop
        self.resources = resources
        self.listener = self.listen()

    def listen(self, buffers: int = 0) -> socket.socket:
        """A listening socket on a free port; `buffers` bytes for its connections, 0 for what is usual."""
        sock = self.resources.enter_context(socket.socket())
        set_buffers(sock, buffers)
        sock.bind(("127.0.0.1", 0))
        sock.listen(1024)
        sock.setblocking(False)
        return sock

    def serve(
        self,
        limits: TcpLimits | None = None,
        new_session: Callable[[], StreamSession] = EchoSession,
        listeners: Sequence[socket.socket] = (),
        model: ModelName = "select",
        service: StreamService | None = None,
    ) -> TcpServer:
        """A server on `listeners`, or on the bench's own; closed with the bench."""
        service = service or StreamService("echo-tcp", lambda wake: new_session())
        server = TcpServer(
            self.loop,
            service,
            listeners or [self.listener],
            limits,
            model_of(model, self.loop, "echo-tcp"),
        )
        self.resources.callback(server.close)
        return server

    def connect(
        self, to: socket.socket | None = None, source: str = "127.0.0.1", buffers: int = 0
    ) -> socket.socket:
        """A client whose connection waits in the backlog until the loop runs."""
        sock = self.resources.enter_context(socket.socket())
        set_buffers(sock, buffers)
        sock.bind((source, 0))
        sock.connect((to or self.listener).getsockname())
        sock.setblocking(False)
        settle()
        return sock

    def connected(self, server: TcpServer, source: str = "127.0.0.1", buffers: int = 0) -> socket.socket:
        """A client that `server` has accepted."""
        accepted = server.counters.accepted
        client = self.connect(source=source, buffers=buffers)
        run_until(self.loop, lambda: server.counters.accepted > accepted)
        return client

    def is_writable(self, client: socket.socket) -> bool:
        """Return whether the kernel takes more from a client at this moment."""
        poll = select.poll()
        poll.register(client, select.POLLOUT)
        return bool(poll.poll(0))

    def make_it_owe(self, server: TcpServer, client: socket.socket) -> Connection:
        """Have the only connection of an echo owe `client`, which reads nothing, until it reads no more."""
        [connection] = server.connections
        self.loop.watch(client.fileno(), None, lambda: client.send(bytes(65536)))
        run_until(self.loop, lambda: owed(connection) > LOW_WATER)
        self.loop.unwatch(client.fileno())
        return connection


def set_buffers(sock: socket.socket, size: int) -> None:
    """Small buffers are full soon, and what does not fit the kernel is the server's to keep (tcp(7))."""
    if size:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)
