"""Counters of sockets. A counter is cheap enough for every packet. A log line is not."""

from dataclasses import dataclass


@dataclass(slots=True)
class UdpCounters:
    """The events of one datagram socket, counted."""

    received: int = 0
    sent: int = 0
    receive_errors: int = 0
    send_errors: int = 0  # datagrams that the kernel refused: no route, a firewall, a bad address
    blocked: int = 0  # times that the kernel took none for now, because its send buffer was full
    overflowed: int = 0  # datagrams dropped, the oldest first: they waited too long, or too many waited


@dataclass(slots=True)
class TcpCounters:
    """The events of one service over TCP, counted."""

    accepted: int = 0
    closed: int = 0
    refused: int = 0  # connections closed at once: over a limit of the source or of the selector
    bytes_in: int = 0
    bytes_out: int = 0
    accept_errors: int = 0
    proxy_refused: int = 0  # connections closed because their PROXY header was wrong, late or missing
