"""The error queue of a datagram socket: ICMP errors about datagrams that we have sent (ip(7), IP_RECVERR).

While an error is pending, the next call on the socket fails, even if the error is about another peer. So the
endpoint takes the errors after a failed call, and repeats the call.

ICMP errors can be forged, in any number. So only a few are taken each turn, and only those about members are
kept. In a flood the queue is switched off for a moment.
"""

import errno
import socket
from collections.abc import Callable, Collection

from netechod.linux import EXTENDED_ERROR, IP_RECVERR, IPV6_RECVERR, ORIGIN_ICMP, ORIGIN_ICMP6
from netechod.reactor.loop import Loop, Timer
from netechod.reactor.udp.budget import ERROR_LIMIT
from netechod.reactor.udp.datagram_io import zoned

MUTE_TIME = 0.25
"""Seconds that the queue is off after a turn that took ERROR_LIMIT errors, half of which did not matter."""

_ANCILLARY = 512  # bytes: the error, its sender's address, and the socket's other control messages

Destination = tuple[str, int]
"""The address and port of a datagram that we have sent: text, with the zone of a link-local one."""


class ErrorQueue:
    """The errors of one socket.

    `is_known(destination)` returns whether an error about it matters. `refused(destinations)` is called once
    a turn with the known destinations that have answered "port unreachable".
    """

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        is_known: Callable[[Destination], bool],
        refused: Callable[[Collection[Destination]], object],
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._is_known = is_known
        self._refused = refused
        self._destinations: set[Destination] = set()
        self._turn = 0
        self._left = ERROR_LIMIT  # errors that may still be taken this turn
        self._unknown = 0  # errors of this turn that did not matter
        self._muted: Timer | None = None
        self._ask(True)

    def drain(self) -> bool:
        """Take errors, within the budget of the turn. Return whether to repeat a call that has failed."""
        if self._turn != self._loop.turns:
            self._turn, self._left, self._unknown = self._loop.turns, ERROR_LIMIT, 0
        reported = not self._left  # there may be more, for another turn
        while self._left and (error := self._take()) is not None:
            self._left -= 1
            self._loop.work += 1
            number, origin, destination = error
            if origin in (ORIGIN_ICMP, ORIGIN_ICMP6):
                reported = True
                self._note(number, destination)
        if not self._left and self._unknown >= ERROR_LIMIT // 2 and self._muted is None:
            self._mute()
        return reported

    def close(self) -> None:
        """Drop the errors that are not reported yet."""
        self._destinations.clear()
        if self._muted is not None:
            self._muted.cancel()

    def _note(self, number: int, destination: Destination) -> None:
        """Keep the destination of an error if it matters."""
        if not self._is_known(destination):
            self._unknown += 1
        elif number == errno.ECONNREFUSED:
            if not self._destinations:
                self._loop.call_soon(self._tell)
            self._destinations.add(destination)

    def _take(self) -> tuple[int, int, Destination] | None:
        """Return the next error: its number, its origin, and the destination of our datagram."""
        try:
            _, ancillary, _, address = self._sock.recvmsg(0, _ANCILLARY, socket.MSG_ERRQUEUE)
        except OSError:  # EAGAIN: there is none; no other failure matters either
            return None
        number = origin = 0
        for level, kind, data in ancillary:
            if (level, kind) in ((socket.IPPROTO_IP, IP_RECVERR), (socket.IPPROTO_IPV6, IPV6_RECVERR)):
                number, origin, *_ = EXTENDED_ERROR.unpack_from(data)
        return number, origin, zoned(address)

    def _tell(self) -> None:
        destinations, self._destinations = self._destinations, set()
        if destinations:  # unless the queue was closed in the meantime
            self._refused(destinations)

    def _mute(self) -> None:
        """Switch the queue off for a moment. The kernel drops its errors, and they cost us no call."""
        self._ask(False)
        self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # clears the pending error
        self._muted = self._loop.call_at(self._loop.now + MUTE_TIME, self._unmute)

    def _unmute(self) -> None:
        self._muted = None
        self._ask(True)

    def _ask(self, wanted: bool) -> None:
        """Switch the queue on or off. An IPv6 socket that takes IPv4, too, has an option for either."""
        self._sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, wanted)
        if self._sock.family == socket.AF_INET6:
            self._sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, wanted)
