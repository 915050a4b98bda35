"""Probes to echo services over TCP: one connection a target, which is made again when it is lost."""

import os
import socket
from collections.abc import Callable
from contextlib import suppress

from netechod.client import kernel
from netechod.client.ping.payload import Payloads, Stream
from netechod.client.resolver import Address
from netechod.client.watch.watched import Watched
from netechod.client.watch.watcher import Watcher
from netechod.reactor.loop import Loop

READ_SIZE = 65536  # bytes asked of one receive
REMEMBERED = 1  # probe whose size is remembered: only datagrams come back in another order


class Connections:
    """Makes the connections of all targets over TCP."""

    def __init__(self, loop: Loop, watcher: Callable[[], Watcher]) -> None:
        self._loop = loop
        self._watcher = watcher

    def open(self, watched: Watched, address: Address) -> "ConnectionTransport":
        """See Transports."""
        return ConnectionTransport(self._loop, self._watcher(), watched, address)

    def close(self) -> None:
        """See EchoDatagrams: each connection has an owner."""


class ConnectionTransport:
    """The probes of one target. A probe waits until there is a connection, and its time begins then."""

    def __init__(self, loop: Loop, watcher: Watcher, watched: Watched, address: Address) -> None:
        self._loop = loop
        self._watcher = watcher
        self._watched = watched
        self._address = address
        self._payloads = Payloads(REMEMBERED)
        self._stream = Stream(self._payloads)
        self._sock: socket.socket | None = None
        self._is_connected = False
        self._unsent = bytearray()
        self._numbers: list[int] = []  # of the probes that wait for a connection

    def send(self, number: int) -> str:
        """See Transport."""
        size = self._watched.target.payload_size
        self._unsent += self._payloads.make(number, size)
        self._stream.expect(number, size)
        if not self._is_connected:
            self._numbers.append(number)
        try:
            if self._sock is None:
                self._connect()
            elif self._is_connected:
                self._flush(self._sock)
        except OSError as error:
            self._lose(kernel.reason_of(error))
        return ""

    def _connect(self) -> None:
        sock = socket.socket(self._address[0], socket.SOCK_STREAM)
        self._sock = sock
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._receiver = kernel.TimedReceiver(sock)
        with suppress(BlockingIOError):
            sock.connect(self._address[1])
        self._loop.watch(sock.fileno(), self._on_ready, self._on_ready)

    def _on_ready(self) -> None:
        """Go on, now that the socket is readable, writable or broken."""
        sock = self._sock
        if sock is None:
            return
        try:
            if not self._is_connected:
                self._settle(sock)
            if self._is_connected:
                self._flush(sock)
                self._receive(sock)
        except BlockingIOError:
            pass
        except OSError as error:
            self._lose(kernel.reason_of(error))

    def _settle(self, sock: socket.socket) -> None:
        """See whether the connection has been made. Raises OSError if it cannot be."""
        if number := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(number, os.strerror(number))
        self._is_connected = True
        now = self._loop.clock()
        for number in self._numbers:
            self._watcher.left(self._watched, number, now)
        self._numbers.clear()

    def _flush(self, sock: socket.socket) -> None:
        with suppress(BlockingIOError):
            while self._unsent:
                del self._unsent[: sock.send(self._unsent)]
        self._loop.watch(sock.fileno(), self._on_ready, self._on_ready if self._unsent else None)

    def _receive(self, sock: socket.socket) -> None:
        while True:
            data, at, _ = self._receiver.receive(READ_SIZE)
            if not data:
                self._lose("closed")
                return
            for reading in self._stream.feed(data):
                self._watcher.answered(self._watched, reading.number, at, reading.damaged)

    def _lose(self, reason: str) -> None:
        """Close: the probes without an answer will have none."""
        self.close()
        self._watcher.all_failed(self._watched, reason)

    def timed_out(self) -> None:
        """Close a connection on which a probe stays unanswered: a new one may do better."""
        if self._sock is not None:
            self._lose("given up")

    def close(self) -> None:
        """See Transport."""
        if self._sock is not None:
            self._loop.unwatch(self._sock.fileno())
            self._sock.close()
        self._sock = None
        self._is_connected = False
        self._stream = Stream(self._payloads)
        self._unsent.clear()
        self._numbers.clear()
