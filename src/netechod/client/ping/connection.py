"""A link to an echo server over TCP: a connection that is made again when it is lost."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress

from netechod.client import kernel
from netechod.client.kernel import RECEIVE_SIZE
from netechod.client.ping.links import Arrival, LinkEvent, ProbeError
from netechod.client.ping.payload import Payloads, Stream
from netechod.client.ping.stamp.directions import Directions
from netechod.client.resolver import Address
from netechod.client.sockets import AS_USUAL, SocketOptions


class Connection:
    """TCP: one connection for all probes. It is made when a probe is to be sent and there is none."""

    directions: Directions | None = None

    def __init__(
        self,
        address: Address,
        made: socket.socket | None,
        seconds: float | None,
        options: SocketOptions = AS_USUAL,
    ) -> None:
        self.unmatched = 0
        self.connect_seconds = seconds  # how long the last connection took to be made
        self._address = address
        self._options = options
        self._payloads = Payloads()
        self._sock: socket.socket | None = None
        self._stream = Stream(self._payloads)
        self._unsent = bytearray()
        self._connecting = 0.0  # when that began; 0 when connected
        if made is not None:
            self._sock = self._prepared(made)

    def _prepared(self, sock: socket.socket) -> socket.socket:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._receiver = kernel.TimedReceiver(sock)
        return sock

    def fileno(self) -> int:
        """See Link."""
        return -1 if self._sock is None else self._sock.fileno()

    def wants_to_write(self) -> bool:
        """See Link: while it is being connected, or has bytes that the kernel did not take."""
        return bool(self._connecting or self._unsent)

    def send(self, number: int, size: int) -> ProbeError | None:
        """Send a probe, or keep it until there is a connection."""
        self._unsent += self._payloads.make(number, size)
        try:
            if self._sock is None:
                self._connect()
            elif not self._connecting:
                self._flush(self._sock)
        except OSError as error:
            return self._lost(kernel.reason_of(error))
        self._stream.expect(number, size)
        return None

    def _connect(self) -> None:
        self._sock = self._prepared(self._options.open(self._address[0], socket.SOCK_STREAM))
        self._connecting = time.monotonic()
        with suppress(BlockingIOError):
            self._sock.connect(self._address[1])

    def _flush(self, sock: socket.socket) -> None:
        if self._unsent:
            with suppress(BlockingIOError):
                del self._unsent[: sock.send(self._unsent)]

    def _lost(self, reason: str) -> ProbeError:
        """Close: the probes without answer will have none."""
        self.close()
        return ProbeError(-1, reason)

    def events(self) -> Iterator[LinkEvent]:
        """See Link."""
        sock = self._sock
        try:
            if sock is not None and (not self._connecting or self._is_connected(sock)):
                self._flush(sock)
                yield from self._arrivals()
        except OSError as error:
            yield self._lost(kernel.reason_of(error))

    def _is_connected(self, sock: socket.socket) -> bool:
        """Return whether the connection has been made. Raises OSError if it cannot be."""
        if number := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(number, os.strerror(number))
        try:
            sock.getpeername()
        except OSError:
            return False
        self.connect_seconds = time.monotonic() - self._connecting
        self._connecting = 0.0
        return True

    def _arrivals(self) -> Iterator[LinkEvent]:
        while True:
            try:
                data, at, by_kernel = self._receiver.receive(RECEIVE_SIZE)
            except BlockingIOError:
                return
            if not data:
                yield self._lost("closed")
                return
            for reading in self._stream.feed(data):
                yield Arrival(reading, at, by_kernel)
            self.unmatched += self._stream.inserted
            self._stream.inserted = 0

    def give_up(self) -> bool:
        """Close a connection on which a probe stays unanswered: a new one may do better."""
        had_one = self._sock is not None
        self.close()
        return had_one

    def redirect(self, address: Address) -> None:
        """See Link."""
        self.close()
        self._address = address

    def close(self) -> None:
        """Free the socket."""
        if self._sock is not None:
            self._sock.close()
        self._sock = None
        self._stream = Stream(self._payloads)
        self._unsent.clear()
        self._connecting = 0.0
