"""The ways to an echo server: datagrams, or a connection that is made again when it is lost."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple, Protocol

from netechod.client import kernel
from netechod.client.net import RECEIVE_SIZE, Address
from netechod.client.ping.payload import Payloads, Reading, Stream


class Arrival(NamedTuple):
    """An answer."""

    reading: Reading
    at: float  # monotonic clock
    by_kernel: bool  # whether the kernel tells that time


class ProbeError(NamedTuple):
    """A probe that is reported as lost."""

    number: int  # of the probe; 0 if that is not known, -1 for all
    reason: str
    reporter: str = ""
    mtu: int = 0


LinkEvent = Arrival | ProbeError


class Link(Protocol):
    """A way to the server."""

    unmatched: int  # datagrams that answer nothing of ours, or bytes added to a stream
    connect_seconds: float | None

    def fileno(self) -> int:
        """What select(2) watches; -1 while there is nothing."""

    def wants_to_write(self) -> bool:
        """Whether select(2) has to tell when it takes bytes."""

    def send(self, number: int, size: int) -> ProbeError | None:
        """Send a probe."""

    def events(self) -> Iterator[LinkEvent]:
        """What has happened since the last time, once select(2) has said that something has."""

    def give_up(self) -> bool:
        """A probe was not answered: whether those sent after it cannot be, either."""

    def close(self) -> None:
        """Free the socket."""


class Datagrams:
    """UDP: the server's answers and nobody else's, and reports about what did not arrive."""

    def __init__(self, address: Address, *, whole: bool = False) -> None:
        self.unmatched = 0
        self.connect_seconds: float | None = None  # there is no connection
        self._payloads = Payloads()
        self._sock = socket.socket(address[0], socket.SOCK_DGRAM)
        self._sock.setblocking(False)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        kernel.ask_for_times(self._sock)
        kernel.ask_for_reports(self._sock)
        if whole:
            kernel.forbid_fragments(self._sock)
        self._sock.connect(address[1])
        self._reported: list[ProbeError] = []

    def fileno(self) -> int:
        """What select(2) watches."""
        return self._sock.fileno()

    def wants_to_write(self) -> bool:
        """Never: the kernel takes a datagram or drops it."""
        return False

    def send(self, number: int, size: int) -> ProbeError | None:
        """Send a probe."""
        payload = self._payloads.make(number, size)
        try:
            self._send(payload)
        except OSError as error:
            self._take_reports()
            # What this machine itself refuses to send is reported without its payload.
            mine = [report for report in self._reported if report.number == 0 and not report.reporter]
            self._reported = [report for report in self._reported if report not in mine]
            return ProbeError(number, kernel.reason_of(error), mtu=mine[0].mtu if mine else 0)
        return None

    def _send(self, payload: bytes) -> None:
        """Send, and once more if an error is in the way that is about a probe before this one."""
        try:
            self._sock.send(payload)
        except OSError:
            self._take_reports()
            self._sock.send(payload)

    def _take_reports(self) -> None:
        for report in kernel.reports(self._sock):
            number = self._payloads.number_of(report.payload)
            self._reported.append(ProbeError(number, report.reason, report.reporter, report.mtu))

    def events(self) -> Iterator[LinkEvent]:
        """Answers, and reports of probes that did not arrive."""
        self._take_reports()
        yield from self._reported
        self._reported.clear()
        while True:
            try:
                data, at, by_kernel = kernel.receive(self._sock, RECEIVE_SIZE)
            except OSError:  # nothing more, or what has just been reported
                return
            if reading := self._payloads.read(data):
                yield Arrival(reading, at, by_kernel)
            else:
                self.unmatched += 1

    def give_up(self) -> bool:
        """No: each datagram has a fate of its own."""
        return False

    def close(self) -> None:
        """Free the socket."""
        self._sock.close()


class Connection:
    """TCP: one connection for all probes, made when one is to be sent and there is none."""

    def __init__(self, address: Address, made: socket.socket | None, seconds: float | None) -> None:
        self.unmatched = 0
        self.connect_seconds = seconds  # that the last connection took to be made
        self._address = address
        self._payloads = Payloads()
        self._sock: socket.socket | None = None
        self._stream = Stream(self._payloads)
        self._unsent = bytearray()
        self._connecting = 0.0  # since when; 0 when connected
        if made is not None:
            self._sock = self._prepared(made)

    def _prepared(self, sock: socket.socket) -> socket.socket:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        kernel.ask_for_times(sock)
        return sock

    def fileno(self) -> int:
        """What select(2) watches; -1 without a connection."""
        return -1 if self._sock is None else self._sock.fileno()

    def wants_to_write(self) -> bool:
        """While it is being connected, or has bytes that the kernel did not take."""
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
        """Everything that has no answer yet will have none."""
        self.close()
        return ProbeError(-1, reason)

    def events(self) -> Iterator[LinkEvent]:
        """Answers, or the end of the connection."""
        sock = self._sock
        try:
            if sock is not None and (not self._connecting or self._is_connected(sock)):
                self._flush(sock)
                yield from self._arrivals(sock)
        except OSError as error:
            yield self._lost(kernel.reason_of(error))

    def _is_connected(self, sock: socket.socket) -> bool:
        """Whether the connection has been made. Raises OSError if it cannot be."""
        if number := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(number, os.strerror(number))
        try:
            sock.getpeername()
        except OSError:
            return False
        self.connect_seconds = time.monotonic() - self._connecting
        self._connecting = 0.0
        return True

    def _arrivals(self, sock: socket.socket) -> Iterator[LinkEvent]:
        while True:
            try:
                data, at, by_kernel = kernel.receive(sock, RECEIVE_SIZE)
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
        """Drop a connection on which something stays unanswered: a new one may do better."""
        had_one = self._sock is not None
        self.close()
        return had_one

    def close(self) -> None:
        """Free the socket."""
        if self._sock is not None:
            self._sock.close()
        self._sock = None
        self._stream = Stream(self._payloads)
        self._unsent.clear()
        self._connecting = 0.0
