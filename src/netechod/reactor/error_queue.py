"""Who is not there any more: what the network says about datagrams that we have sent (ip(7), IP_RECVERR).

A socket that asks for this pays for it: an error that is pending makes the next call fail, whomever that was
for. So whoever sends or receives on such a socket drains the queue after a failure and tries again.
"""

import errno
import socket
import struct
import sys
from collections.abc import Callable, Collection

from netechod.reactor.loop import Loop

# Python 3.11's socket module lacks these: Linux's numbers (ip(7), ipv6(7)).
IP_RECVERR = 11
IPV6_RECVERR = 25

_EXTENDED_ERROR = struct.Struct("@IBBBBII")  # struct sock_extended_err: errno, origin, type, code, ...
_FROM_THE_NETWORK = (2, 3)  # its origin: ICMP, ICMPv6; the others are our own kernel's doing
_ANCILLARY = 512  # bytes: the error, its sender's address, and the control messages that the socket has

Place = tuple[str, int]
"""An address, as text, and a port."""


class ErrorQueue:
    """The errors of one datagram socket; `refused` is told, once a turn, of the ports that nobody has."""

    def __init__(
        self, loop: Loop, sock: socket.socket, refused: Callable[[Collection[Place]], object]
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._refused = refused
        self._places: set[Place] = set()
        # An IPv6 socket that takes IPv4 too hears of either by its own option.
        sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)

    def drain(self) -> bool:
        """Take all errors; whether the network had reported any, and a call that failed may succeed now."""
        reported = False
        while (error := self._take()) is not None:
            number, origin, place = error
            reported = reported or origin in _FROM_THE_NETWORK
            if number == errno.ECONNREFUSED and origin in _FROM_THE_NETWORK:
                if not self._places:
                    self._loop.call_soon(self._tell)
                self._places.add(place)
        return reported

    def _take(self) -> tuple[int, int, Place] | None:
        """The next error: its number, its origin, and where the datagram was sent that caused it."""
        try:
            _, ancillary, _, address = self._sock.recvmsg(0, _ANCILLARY, socket.MSG_ERRQUEUE)
        except OSError:  # EAGAIN: there is none; whatever else is no reason to end
            return None
        number = origin = 0
        for level, kind, data in ancillary:
            if (level, kind) in ((socket.IPPROTO_IP, IP_RECVERR), (socket.IPPROTO_IPV6, IPV6_RECVERR)):
                number, origin, *_ = _EXTENDED_ERROR.unpack_from(data)
        return number, origin, (address[0].partition("%")[0], address[1])

    def _tell(self) -> None:
        places, self._places = self._places, set()
        self._refused(places)


def error_queue(
    loop: Loop, sock: socket.socket, refused: Callable[[Collection[Place]], object]
) -> ErrorQueue | None:
    """The error queue of `sock`, where the system has such a thing."""
    return ErrorQueue(loop, sock, refused) if sys.platform == "linux" else None
