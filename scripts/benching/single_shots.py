"""What takes a new server every time: memory by connection and by member, and the start."""

import json
import os
import socket
import struct
import time
from collections.abc import Callable
from contextlib import ExitStack

from scripts.benching.contest import Sample
from scripts.benching.server import PATIENCE, Address, Server

BASE = 200  # connections or members that are there before counting begins, and pay for what is made only once
PER_SOURCE = 250  # of them from one address of loopback: below what the daemon lets one source have
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
                    sock = stack.enter_context(_connect(server.addresses["echo-tcp"], number))
                    sock.send(MESSAGE)
                    wrong = sock.recv(len(MESSAGE), socket.MSG_WAITALL) != MESSAGE
                except OSError as error:
                    raise server.failure(error) from error
            sizes.append(server.memory())
            return Sample((sizes[1] - sizes[0]) / (self._connections - BASE), wrong=wrong)

    def close(self) -> None:
        """No server stays."""


class MemberHolder:
    """Bytes of the server's memory by chat member, who has been online since before a restart.

    They are handed over as one process hands them to the next, because everybody who joins is announced to
    everybody: ten thousand newcomers would be fifty million datagrams. One of them then speaks, so that what
    sending needs is there.
    """

    def __init__(self, make: Callable[[int], Server], members: int) -> None:
        self._make = make
        self._members = members

    def warm_up(self) -> None:
        """Memory knows no first time."""

    def sample(self) -> Sample:
        """See Contestant."""
        sizes = [self._size_with(members) for members in (BASE, self._members)]
        return Sample((sizes[1] - sizes[0]) / (self._members - BASE))

    def _size_with(self, members: int) -> int:
        with ExitStack() as stack:
            speaker = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            speaker.bind(("127.0.0.1", 0))
            speaker.settimeout(PATIENCE)
            state = stack.enter_context(os.fdopen(os.memfd_create("state"), "wb"))
            peers = [speaker.getsockname(), *map(_somebody, range(1, members))]
            online = [(f"0:{_packed(*peer).hex()}", 1.0, 1.0) for peer in peers]
            state.write(json.dumps({"version": 1, "owed": {}, "members": online}).encode())
            state.flush()
            server = self._make(state.fileno()).start()
            stack.callback(server.stop)
            server.wait_until_ready()
            speaker.sendto(b"hello", server.addresses["chat"])
            speaker.recv(100)
            return server.memory()

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


def _source(number: int) -> str:
    """An address of loopback to ask from, so that no source has too many connections or members."""
    return f"127.0.{2 + number // (PER_SOURCE * 250)}.{1 + number // PER_SOURCE % 250}"


def _somebody(number: int) -> Address:
    """A member who is not there."""
    return _source(number), 20000 + number % PER_SOURCE


def _packed(host: str, port: int) -> bytes:
    """struct sockaddr_in, ip(7)."""
    return struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + socket.inet_aton(host) + bytes(8)


def _connect(server: Address, number: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", int(PATIENCE), 0))
    sock.bind((_source(number), 0))
    sock.connect(server)
    return sock
