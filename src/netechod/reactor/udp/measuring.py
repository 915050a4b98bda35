"""Datagrams that say how they travelled, in batches: for services that measure the network.

The kernel tells the time of arrival, the TTL and the traffic class in control messages (SO_TIMESTAMPNS,
socket(7), ip(7), ipv6(7)). They are no part of the peer, which must be equal for all datagrams from one port.
An answer leaves with the traffic class that its payload asks for.
"""

import socket
import struct
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple, cast

from netechod import linux
from netechod.linux import IP_PKTINFO, IP_RECVTTL, SO_TIMESTAMPNS, TIMESPEC
from netechod.reactor.udp.messages import HEADER
from netechod.reactor.udp.mmsg import RECENT, STARTS, BatchMemory, MmsgDatagramIO
from netechod.services.api import Datagram, MeasuredPayload

# Datagrams sent by one call. Times of leaving are written before it: in a long batch they would be early.
PORTION = 8
MAX_TTL = 255  # of answers: the client takes the number of hops from it (RFC 5357, 4.2.1)
CONTROL_ROOM = 128  # bytes: a time takes 32, an address 40 at most, TTL and traffic class take 24 each

_CONTROL_HEADER = struct.Struct("@Nii")  # struct cmsghdr: length with this header, level, type (cmsg(3))
_INT = struct.Struct("@i")
_NO_PREFERENCE = bytes(20)  # a packet info that leaves address and interface to the routing table
_MAPPED = bytes(10) + b"\xff\xff"  # the start of an IPv4-mapped address (RFC 4291, 2.5.5.2)


class _Journey(NamedTuple):
    """The contents of the control messages of a datagram, without its time."""

    ttl: int = MeasuredPayload.ttl
    tos: int = MeasuredPayload.tos
    asked: str = ""  # the address of ours
    way_back: bytes = b""  # the control message that makes an answer leave from the address that was asked


class MeasuringDatagramIO(MmsgDatagramIO):
    """A socket whose datagrams are MeasuredPayloads. It completes each UnfinishedPayload as it sends it.

    `wall_ns` returns the time in nanoseconds since the epoch. Peers are those of MmsgDatagramIO.
    """

    def __init__(
        self, sock: socket.socket, memory: BatchMemory, wall_ns: Callable[[], int] = time.time_ns
    ) -> None:
        super().__init__(sock, memory)
        self._wall_ns = wall_ns
        self._is_ipv6 = sock.family == socket.AF_INET6
        self._host, self._port = sock.getsockname()[:2]
        layout = self._layout
        tos_at = layout.size - layout.control_at
        self._set_up(
            layout._replace(control=CONTROL_ROOM, size=layout.control_at + CONTROL_ROOM),
            layout._replace(
                control=tos_at + _CONTROL_HEADER.size + _INT.size, size=layout.size + len(_tos_message(0))
            ),
        )
        _ask_for_measurements(sock)

    def receive(self) -> Sequence[Datagram]:
        """See DatagramIO."""
        messages, payloads = self._in, self._memory.received
        lengths, controls = messages.lengths, messages.control_lengths
        return [
            self._measured(
                payloads[STARTS[index] : STARTS[index] + lengths[index]],
                messages.peers[index * messages.size : (index + 1) * messages.size],
                controls[index],
            )
            for index in range(self._receive_messages())
        ]

    def send(self, datagrams: Sequence[Datagram]) -> int:
        """See DatagramIO."""
        sent = 0
        while sent < len(datagrams):
            portion = datagrams[sent : sent + PORTION]
            try:
                count = self._send_portion(portion)
            except OSError:
                if not sent:
                    raise
                break
            sent += count
            if count < len(portion):
                break
        return sent

    def _send_portion(self, portion: Sequence[Datagram]) -> int:
        """Send a few datagrams. Whatever takes time is done before the clock is read."""
        peers = b"".join([self._named(payload, cast(bytes, peer)) for payload, peer in portion])
        self._out.peers[: len(peers)] = peers
        completions = [_completion(payload) for payload, _ in portion]
        if len(portion) == 1:
            return self._send_one(completions[0](self._wall_ns()))
        now = self._wall_ns()
        return self._send_payloads([complete(now) for complete in completions])

    def send_back(self, batch: Sequence[Datagram]) -> int:
        """See DatagramIO."""
        return self.send(batch)

    def _measured(self, payload: bytes, name: bytes, control_length: int) -> Datagram:
        """Make a datagram of what was received. `name` is the address and behind it the control messages."""
        control_at = self._layout.control_at
        name, control = name[:control_at], name[control_at : control_at + control_length]
        datagram = MeasuredPayload(payload)
        if control.startswith(_TIME_HEADER):  # the kernel writes the time first
            seconds, nanoseconds = TIMESPEC.unpack_from(control, HEADER)
            datagram.received_ns = seconds * 1_000_000_000 + nanoseconds
            control = control[HEADER + TIMESPEC.size :]
        journey = _journey(control)
        datagram.ttl, datagram.tos = journey.ttl, journey.tos
        datagram.asked = journey.asked or self._host, self._port
        if not self._layout.control:
            return datagram, name
        return datagram, name + (journey.way_back or self._any_way_back(name))

    def _named(self, payload: bytes, peer: bytes) -> bytes:
        """Return the peer, and behind it the traffic class that the payload asks for."""
        return peer + _tos_message(getattr(payload, "tos", 0), self._is_ipv6 and not _is_mapped(peer))

    def _any_way_back(self, name: bytes) -> bytes:
        """Return the way back to a peer of which we do not know what address of ours it has asked."""
        if not self._is_ipv6:
            return _control_message(socket.IPPROTO_IP, IP_PKTINFO, _NO_PREFERENCE[:12])
        address = _MAPPED + _NO_PREFERENCE[12:] if _is_mapped(name) else _NO_PREFERENCE
        return _control_message(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, address)


def _ask_for_measurements(sock: socket.socket) -> None:
    """Have each datagram come with its time, TTL and traffic class, and send with the highest TTL.

    An IPv6 socket has the options of IPv4, too: they hold for IPv4 peers.
    """
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    sock.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, MAX_TTL)
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, MAX_TTL)


def _completion(payload: bytes) -> Callable[[int], bytes]:
    """Return what completes a payload with the time; a payload that is complete stays as it is."""
    found: Callable[[int], bytes] | None = getattr(payload, "completed", None)
    return found or (lambda now: payload)


def _is_mapped(name: bytes) -> bool:
    """Return whether a struct sockaddr_in6 has an IPv4 address."""
    return name[8:20] == _MAPPED


@lru_cache(RECENT)
def _journey(control: bytes) -> _Journey:
    """Read control messages. A message that the kernel had no room for is as one that it did not send."""
    journey, at = _Journey(), 0
    while at + HEADER <= len(control):
        length, level, kind = _CONTROL_HEADER.unpack_from(control, at)
        journey = _with(journey, level, kind, control[at + HEADER : at + length])
        at += max(HEADER, _aligned(length))
    return journey


def _with(journey: _Journey, level: int, kind: int, data: bytes) -> _Journey:
    """Add what one control message tells. Its data may be cut off."""
    match level, kind, len(data):
        case (socket.IPPROTO_IP, socket.IP_TTL, 4) | (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT, 4):
            return journey._replace(ttl=_INT.unpack(data)[0])
        case socket.IPPROTO_IP, socket.IP_TOS, 1:
            return journey._replace(tos=data[0])
        case socket.IPPROTO_IPV6, socket.IPV6_TCLASS, 4:
            return journey._replace(tos=_INT.unpack(data)[0])
        case (socket.IPPROTO_IP, linux.IP_PKTINFO, 12):  # interface, local address, address asked
            asked, way_back = socket.inet_ntop(socket.AF_INET, data[8:]), bytes(4) + data[4:]
        case (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, 20):  # address asked, interface
            asked, way_back = socket.inet_ntop(socket.AF_INET6, data[:16]), data[:16] + bytes(4)
        case _:
            return journey
    return journey._replace(asked=asked, way_back=_control_message(level, kind, way_back))


@lru_cache(2 * 256)
def _tos_message(tos: int, is_ipv6: bool = False) -> bytes:
    """Return the control message for a traffic class."""
    level, kind = (socket.IPPROTO_IPV6, socket.IPV6_TCLASS) if is_ipv6 else (socket.IPPROTO_IP, socket.IP_TOS)
    return _control_message(level, kind, _INT.pack(tos))


def _control_message(level: int, kind: int, data: bytes) -> bytes:
    message = _CONTROL_HEADER.pack(HEADER + len(data), level, kind) + data
    return message.ljust(_aligned(len(message)), b"\0")


def _aligned(length: int) -> int:
    """Return where the next control message begins, CMSG_ALIGN of cmsg(3)."""
    return -(-length // 8) * 8


_TIME_HEADER = _CONTROL_HEADER.pack(HEADER + TIMESPEC.size, socket.SOL_SOCKET, SO_TIMESTAMPNS)
