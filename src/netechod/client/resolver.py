"""Host names and their addresses.

The C library's resolver can neither be interrupted nor given a time limit, so it runs in a thread.
"""

import os
import socket
from typing import Any, TypeAlias

from netechod.services.wire import unmapped

Address: TypeAlias = tuple[socket.AddressFamily, Any]  # the family, and what connect() takes of it

AI_IDN = 0x40  # netdb.h: have the C library encode the name (IDNA 2008), as for all programs of the system
_NO_IDNA = {-1, -105}  # EAI_BADFLAGS, EAI_IDN_ENCODE: this C library cannot encode names, or this one


class Resolution:
    """A look-up of a name. It begins at once, and may still run when nobody wants its result any more."""

    def __init__(self, host: str, port: int, family: int, kind: socket.SocketKind) -> None:
        import threading  # on demand: an address needs no thread, and every look-up would pay for it

        self._query = host, port, family, kind
        self._finished = threading.Event()
        self._addresses: list[Address] = []
        self._error: Exception | None = None
        threading.Thread(target=self._run, name="resolver", daemon=True).start()

    @property
    def is_finished(self) -> bool:
        """Whether `addresses` returns without waiting."""
        return self._finished.is_set()

    def addresses(self, patience: float) -> list[Address]:
        """Wait for the addresses, at most `patience` seconds.

        Raises gaierror, UnicodeError when the host is no name at all (as in "a..b"), or TimeoutError.
        """
        if not self._finished.wait(patience):
            raise TimeoutError
        if self._error is not None:
            raise self._error
        return self._addresses

    def _run(self) -> None:
        try:
            self._addresses = _look_up(*self._query)
        except (OSError, UnicodeError) as error:
            self._error = error
        self._finished.set()


def resolve(host: str, port: int, family: int, kind: socket.SocketKind, patience: float) -> list[Address]:
    """Return the addresses of a host. Raises the errors of `Resolution.addresses`."""
    if is_numeric(host):
        return _look_up(host, port, family, kind)
    return Resolution(host, port, family, kind).addresses(patience)


def _look_up(host: str, port: int, family: int, kind: socket.SocketKind) -> list[Address]:
    """Ask the C library. Python itself knows IDNA 2003 only, which makes another name of `straße`."""
    if not host.isascii():
        try:
            found = socket.getaddrinfo(os.fsencode(host), port, family, kind, 0, AI_IDN)
            return [_native(family, address) for family, _, _, _, address in found]
        except socket.gaierror as error:
            if error.errno not in _NO_IDNA:
                raise
    found = socket.getaddrinfo(host, port, family, kind)
    return [_native(family, address) for family, _, _, _, address in found]


def _native(family: socket.AddressFamily, address: tuple[Any, ...]) -> Address:
    """Return the address for a socket of its own family: Linux tells that of IPv6 no ICMP errors of IPv4."""
    host = unmapped(address[0])
    return (family, address) if host == address[0] else (socket.AF_INET, (host, address[1]))


def is_numeric(host: str) -> bool:
    """Return whether `host` is an address and not a name."""
    try:
        socket.getaddrinfo(host, None, 0, 0, 0, socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return False
    return True
