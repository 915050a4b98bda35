"""Probes to echo services over UDP, and the sockets that they share with those of STAMP.

All targets of a family share a socket. So a thousand of them need two descriptors.
"""

import socket
from collections.abc import Callable
from typing import Protocol

from netechod.client import kernel
from netechod.client.kernel import RECEIVE_SIZE
from netechod.client.ping.payload import Payloads
from netechod.client.resolver import Address
from netechod.client.watch.watched import Watched
from netechod.client.watch.watcher import Watcher
from netechod.reactor.loop import Loop

BUFFER = 4 << 20  # bytes of answers that wait in the kernel while this program does something else
TRIES = 4  # to send a datagram: each error of another one, told at the same time, costs one
REMEMBERED = 64  # probes of a target whose sizes are remembered


class Reader(Protocol):
    """Knows whose the datagrams of a socket are."""

    def received(self, received: kernel.Received) -> None:
        """Take a datagram."""

    def reported(self, payload: bytes, reason: str) -> None:
        """Take a report about a datagram of ours, of which `payload` is the start."""


class SharedSocket:
    """An unconnected socket."""

    def __init__(self, loop: Loop, family: int, reader: Reader) -> None:
        """Raises OSError."""
        self._loop = loop
        self._reader = reader
        self._sock = socket.socket(family, socket.SOCK_DGRAM)
        self._sock.setblocking(False)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        self._receiver = kernel.TimedReceiver(self._sock)
        kernel.ask_for_reports(self._sock)
        loop.watch(self._sock.fileno(), self._on_readable)

    def send(self, payload: bytes, address: Address) -> str:
        """Send a datagram; return why that is impossible, or nothing.

        A call may also fail with the error of an earlier datagram to somebody else (ip(7), IP_RECVERR).
        """
        reason = ""
        for _ in range(TRIES):
            try:
                self._sock.sendto(payload, address[1])
            except OSError as error:
                reason = kernel.reason_of(error)
                self._take_reports()
            else:
                return ""
        return reason

    def _take_reports(self) -> None:
        for report in kernel.reports(self._sock):
            if isinstance(report, kernel.Report) and report.reporter:
                self._reader.reported(report.payload, report.reason)

    def _on_readable(self) -> None:
        self._take_reports()
        while True:
            try:
                received = self._receiver.receive_with_journey(RECEIVE_SIZE)
            except OSError:  # there is nothing more, or the error has been reported above
                return
            self._reader.received(received)

    def close(self) -> None:
        """Free the descriptor."""
        self._loop.unwatch(self._sock.fileno())
        self._sock.close()


class EchoDatagrams:
    """The probes of all targets over UDP. The token in the payload tells whose one is."""

    def __init__(self, loop: Loop, watcher: Callable[[], Watcher]) -> None:
        self._loop = loop
        self._watcher = watcher
        self._sockets: dict[int, SharedSocket] = {}
        self._of: dict[bytes, tuple[Watched, Payloads]] = {}

    def open(self, watched: Watched, address: Address) -> "EchoTransport":
        """See Transports."""
        family = address[0]
        if family not in self._sockets:
            self._sockets[family] = SharedSocket(self._loop, family, self)
        payloads = Payloads(REMEMBERED)
        while payloads.token in self._of:
            payloads = Payloads(REMEMBERED)
        self._of[payloads.token] = watched, payloads
        return EchoTransport(self._sockets[family], address, payloads, watched, self._of)

    def received(self, received: kernel.Received) -> None:
        """See Reader."""
        watched, payloads = self._of.get(received.data[:4], (None, None))
        if watched is not None and payloads is not None and (reading := payloads.read(received.data)):
            self._watcher().answered(watched, reading.number, received.at, reading.damaged)

    def reported(self, payload: bytes, reason: str) -> None:
        """See Reader."""
        watched, payloads = self._of.get(payload[:4], (None, None))
        if watched is not None and payloads is not None:
            self._watcher().failed(watched, payloads.number_of(payload), reason)

    def close(self) -> None:
        """Free the descriptors."""
        for sock in self._sockets.values():
            sock.close()


class EchoTransport:
    """The probes of one target."""

    def __init__(
        self,
        sock: SharedSocket,
        address: Address,
        payloads: Payloads,
        watched: Watched,
        owners: dict[bytes, tuple[Watched, Payloads]],
    ) -> None:
        self._sock = sock
        self._address = address
        self._payloads = payloads
        self._size = watched.target.payload_size
        self._owners = owners

    def send(self, number: int) -> str:
        """See Transport."""
        return self._sock.send(self._payloads.make(number, self._size), self._address)

    def timed_out(self) -> None:
        """See Transport: each datagram has a fate of its own."""

    def close(self) -> None:
        """See Transport: answers to it are nobody's from now on."""
        del self._owners[self._payloads.token]
