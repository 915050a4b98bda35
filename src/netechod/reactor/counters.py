"""What happened, as integers: cheap enough for every packet, where a log line would be an attack."""

from dataclasses import dataclass


@dataclass(slots=True)
class UdpCounters:
    """One datagram socket."""

    received: int = 0
    sent: int = 0
    receive_errors: int = 0
    send_errors: int = 0  # the kernel would not take it for this peer: no route, a firewall, a bad address
    overflowed: int = 0  # dropped, oldest first, because the outbox was full


@dataclass(slots=True)
class TcpCounters:
    """One service over TCP: its listening sockets and their connections."""

    accepted: int = 0
    closed: int = 0
    refused: int = 0  # closed at once: over a limit of the source or of the selector
    bytes_in: int = 0
    bytes_out: int = 0
    accept_errors: int = 0
