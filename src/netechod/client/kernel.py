"""What Linux's kernel tells about datagrams besides their bytes: when they came, and what became of them.

Python's socket module lacks most of these numbers (socket(7), ip(7), ipv6(7)): here they stand, once.
"""

import errno
import os
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

SO_TIMESTAMPNS = 35  # linux/asm-generic/socket.h; also the kind of the message that carries a time
IP_MTU_DISCOVER, IP_RECVERR = 10, 11  # linux/in.h
IPV6_MTU_DISCOVER, IPV6_RECVERR, IPV6_DONTFRAG = 23, 25, 62  # linux/in6.h
PMTUDISC_PROBE = 3  # send with DF set, whatever is known of the path
_RECVERR = ((socket.IPPROTO_IP, IP_RECVERR), (socket.IPPROTO_IPV6, IPV6_RECVERR))

_TIME = struct.Struct("@ll")  # struct timespec
_ERROR = struct.Struct("@IBBBBII")  # struct sock_extended_err, linux/errqueue.h
_ORIGIN_LOCAL = 1  # the kernel itself refuses to send
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
"""Why something did not arrive, in words that are the same in all languages."""


class Report(NamedTuple):
    """An error that somebody on the path, or the kernel, reports about a datagram."""

    payload: bytes  # as much of it as came back with the report
    reason: str
    reporter: str  # the address of who reports it; empty for the kernel itself
    mtu: int  # bytes that a packet may have, if it was too long; 0 if that was not told


def reason_of(error: OSError) -> str:
    """Why something did not arrive."""
    return REASONS.get(error.errno or 0, (error.strerror or str(error)).lower())


def ask_for_times(sock: socket.socket) -> None:
    """Have every datagram, or piece of a stream, come with the time when it reached the kernel."""
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)


def ask_for_reports(sock: socket.socket) -> None:
    """Have errors come with the datagrams that they are about."""
    _set(sock, {IP_RECVERR: 1}, {IPV6_RECVERR: 1})


def forbid_fragments(sock: socket.socket) -> None:
    """Have every packet sent whole or not at all: IPv4's DF."""
    _set(sock, {IP_MTU_DISCOVER: PMTUDISC_PROBE}, {IPV6_MTU_DISCOVER: PMTUDISC_PROBE, IPV6_DONTFRAG: 1})


def _set(sock: socket.socket, ipv4: Mapping[int, int], ipv6: Mapping[int, int]) -> None:
    """Set options, for want of which something is not told."""
    level, options = (
        (socket.IPPROTO_IPV6, ipv6) if sock.family == socket.AF_INET6 else (socket.IPPROTO_IP, ipv4)
    )
    for option, value in options.items():
        with suppress(OSError):
            sock.setsockopt(level, option, value)


def receive(sock: socket.socket, size: int) -> tuple[bytes, float, bool]:
    """Bytes, when they came by the monotonic clock, and whether the kernel says so."""
    data, messages, _, _ = sock.recvmsg(size, _ANCILLARY)
    now, wall = time.monotonic(), time.clock_gettime(time.CLOCK_REALTIME)
    for level, kind, content in messages:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, nanoseconds = _TIME.unpack_from(content)
            age = wall - (seconds + nanoseconds / 1e9)
            if 0 <= age < 1:  # else the wall clock was set meanwhile
                return data, now - age, True
    return data, now, False


def reports(sock: socket.socket) -> Iterator[Report]:
    """What has been reported since the last time."""
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
    number, origin, _, _, _, info, _ = _ERROR.unpack_from(content)
    reporter = "" if origin == _ORIGIN_LOCAL else _address(content[_ERROR.size :])
    mtu = info if number == errno.EMSGSIZE else 0
    return Report(payload, reason_of(OSError(number, os.strerror(number))), reporter, mtu)


def _address(sockaddr: bytes) -> str:
    """The address in a struct sockaddr_in or sockaddr_in6."""
    if len(sockaddr) < 8:
        return ""
    family = struct.unpack_from("@H", sockaddr)[0]
    if family == socket.AF_INET:
        return socket.inet_ntop(socket.AF_INET, sockaddr[4:8])
    if family == socket.AF_INET6 and len(sockaddr) >= 24:
        return socket.inet_ntop(socket.AF_INET6, sockaddr[8:24])
    return ""
