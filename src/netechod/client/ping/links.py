"""Links to a server, and datagrams as one of them."""

import socket
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from netechod.client import kernel
from netechod.client.kernel import RECEIVE_SIZE
from netechod.client.ping.departures import Departed, Departures
from netechod.client.ping.payload import Payloads, Reading
from netechod.client.ping.stamp.directions import Directions
from netechod.client.ping.tally import Crossing
from netechod.client.resolver import Address
from netechod.client.sockets import AS_USUAL, SocketOptions


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

    def __init__(self, address: Address, options: SocketOptions = AS_USUAL, *, whole: bool = False) -> None:
        self.unmatched = 0
        self.connect_seconds: float | None = None  # there is no connection
        self._options = options
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
        self._sock = self._options.open(address[0], socket.SOCK_DGRAM)
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
