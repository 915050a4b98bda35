"""What takes a new server every time: memory by connection and by member, and the start."""

import socket
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from scripts.benching.contest import Sample
from scripts.benching.server import PATIENCE, Address, Server

BASE = 500  # connections or members that are there before counting begins, and pay for what is made only once
CONNECTIONS_PER_SOURCE = 250  # from one address of loopback: no more than the daemon lets one source have
MEMBERS_PER_SOURCE = 16
MESSAGE = bytes(range(32))


class ConnectionHolder:
    """Bytes of the server's memory by idle connection: after one echo each, all of them held open."""

    def __init__(self, make: Callable[[], Server], connections: int) -> None:
        self._make = make
        self._connections = connections

    def warm_up(self) -> None:
        """Memory knows no first time."""

    def sample(self) -> Sample:
        """See Contestant."""
        server = self._make().start()
        sizes: list[int] = []
        with ExitStack() as stack:
            stack.callback(server.stop)
            for number in range(self._connections):
                if number == BASE:
                    sizes.append(server.memory())
                try:
                    source = number // CONNECTIONS_PER_SOURCE
                    address = server.addresses["echo-tcp"]
                    sock = stack.enter_context(_socket(socket.SOCK_STREAM, address, source))
                    sock.send(MESSAGE)
                    wrong = sock.recv(len(MESSAGE), socket.MSG_WAITALL) != MESSAGE
                except OSError as error:
                    raise server.failure(error) from error
            sizes.append(server.memory())
            return Sample(_by_one(sizes, self._connections), wrong=wrong)

    def close(self) -> None:
        """No server stays."""


class MemberHolder:
    """Bytes of the server's memory by chat member: everything that it remembers of somebody who has joined.

    Everybody who joins is announced to everybody; members who do not listen have the least of buffers.
    """

    def __init__(self, make: Callable[[], Server], members: int) -> None:
        self._make = make
        self._members = members

    def warm_up(self) -> None:
        """Memory knows no first time."""

    def sample(self) -> Sample:
        """See Contestant."""
        server = self._make().start()
        sizes: list[int] = []
        with ExitStack() as stack:
            stack.callback(server.stop)
            for number in range(self._members):
                if number == BASE:
                    sizes.append(server.memory())
                try:
                    stack.enter_context(_joined(server.addresses["chat"], number))
                except OSError as error:
                    raise server.failure(error) from error
            sizes.append(server.memory())
            return Sample(_by_one(sizes, self._members))

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


def _joined(server: Address, number: int) -> socket.socket:
    """A chat member that has heard itself come online."""
    sock = _socket(socket.SOCK_DGRAM, server, number // MEMBERS_PER_SOURCE)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    sock.send(b"online")
    sock.recv(100)
    return sock
