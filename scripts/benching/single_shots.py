"""What takes a new server every time: memory by connection, and the time from exec to the first answer."""

import socket
import struct
import time
from collections.abc import Callable
from contextlib import ExitStack, closing

from scripts.benching.contest import Sample
from scripts.benching.server import PATIENCE, Address, Server
from scripts.benching.tcp_load import MESSAGE, SOURCES, ask, connect, messages

BASE = 200  # connections that are there before counting begins, and pay for what is made only once


class MemoryHolder:
    """Bytes of the server's memory by idle connection: after one echo each, all of them held open."""

    def __init__(self, make: Callable[[], Server], connections: int) -> None:
        self._make = make
        self._connections = connections

    def warm_up(self) -> None:
        """Memory knows no first time."""

    def sample(self) -> Sample:
        """See Contestant."""
        server = self._make().start()
        lost = wrong = 0
        sizes: list[int] = []
        with ExitStack() as stack:
            stack.callback(server.stop)
            for number, message in zip(range(self._connections), messages(MESSAGE), strict=False):
                if number == BASE:
                    sizes.append(server.memory())
                try:
                    sock = stack.enter_context(connect(server.addresses["echo-tcp"], number % SOURCES))
                    wrong += not ask(sock, message)
                except OSError as error:
                    raise server.failure(error) from error
            sizes.append(server.memory())
            return Sample((sizes[1] - sizes[0]) / (self._connections - BASE), lost, wrong)

    def close(self) -> None:
        """No server stays."""


class Starter:
    """Milliseconds from exec to the first answer; the question waits in the socket before."""

    def __init__(
        self,
        make: Callable[[], Server],
        service: str,
        knock: Callable[[Address], socket.socket],
        answer: bytes,
    ) -> None:
        self._make = make
        self._service = service
        self._knock = knock
        self._answer = answer

    def warm_up(self) -> None:
        """See Contestant: its files come into the page cache."""
        self.sample()

    def sample(self) -> Sample:
        """See Contestant."""
        server = self._make()
        try:
            with closing(self._knock(server.addresses[self._service])) as sock:
                begun = time.monotonic()
                server.start()
                answer = sock.recv(2048)
                seconds = time.monotonic() - begun
        except OSError as error:
            raise server.failure(error) from error
        finally:
            server.stop()
        return Sample(seconds * 1000, wrong=int(answer != self._answer))

    def close(self) -> None:
        """No server stays."""


def knock_tcp(message: bytes, address: Address) -> socket.socket:
    """A connection whose first message is on its way."""
    sock = connect(address, 0)
    sock.sendall(message)
    return sock


def knock_udp(question: bytes, address: Address) -> socket.socket:
    """A socket whose question is on its way."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", int(PATIENCE), 0))
    sock.connect(address)
    sock.send(question)
    return sock
