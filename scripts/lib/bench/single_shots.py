"""Trials that need a new server each time: memory by connection and by member, and the start."""

import socket
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from scripts.lib.bench.contest import Sample
from scripts.lib.bench.server import PATIENCE, Address, Server

BASE = 500  # connections or members that are there before counting begins, and pay for what is made only once
CONNECTIONS_PER_SOURCE = 250  # from one address of loopback: no more than the daemon lets one source have
MEMBERS_PER_SOURCE = 16
MESSAGE = bytes(range(32))


class Holder:
    """Bytes of the server's memory by client: so many of them, each entered once and held open.

    `enter(server, number)` gives the socket of one client, and whether it was answered wrong.
    """

    def __init__(
        self,
        make: Callable[[], Server],
        clients: int,
        enter: Callable[[Server, int], tuple[socket.socket, bool]],
    ) -> None:
        self._make = make
        self._clients = clients
        self._enter = enter

    def warm_up(self) -> None:
        """Memory knows no first time."""

    def sample(self) -> Sample:
        """See Contestant."""
        server = self._make().start()
        sizes: list[int] = []
        wrong = 0
        with ExitStack() as stack:
            stack.callback(server.stop)
            for number in range(self._clients):
                if number == BASE:
                    sizes.append(server.memory())
                try:
                    sock, is_wrong = self._enter(server, number)
                except OSError as error:
                    raise server.failure(error) from error
                stack.enter_context(sock)
                wrong += is_wrong
            sizes.append(server.memory())
            return Sample(_by_one(sizes, self._clients), wrong=wrong)

    def close(self) -> None:
        """No server stays."""


class Starter:
    """Milliseconds from exec until the server is ready: it says so, or its first answer does."""

    def __init__(self, make: Callable[[], Server], wait: Callable[[Server], None]) -> None:
        self._make = make
        self._wait = wait

    def warm_up(self) -> None:
        """See Contestant: its files come into the page cache."""
        self.sample()

    def sample(self) -> Sample:
        """See Contestant."""
        server = self._make()
        try:
            begun = time.monotonic()
            server.start()
            self._wait(server)
            return Sample((time.monotonic() - begun) * 1000)
        finally:
            server.stop()

    def close(self) -> None:
        """No server stays."""


class Resident(Starter):
    """MiB that the server occupies when it is ready."""

    def sample(self) -> Sample:
        """See Contestant."""
        server = self._make().start()
        try:
            self._wait(server)
            return Sample(server.resident() / 2**20)
        finally:
            server.stop()


def _by_one(sizes: Sequence[int], count: int) -> float:
    """Bytes by each of so many beyond BASE; something, or there would be no ratio to it."""
    return max(sizes[1] - sizes[0], 1) / (count - BASE)


def _socket(kind: socket.SocketKind, server: Address, source: int) -> socket.socket:
    """A connected socket, from one of the addresses of loopback."""
    sock = socket.socket(socket.AF_INET, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", int(PATIENCE), 0))
    sock.bind((f"127.0.{2 + source // 250}.{1 + source % 250}", 0))
    sock.connect(server)
    return sock


def connected(server: Server, number: int) -> tuple[socket.socket, bool]:
    """A TCP connection after one echo, and whether that was wrong."""
    sock = _socket(socket.SOCK_STREAM, server.addresses["echo-tcp"], number // CONNECTIONS_PER_SOURCE)
    sock.send(MESSAGE)
    return sock, sock.recv(len(MESSAGE), socket.MSG_WAITALL) != MESSAGE


def joined(server: Server, number: int) -> tuple[socket.socket, bool]:
    """A chat member that has heard itself come online.

    Everybody who joins is announced to everybody; members who do not listen have the least of buffers.
    """
    sock = _socket(socket.SOCK_DGRAM, server.addresses["chat"], number // MEMBERS_PER_SOURCE)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    sock.send(b"online")
    sock.recv(100)
    return sock, False
