"""Probes of STAMP (RFC 8762). Each target is a session of its own."""

import os
import time
from collections.abc import Callable

from netechod.client import kernel
from netechod.client.resolver import Address
from netechod.client.watch.network.datagrams import SharedSocket
from netechod.client.watch.watched import Watched
from netechod.client.watch.watcher import Watcher
from netechod.clock_error import clock_error
from netechod.reactor.loop import Loop
from netechod.services.stamp.packets import OPEN, Answer, read_answer, request
from netechod.services.stamp.timestamps import PTP, error_estimate, ntp_of, time_of
from netechod.services.stamp.tlv import HEAD, Type, tlv

CLOCK_INTERVAL = 16.0  # seconds between two looks at the error of our clock
SECOND_NS = 1_000_000_000
REMEMBERED = 10.0  # seconds after its timeout for which a probe is remembered: it may be answered late


class Reflections:
    """The probes of all targets with STAMP.

    The time in an answer tells whose it is: no two probes have the same. A session id would not do, because
    reflectors of RFC 8762 do not return it.
    """

    def __init__(self, loop: Loop, watcher: Callable[[], Watcher]) -> None:
        self._loop = loop
        self._watcher = watcher
        self._sockets: dict[int, SharedSocket] = {}
        self._sent: dict[int, tuple[Watched, int, int]] = {}  # by timestamp: whose, its number, when (wall)
        self._remembered_ns = 0
        self._last = 0  # the last timestamp
        self._ssid = int.from_bytes(os.urandom(2), "big")
        self._error = 0
        self._looked = -CLOCK_INTERVAL

    def open(self, watched: Watched, address: Address) -> "StampTransport":
        """See Transports."""
        family = address[0]
        if family not in self._sockets:
            self._sockets[family] = SharedSocket(self._loop, family, self)
        self._ssid = self._ssid % 0xFFFF + 1
        remembered_ns = round((watched.target.timeout + REMEMBERED) * SECOND_NS)
        self._remembered_ns = max(self._remembered_ns, remembered_ns)
        return StampTransport(self, self._sockets[family], address, watched, self._ssid)

    def probe(self, watched: Watched, ssid: int, number: int) -> bytes:
        """Return a probe that leaves now, and remember whose it is."""
        if self._loop.now >= self._looked + CLOCK_INTERVAL:
            self._looked, self._error = self._loop.now, error_estimate(clock_error())
        wall_ns = time.time_ns()
        self._last = max(ntp_of(wall_ns), self._last + 1)
        self._sent[self._last] = watched, number, wall_ns
        self._forget(wall_ns - self._remembered_ns)
        room = watched.target.payload_size - OPEN.size
        tail = tlv(Type.EXTRA_PADDING, bytes(room - HEAD)) if room else b""
        return request((number - 1) & 0xFFFF_FFFF, self._last, self._error, ssid) + tail

    def _forget(self, before_ns: int) -> None:
        while (oldest := next(iter(self._sent))) != self._last and self._sent[oldest][2] < before_ns:
            del self._sent[oldest]

    def received(self, received: kernel.Received) -> None:
        """See Reader."""
        answer = read_answer(received.data, is_signed=False)
        sent = None if answer is None else self._sent.get(answer.sender_timestamp)
        if answer is not None and sent is not None and answer.sender_number == (sent[1] - 1) & 0xFFFF_FFFF:
            watched, number, sent_ns = sent
            at = received.at - _residence(answer, sent_ns, received.wall_ns)
            self._watcher().answered(watched, number, at, 0)

    def reported(self, payload: bytes, reason: str) -> None:
        """See Reader."""
        timestamp = int.from_bytes(payload[OPEN.timestamp : OPEN.timestamp + 8], "big")
        if timestamp in self._sent:
            watched, number, _ = self._sent[timestamp]
            self._watcher().failed(watched, number, reason)

    def close(self) -> None:
        """Free the descriptors."""
        for sock in self._sockets.values():
            sock.close()


def _residence(answer: Answer, sent_ns: int, received_ns: int) -> float:
    """Return how long the reflector has kept a probe, in seconds; 0 if what it tells cannot be true."""
    is_ptp = bool(answer.error & PTP)
    arrived = time_of(answer.received, received_ns, ptp=is_ptp)
    left = time_of(answer.sent, received_ns, ptp=is_ptp)
    if not (answer.received and answer.sent) or not 0 <= left - arrived <= received_ns - sent_ns:
        return 0.0
    return (left - arrived) / SECOND_NS


class StampTransport:
    """The session with one reflector."""

    def __init__(
        self, all_of_them: Reflections, sock: SharedSocket, address: Address, watched: Watched, ssid: int
    ) -> None:
        self._all = all_of_them
        self._sock = sock
        self._address = address
        self._watched = watched
        self._ssid = ssid

    def send(self, number: int) -> str:
        """See Transport."""
        return self._sock.send(self._all.probe(self._watched, self._ssid, number), self._address)

    def timed_out(self) -> None:
        """See Transport: each datagram has a fate of its own."""

    def close(self) -> None:
        """See Transport."""
