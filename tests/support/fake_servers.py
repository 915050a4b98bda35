"""Small servers with real sockets, for the tests of the clients: what they answer is a function."""

import select
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeAlias

from netechod.services.wire import text_error

Address: TypeAlias = Any  # what recvfrom returns: of two parts for IPv4, of four for IPv6
Replies: TypeAlias = Iterable[tuple[bytes, Address]]


class FakeServer:
    """A thread that serves one socket until the `with` block ends."""

    def __init__(self, kind: socket.SocketKind, host: str) -> None:
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
        self.socket.bind((host, 0))
        self.host = host
        self.port: int = self.socket.getsockname()[1]
        self._bell, self._stop = socket.socketpair()
        self._thread = threading.Thread(target=self._run)

    @property
    def address(self) -> str:
        """HOST:PORT, as the command line takes it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.close()
        self._thread.join()
        self._bell.close()
        self.socket.close()

    def _run(self) -> None:
        while self._bell not in select.select([self._bell, self.socket], [], [])[0]:
            self.serve()

    def serve(self) -> None:
        """Handle what made the socket readable."""
        raise NotImplementedError


class FakeUdpServer(FakeServer):
    """Answers every datagram with what `handler(payload, address)` returns, and remembers them all."""

    def __init__(self, handler: Callable[[bytes, Address], Replies], host: str = "127.0.0.1") -> None:
        super().__init__(socket.SOCK_DGRAM, host)
        self.seen: list[bytes] = []
        self._handler = handler

    def serve(self) -> None:
        """Answer one datagram."""
        payload, address = self.socket.recvfrom(65536)
        self.seen.append(payload)
        for reply, to in self._handler(payload, address):
            self.socket.sendto(reply, to)


class FakeTcpServer(FakeServer):
    """Gives every connection, one after another, to `handler(sock)`."""

    def __init__(self, handler: Callable[[socket.socket], None], host: str = "127.0.0.1") -> None:
        super().__init__(socket.SOCK_STREAM, host)
        self.socket.listen()
        self._handler = handler

    def serve(self) -> None:
        """Serve one connection."""
        sock, _ = self.socket.accept()
        with sock, suppress(OSError):
            self._handler(sock)


class FakeRoom:
    """A chat room as the wire knows it, with the first `losses` datagrams dropped."""

    def __init__(self, losses: int = 0) -> None:
        self.members: list[Address] = []
        self.heard: list[str] = []  # what was passed on, less the names
        self._losses = losses

    def __call__(self, payload: bytes, address: Address) -> Replies:
        """Handle one datagram, as the handler of a FakeUdpServer."""
        if self._losses:
            self._losses -= 1
            return []
        if payload == b"online":
            if address in self.members:
                return []
            self.members.append(address)
        elif address not in self.members:
            return [("你还没有上线,请先上线,运行: online".encode(), address)]
        elif flaw := text_error(payload):
            return [(f"message refused: {flaw}".encode(), address)]
        everybody = list(self.members)
        if payload == b"offline":
            self.members.remove(address)
        self.heard.append(payload.decode())
        line = f"{address[0]}--{address[1]}#".encode() + payload
        return [(line, member) for member in everybody]


def echo_stream(sock: socket.socket) -> None:
    """A TCP echo that reads on only when it has written: it fills up if the client does not read."""
    while data := sock.recv(65536):
        sock.sendall(data)


def echo_datagram(payload: bytes, address: Address) -> Replies:
    """A UDP echo."""
    return [(payload, address)]


def silence(_payload: bytes, _address: Address) -> Replies:
    """A server that answers nothing."""
    return []


def unused_udp_port() -> int:
    """A port on which nobody listens: one that was free a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
