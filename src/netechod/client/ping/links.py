"""Links to an echo server: datagrams, or a connection that is made again when it is lost."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple, Protocol

from netechod.client import kernel
from netechod.client.kernel import RECEIVE_SIZE
from netechod.client.ping.departures import Departed, Departures
from netechod.client.ping.payload import Payloads, Reading, Stream
from netechod.client.ping.stamp.directions import Directions
from netechod.client.ping.tally import Crossing
from netechod.client.resolver import Address


class Arrival(NamedTuple):
    """An answer to a probe."""

    reading: Reading
    at: float  # monotonic clock
    by_kernel: bool  # whether that time is the kernel's
    crossing: Crossing | None = None  # only a STAMP reflector tells it


class ProbeError(NamedTuple):
    """A probe that was lost, for a known reason."""

    number: int  # of the probe; 0 if it is not known which, -1 for all
    reason: str
    reporter: str = ""
    mtu: int = 0


LinkEvent = Arrival | Departed | ProbeError


class Link(Protocol):
    """A link to the server."""

    unmatched: int  # datagrams that answer nothing of ours, or bytes added to a stream
    connect_seconds: float | None

    @property
    def directions(self) -> Directions | None:
        """Return what a STAMP reflector has told; None if it is none."""

    def fileno(self) -> int:
        """Return the descriptor for select(2); -1 while there is none."""

    def wants_to_write(self) -> bool:
        """Return whether select(2) has to wait until it takes bytes."""

    def send(self, number: int, size: int) -> ProbeError | None:
        """Send a probe."""

    def events(self) -> Iterator[LinkEvent]:
        """Return what has happened since the last call. Never blocks."""

    def give_up(self) -> bool:
        """Note that a probe was not answered; return whether the probes after it are lost as well."""

    def redirect(self, address: Address) -> None:
        """Send the next probes to another address."""

    def close(self) -> None:
        """Free the socket."""


class Datagrams:
    """UDP: the server's answers, and reports about probes that did not arrive."""

    directions: Directions | None = None

    def __init__(self, address: Address, *, whole: bool = False) -> None:
        self.unmatched = 0
        self.connect_seconds: float | None = None  # there is no connection
        self._whole = whole
        self._payloads = Payloads()
        self._number_of = self._payloads.number_of
        self._reported: list[ProbeError] = []
        self._departed: list[Departed] = []
        self._open(address)

    def _open(self, address: Address) -> None:
        """Make a socket. It is connected with the first probe, which tells when there is no route."""
        self._address = address
        self._is_connected = False
        self._sock = socket.socket(address[0], socket.SOCK_DGRAM)
        self._sock.setblocking(False)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._receiver = kernel.TimedReceiver(self._sock)
        self._departures = Departures(self._sock)
        kernel.ask_for_reports(self._sock)
        if self._whole:
            kernel.forbid_fragments(self._sock)

    def redirect(self, address: Address) -> None:
        """See Link."""
        self._sock.close()
        self._open(address)

    def fileno(self) -> int:
        """See Link."""
        return self._sock.fileno()

    def wants_to_write(self) -> bool:
        """Return False: the kernel takes a datagram or drops it."""
        return False

    def send(self, number: int, size: int) -> ProbeError | None:
        """Send a probe."""
        payload = self._make(number, size)
        try:
            self._send(payload)
        except OSError as error:
            self._take_reports()
            # A report about what this machine itself refuses to send has no payload.
            mine = [report for report in self._reported if report.number == 0 and not report.reporter]
            self._reported = [report for report in self._reported if report not in mine]
            self._departures.restart()
            return ProbeError(number, kernel.reason_of(error), mtu=mine[0].mtu if mine else 0)
        self._departures.note(number)
        return None

    def _make(self, number: int, size: int) -> bytes:
        return self._payloads.make(number, size)

    def _send(self, payload: bytes) -> None:
        """Send, and once more if the error was about an earlier probe."""
        if not self._is_connected:
            self._sock.connect(self._address[1])
            self._is_connected = True
        try:
            self._sock.send(payload)
        except OSError:
            self._take_reports()
            self._departures.restart()
            self._sock.send(payload)

    def _take_reports(self) -> None:
        for report in kernel.reports(self._sock):
            if isinstance(report, kernel.Departure):
                number = self._departures.number_of(report)
                self._departed.append(Departed(number, self._left(number, report.wall_ns)))
            else:
                number = self._number_of(report.payload)
                self._reported.append(ProbeError(number, report.reason, report.reporter, report.mtu))

    def _left(self, number: int, wall_ns: int) -> float:
        self._receiver.look_at_clocks()
        return self._receiver.monotonic(wall_ns)

    def events(self) -> Iterator[LinkEvent]:
        """See Link."""
        self._take_reports()
        yield from self._departed
        yield from self._reported
        self._departed, self._reported = [], []
        while True:
            try:
                received = self._receiver.receive_with_journey(RECEIVE_SIZE)
            except OSError:  # there is nothing more, or the error has been reported above
                return
            if arrival := self._read(received):
                yield arrival
            else:
                self.unmatched += 1

    def _read(self, received: kernel.Received) -> Arrival | None:
        """Return the answer in a datagram; None if it is none."""
        reading = self._payloads.read(received.data)
        return Arrival(reading, received.at, received.by_kernel) if reading else None

    def give_up(self) -> bool:
        """Return False: each datagram has a fate of its own."""
        return False

    def close(self) -> None:
        """Free the socket."""
        self._sock.close()


class Connection:
    """TCP: one connection for all probes. It is made when a probe is to be sent and there is none."""

    directions: Directions | None = None

    def __init__(self, address: Address, made: socket.socket | None, seconds: float | None) -> None:
        self.unmatched = 0
        self.connect_seconds = seconds  # how long the last connection took to be made
        self._address = address
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
        """Return True while it is being connected, or has bytes that the kernel did not take."""
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
        self._sock = self._prepared(socket.socket(self._address[0], socket.SOCK_STREAM))
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
