"""Counters of sockets. A counter is cheap enough for every packet; a log line for every packet is not."""

from dataclasses import dataclass


@dataclass(slots=True)
class UdpCounters:
    """What happened on one datagram socket."""

    received: int = 0
    sent: int = 0
    receive_errors: int = 0
    send_errors: int = 0  # the kernel will never take it for this peer: no route, a firewall, a bad address
    blocked: int = 0  # times that the kernel took nothing for now: its send buffer was full
    overflowed: int = 0  # dropped, the oldest first, since it had waited too long or too many waited


@dataclass(slots=True)
class TcpCounters:
    """One service over TCP: its listening sockets and their connections."""

    accepted: int = 0
    closed: int = 0
    refused: int = 0  # closed at once: over a limit of the source or of the selector
    bytes_in: int = 0
    bytes_out: int = 0
    accept_errors: int = 0
