"""What Linux tells about datagrams besides their bytes (socket(7), ip(7), ipv6(7)).

These are times of arrival and of leaving, TTLs, traffic classes, and errors that ICMP reports.
"""

import errno
import os
import socket
import struct
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

from netechod import linux
from netechod.linux import (
    EXTENDED_ERROR,
    IP_MTU_DISCOVER,
    IP_RECVERR,
    IP_RECVTTL,
    IPV6_DONTFRAG,
    IPV6_MTU_DISCOVER,
    IPV6_RECVERR,
    ORIGIN_ICMP,
    ORIGIN_ICMP6,
    ORIGIN_LOCAL,
    ORIGIN_TIMESTAMPING,
    PMTUDISC_PROBE,
    SO_TIMESTAMPING,
    SO_TIMESTAMPNS,
    TIMES_OF_LEAVING,
    TIMESPEC,
)

RECEIVE_SIZE = 65536  # bytes asked of one receive: more than any datagram holds
_RECVERR = ((socket.IPPROTO_IP, IP_RECVERR), (socket.IPPROTO_IPV6, IPV6_RECVERR))

CLOCK_TOLERANCE = 0.05  # seconds; a larger step means that the wall clock was set
MAX_SLEW = 0.001  # seconds a second: adjtimex(2) slews the wall clock by half of this at most
_ANCILLARY = 256  # bytes for all messages that come with a datagram

REASONS = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.EMSGSIZE: "too long",
    errno.EACCES: "prohibited",
    errno.EPERM: "prohibited",
    errno.ETIMEDOUT: "timeout",
}
"""Why a datagram did not arrive. Programs read these words: they are the same in all languages."""

TTL_EXCEEDED = "ttl exceeded"
_TIME_EXCEEDED = {(ORIGIN_ICMP, 11), (ORIGIN_ICMP6, 3)}  # the types of ICMP (RFC 792) and ICMPv6 (RFC 4443)


class Report(NamedTuple):
    """An error that a host on the path, or our kernel, reports about a datagram."""

    payload: bytes  # the start of the datagram, as much as the report contains
    reason: str
    reporter: str  # the address of the host that reports it; empty for our kernel
    mtu: int  # the MTU in bytes, if the datagram was too long; 0 if the report has none


def reason_of(error: OSError) -> str:
    """Return the word of REASONS for an error; the system's text, in lower case, if there is none."""
    return REASONS.get(error.errno or 0, (error.strerror or str(error)).lower())


class Departure(NamedTuple):
    """The time at which the kernel gave a datagram to the network device."""

    place: int  # of the datagram among those sent since `ask_for_departures`, from 0
    wall_ns: int  # nanoseconds since the epoch


class Received(NamedTuple):
    """A datagram, or a piece of a stream, and how it arrived."""

    data: bytes
    at: float  # monotonic clock
    by_kernel: bool  # whether that time is the kernel's
    wall_ns: int  # the same time in nanoseconds since the epoch
    ttl: int | None  # TTL or Hop Limit; None if it was not asked for
    tos: int | None  # traffic class


class TimedReceiver:
    """Receives from a socket, and tells when each datagram, or piece of a stream, reached the kernel.

    The kernel stamps with the wall clock. Its stamps are believed, however old they are (we may have been
    stopped, by Ctrl-Z), unless the wall clock was set since the last look at it.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.steps = 0  # how often the wall clock was set
        self._sock = sock
        self._offset, self._looked = _clock_offset()
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)

    def receive(self, size: int) -> tuple[bytes, float, bool]:
        """Return the bytes, when they arrived (monotonic clock), and whether the kernel told that time."""
        return self.receive_with_journey(size)[:3]

    def receive_with_journey(self, size: int) -> Received:
        """Return the bytes and all that the kernel tells about them."""
        data, messages, _, _ = self._sock.recvmsg(size, _ANCILLARY)
        was_set = self.look_at_clocks()
        now, ttl, tos = self._looked, None, None
        wall_ns = time.time_ns()
        at, by_kernel = now, False
        for level, kind, content in messages:
            match level, kind:
                case socket.SOL_SOCKET, linux.SO_TIMESTAMPNS if not was_set:
                    came_ns = _nanoseconds(content)
                    if (came := self.monotonic(came_ns)) <= now:
                        at, by_kernel, wall_ns = came, True, came_ns
                case (socket.IPPROTO_IP, socket.IP_TTL) | (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT):
                    ttl = int.from_bytes(content, sys.byteorder)
                case (socket.IPPROTO_IP, socket.IP_TOS) | (socket.IPPROTO_IPV6, socket.IPV6_TCLASS):
                    tos = int.from_bytes(content, sys.byteorder)
        return Received(data, at, by_kernel, wall_ns, ttl, tos)

    def look_at_clocks(self) -> bool:
        """Return whether the wall clock was set since the last look at it."""
        offset, now = _clock_offset()
        drift = abs(offset - self._offset)
        was_set = drift > CLOCK_TOLERANCE + MAX_SLEW * (now - self._looked)
        self._offset, self._looked = offset, now
        self.steps += was_set
        return was_set

    def monotonic(self, wall_ns: int) -> float:
        """Return a time of the wall clock as one of the monotonic clock, by the last look at both."""
        seconds, nanoseconds = divmod(wall_ns, 1_000_000_000)
        return seconds - self._offset + nanoseconds / 1e9


def _nanoseconds(content: bytes) -> int:
    """Read a struct timespec."""
    seconds, nanoseconds = TIMESPEC.unpack_from(content)
    return int(seconds * 1_000_000_000 + nanoseconds)


def _clock_offset() -> tuple[float, float]:
    """Return how far the wall clock is ahead of the monotonic clock, and the time of the latter."""
    now = time.monotonic()
    return time.clock_gettime(time.CLOCK_REALTIME) - now, now


def ask_for_reports(sock: socket.socket) -> None:
    """Ask for ICMP errors together with the start of the datagrams that they are about."""
    _set(sock, {IP_RECVERR: 1}, {IPV6_RECVERR: 1})


def ask_for_departures(sock: socket.socket) -> None:
    """Ask for the time at which each datagram leaves. They are counted from 0 again."""
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, 0)
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, TIMES_OF_LEAVING)


def ask_for_journeys(sock: socket.socket) -> None:
    """Ask for the TTL and the traffic class of each datagram that arrives."""
    _set(
        sock,
        {IP_RECVTTL: 1, socket.IP_RECVTOS: 1},
        {socket.IPV6_RECVHOPLIMIT: 1, socket.IPV6_RECVTCLASS: 1},
    )


def set_journey(sock: socket.socket, ttl: int, tos: int) -> None:
    """Have packets leave with this TTL and traffic class. 0: those of the system."""
    if ttl:
        _set(sock, {socket.IP_TTL: ttl}, {socket.IPV6_UNICAST_HOPS: ttl})
    if tos:
        _set(sock, {socket.IP_TOS: tos}, {socket.IPV6_TCLASS: tos})


def forbid_fragments(sock: socket.socket) -> None:
    """Forbid fragments: each packet is sent whole or not at all (the DF bit of IPv4)."""
    _set(sock, {IP_MTU_DISCOVER: PMTUDISC_PROBE}, {IPV6_MTU_DISCOVER: PMTUDISC_PROBE, IPV6_DONTFRAG: 1})


def _set(sock: socket.socket, ipv4: Mapping[int, int], ipv6: Mapping[int, int]) -> None:
    """Set the options of the socket's family. A kernel that lacks one tells us less: no error."""
    level, options = (
        (socket.IPPROTO_IPV6, ipv6) if sock.family == socket.AF_INET6 else (socket.IPPROTO_IP, ipv4)
    )
    for option, value in options.items():
        with suppress(OSError):
            sock.setsockopt(level, option, value)


def reports(sock: socket.socket) -> Iterator[Report | Departure]:
    """Return the reports, and the times of leaving, that have arrived since the last call."""
    while True:
        try:
            payload, messages, _, _ = sock.recvmsg(
                _ANCILLARY, _ANCILLARY, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT
            )
        except OSError:
            return
        left_ns = 0
        for level, kind, content in messages:
            if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPING):
                left_ns = _nanoseconds(content)
            elif (level, kind) in _RECVERR:
                _, origin, *_, data = EXTENDED_ERROR.unpack_from(content)
                if origin == ORIGIN_TIMESTAMPING:
                    yield Departure(data, left_ns)
                else:
                    yield _report(payload, content)


def _report(payload: bytes, content: bytes) -> Report:
    number, origin, kind, _, _, info, _ = EXTENDED_ERROR.unpack_from(content)
    reporter = "" if origin == ORIGIN_LOCAL else _address(content[EXTENDED_ERROR.size :])
    mtu = info if number == errno.EMSGSIZE else 0
    reason = reason_of(OSError(number, os.strerror(number)))
    return Report(payload, TTL_EXCEEDED if (origin, kind) in _TIME_EXCEEDED else reason, reporter, mtu)


def _address(sockaddr: bytes) -> str:
    """Return the address in a struct sockaddr_in or sockaddr_in6; empty if it is neither."""
    if len(sockaddr) < 8:
        return ""
    family = struct.unpack_from("@H", sockaddr)[0]
    if family == socket.AF_INET:
        return socket.inet_ntop(socket.AF_INET, sockaddr[4:8])
    if family == socket.AF_INET6 and len(sockaddr) >= 24:
        return socket.inet_ntop(socket.AF_INET6, sockaddr[8:24])
    return ""
