"""What Linux tells about datagrams besides their bytes: times of arrival and ICMP errors (ip(7), ipv6(7))."""

import errno
import os
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

from netechod.linux import (
    EXTENDED_ERROR,
    IP_MTU_DISCOVER,
    IP_RECVERR,
    IPV6_DONTFRAG,
    IPV6_MTU_DISCOVER,
    IPV6_RECVERR,
    ORIGIN_LOCAL,
    PMTUDISC_PROBE,
    SO_TIMESTAMPNS,
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


class Report(NamedTuple):
    """An error that a host on the path, or our kernel, reports about a datagram."""

    payload: bytes  # the start of the datagram, as much as the report contains
    reason: str
    reporter: str  # the address of the host that reports it; empty for our kernel
    mtu: int  # the MTU in bytes, if the datagram was too long; 0 if the report has none


def reason_of(error: OSError) -> str:
    """Return the word of REASONS for an error; the system's text, in lower case, if there is none."""
    return REASONS.get(error.errno or 0, (error.strerror or str(error)).lower())


class TimedReceiver:
    """Receives from a socket, and tells when each datagram, or piece of a stream, reached the kernel.

    The kernel stamps with the wall clock. Its stamps are believed, however old they are (we may have been
    stopped, by Ctrl-Z), unless the wall clock was set since the last look at it.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._offset, self._looked = _clock_offset()
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)

    def receive(self, size: int) -> tuple[bytes, float, bool]:
        """Return the bytes, when they arrived (monotonic clock), and whether the kernel told that time."""
        data, messages, _, _ = self._sock.recvmsg(size, _ANCILLARY)
        offset, now = _clock_offset()
        drift = abs(offset - self._offset)
        was_set = drift > CLOCK_TOLERANCE + MAX_SLEW * (now - self._looked)
        self._offset, self._looked = offset, now
        for level, kind, content in messages:
            if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS) and not was_set:
                seconds, nanoseconds = TIMESPEC.unpack_from(content)
                came = seconds - offset + nanoseconds / 1e9
                if came <= now:
                    return data, came, True
        return data, now, False


def _clock_offset() -> tuple[float, float]:
    """Return how far the wall clock is ahead of the monotonic clock, and the time of the latter."""
    now = time.monotonic()
    return time.clock_gettime(time.CLOCK_REALTIME) - now, now


def ask_for_reports(sock: socket.socket) -> None:
    """Ask for ICMP errors together with the start of the datagrams that they are about."""
    _set(sock, {IP_RECVERR: 1}, {IPV6_RECVERR: 1})


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


def reports(sock: socket.socket) -> Iterator[Report]:
    """Return the reports that have arrived since the last call."""
    while True:
        try:
            payload, messages, _, _ = sock.recvmsg(
                _ANCILLARY, _ANCILLARY, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT
            )
        except OSError:
            return
        for level, kind, content in messages:
            if (level, kind) in _RECVERR:
                yield _report(payload, content)


def _report(payload: bytes, content: bytes) -> Report:
    number, origin, _, _, _, info, _ = EXTENDED_ERROR.unpack_from(content)
    reporter = "" if origin == ORIGIN_LOCAL else _address(content[EXTENDED_ERROR.size :])
    mtu = info if number == errno.EMSGSIZE else 0
    return Report(payload, reason_of(OSError(number, os.strerror(number))), reporter, mtu)


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
