"""The sockets of clients: where packets leave, and with which TTL and traffic class (ip(7), ipv6(7))."""

import os
import socket
from typing import NamedTuple

from netechod.client import kernel
from netechod.client.resolver import Address


class SocketOptions(NamedTuple):
    """The options of a socket. Those that are empty or 0 are left to the system."""

    source: str = ""  # an address of ours
    interface: str = ""
    source_port: int = 0
    ttl: int = 0  # TTL or Hop Limit
    tos: int = 0  # traffic class: DSCP and ECN

    @property
    def where(self) -> str:
        """The source or the interface, for people; empty if neither is given."""
        return self.source or self.interface

    def open(self, family: int, kind: socket.SocketKind) -> socket.socket:
        """Return a new socket. Raises OSError if the source or the interface is not ours."""
        sock = socket.socket(family, kind)
        try:
            self._apply(sock)
        except BaseException:
            sock.close()
            raise
        return sock

    def _apply(self, sock: socket.socket) -> None:
        if self.interface:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, os.fsencode(self.interface))
        if self.source:
            numeric = socket.AI_NUMERICHOST
            found = socket.getaddrinfo(self.source, self.source_port, sock.family, sock.type, 0, numeric)
            sock.bind(found[0][4])
        elif self.source_port:
            sock.bind(("", self.source_port))
        kernel.set_journey(sock, self.ttl, self.tos)


AS_USUAL = SocketOptions()
"""Everything is left to the system."""


def connected_datagram_socket(address: Address, options: SocketOptions = AS_USUAL) -> socket.socket:
    """Return a UDP socket that sends to `address` and hears nobody else. Raises OSError."""
    sock = options.open(address[0], socket.SOCK_DGRAM)
    try:
        sock.connect(address[1])
    except OSError:
        sock.close()
        raise
    return sock
