"""The PROXY protocol: a header before the stream, in which a load balancer names its client.

https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt describes it. Version 1 is a line of text, version
2 is binary. What a header says beside the client's address is skipped.
"""

import re
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

MAX_LINE = 107  # bytes of a header of version 1, with its end (section 2.1)
MAX_BLOCK = (
    4096  # bytes of a header of version 2, which may carry a certificate's names; a longer one is refused
)

_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_START = len(_SIGNATURE) + 4  # signature, version and command, family and protocol, length (section 2.2)
_LINE = re.compile(rb"PROXY (TCP4|TCP6) ([0-9A-Fa-f.:]+) ([0-9A-Fa-f.:]+) (\d{1,5}) (\d{1,5})")
_ADDRESSES = {0x11: (IPv4Address, 4), 0x21: (IPv6Address, 16)}  # TCP over IPv4 and IPv6
_FAMILIES = range(4)  # unspecified, IPv4, IPv6, AF_UNIX
_PROTOCOLS = range(3)  # unspecified, stream, datagram


class MalformedError(Exception):
    """What came is no header of the PROXY protocol."""


class Header(NamedTuple):
    """A whole header."""

    size: int  # bytes
    client: tuple[str, int] | None  # its address and port; None: the load balancer speaks for itself


def parse(data: bytes) -> Header | None:
    """Parse the header at the beginning of a stream. Return None while it is incomplete.

    Raises MalformedError, as early as it is certain.
    """
    if data.startswith(_SIGNATURE[: len(data)]):
        return _parse_block(data)
    if data.startswith(b"PROXY "[: len(data)]):
        return _parse_line(data)
    raise MalformedError


def _parse_line(data: bytes) -> Header | None:
    """Parse a header of version 1 (section 2.1)."""
    line, end, _ = data[:MAX_LINE].partition(b"\r\n")
    if not end:
        if len(data) >= MAX_LINE:
            raise MalformedError
        return None
    size = len(line) + len(end)
    if line == b"PROXY UNKNOWN" or line.startswith(b"PROXY UNKNOWN "):
        return Header(size, None)
    found = _LINE.fullmatch(line)
    if found is None:
        raise MalformedError
    kind, source, target, *ports = (part.decode() for part in found.groups())
    address = IPv4Address if kind == "TCP4" else IPv6Address
    try:
        client, _ = address(source), address(target)
    except ValueError:
        raise MalformedError from None
    if any(int(port) > 0xFFFF or str(int(port)) != port for port in ports):
        raise MalformedError
    return Header(size, (_text(client), int(ports[0])))


def _parse_block(data: bytes) -> Header | None:
    """Parse a header of version 2 (section 2.2)."""
    if len(data) > len(_SIGNATURE) and data[len(_SIGNATURE)] not in (0x20, 0x21):
        raise MalformedError  # not version 2, or neither LOCAL nor PROXY
    if len(data) < _START:
        return None
    command, kind = data[_START - 4 : _START - 2]
    size = _START + int.from_bytes(data[_START - 2 : _START], "big")
    address, width = _ADDRESSES.get(kind, (None, 0))
    is_local = command == 0x20
    is_known = kind >> 4 in _FAMILIES and kind & 0xF in _PROTOCOLS
    if size > MAX_BLOCK or not (is_local or (is_known and size - _START >= 2 * width + 4 * bool(width))):
        raise MalformedError
    if len(data) < size:
        return None
    if is_local or address is None:
        return Header(size, None)
    port = int.from_bytes(data[_START + 2 * width : _START + 2 * width + 2], "big")
    return Header(size, (_text(address(data[_START : _START + width])), port))


def _text(address: object) -> str:
    """Return an address without its IPv4 mapping."""
    return str(getattr(address, "ipv4_mapped", None) or address)
