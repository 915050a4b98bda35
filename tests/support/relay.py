"""A way to a UDP server on which datagrams get lost, doubled or refused, as a test wants it."""

import select
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

Fate = Callable[[str, bytes], int]
"""How many copies arrive of a datagram that goes `"up"` to the server or `"down"` to the client."""


class Relay:
    """Passes datagrams on between any number of clients and one server, in a thread.

    The server sees another port of ours for each client, as it would behind a NAT.
    """

    def __init__(self, server: tuple[str, int], fate: Fate = lambda way, payload: 1) -> None:
        self.fate = fate
        self.seen: list[tuple[str, bytes]] = []  # everything that came, also what did not arrive
        self._server = server
        # Keeps the port ours while it is closed: it hears one peer only, so that the kernel refuses others.
        self._keeper = self._bound(0)
        self._keeper.connect(self._keeper.getsockname())
        self._front: socket.socket | None = None
        self._upstreams: dict[tuple[str, int], socket.socket] = {}
        self._bell, self._ring = socket.socketpair()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="relay")
        self.open()

    @property
    def address(self) -> str:
        """HOST:PORT, as the command line takes it."""
        host, port = self._keeper.getsockname()
        return f"{host}:{port}"

    def open(self) -> None:
        """Take datagrams (again)."""
        with self._lock:
            self._front = self._bound(self._keeper.getsockname()[1])
        self._ring.send(b"!")

    def close(self) -> None:
        """Have clients refused: port unreachable."""
        with self._lock:
            assert self._front is not None
            self._front.close()
            self._front = None
        self._ring.send(b"!")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ring.close()
        self._thread.join()
        for sock in (self._bell, self._keeper, self._front, *self._upstreams.values()):
            if sock is not None:
                sock.close()

    @staticmethod
    def _bound(port: int) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))
        return sock

    def _run(self) -> None:
        while True:
            with self._lock:
                readers = {sock.fileno(): sock for sock in self._upstreams.values()}
                if self._front is not None:
                    readers[self._front.fileno()] = self._front
            readable, _, _ = select.select([self._bell.fileno(), *readers], [], [])
            if self._bell.fileno() in readable and not self._bell.recv(64):
                return
            with self._lock:
                for sock in map(readers.get, readable):
                    if sock is not None and sock.fileno() >= 0:
                        with suppress(ConnectionRefusedError):  # the server is not there
                            self._pass_on(sock)

    def _pass_on(self, sock: socket.socket) -> None:
        payload, peer = sock.recvfrom(65536)
        way = "up" if sock is self._front else "down"
        self.seen.append((way, payload))
        for _ in range(self.fate(way, payload)):
            if way == "up":
                self._upstream(peer).send(payload)
            elif self._front is not None:
                client = next(client for client, upstream in self._upstreams.items() if upstream is sock)
                self._front.sendto(payload, client)

    def _upstream(self, client: tuple[str, int]) -> socket.socket:
        if client not in self._upstreams:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.connect(self._server)
            self._upstreams[client] = sock
        return self._upstreams[client]
