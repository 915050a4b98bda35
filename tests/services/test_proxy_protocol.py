"""The header of a load balancer: both versions are understood whole, and every broken form is refused."""

import struct
from ipaddress import ip_address

import pytest

from netechod.services.proxy_protocol import MAX_BLOCK, MAX_LINE, Header, MalformedError, parse

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
V4 = ("192.0.2.7", "192.0.2.1", 40000, 443)
V6 = ("2001:db8::7", "2001:db8::1", 40000, 443)


def block(kind: int, body: bytes, command: int = 0x21, length: int | None = None) -> bytes:
    """A header of version 2."""
    return (
        SIGNATURE + bytes([command, kind]) + struct.pack("!H", len(body) if length is None else length) + body
    )


def ends(source: str, target: str, *ports: int) -> bytes:
    """The addresses in a header of version 2."""
    return ip_address(source).packed + ip_address(target).packed + struct.pack("!HH", *ports)


WHOLE = {
    "v1 tcp4": (b"PROXY TCP4 192.0.2.7 192.0.2.1 40000 443\r\n", ("192.0.2.7", 40000)),
    "v1 tcp6": (b"PROXY TCP6 2001:db8::7 2001:DB8::1 0 65535\r\n", ("2001:db8::7", 0)),
    "v1 mapped": (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n", ("192.0.2.7", 1)),
    "v1 longest": (
        b"PROXY UNKNOWN " + b"f" * (MAX_LINE - 16) + b"\r\n",
        None,
    ),
    "v1 unknown": (b"PROXY UNKNOWN\r\n", None),
    "v1 unknown with words": (b"PROXY UNKNOWN a b c\r\n", None),
    "v2 tcp4": (block(0x11, ends(*V4)), ("192.0.2.7", 40000)),
    "v2 tcp6": (block(0x21, ends(*V6)), ("2001:db8::7", 40000)),
    "v2 with fields": (block(0x11, ends(*V4) + b"\x04\x00\x02ab"), ("192.0.2.7", 40000)),
    "v2 longest": (block(0x11, ends(*V4).ljust(MAX_BLOCK - 16, b"\0")), ("192.0.2.7", 40000)),
    "v2 local": (block(0x00, b"", command=0x20), None),
    "v2 local with addresses": (block(0x11, ends(*V4), command=0x20), None),
    "v2 local of no family": (block(0xFF, b"", command=0x20), None),
    "v2 unspecified": (block(0x00, b""), None),
    "v2 unix": (block(0x31, bytes(216)), None),
    "v2 udp": (block(0x12, ends(*V4)), None),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_header_names_the_client_and_its_own_size(name: str) -> None:
    data, client = WHOLE[name]
    for behind in (b"", b"hello", b"\r\n"):
        assert parse(data + behind) == Header(len(data), client)


@pytest.mark.parametrize("name", WHOLE)
def test_the_beginning_of_a_header_is_waited_on(name: str) -> None:
    data, _ = WHOLE[name]
    assert {parse(data[:size]) for size in range(len(data))} == {None}


@pytest.mark.parametrize(
    "data",
    [
        b"hello\r\n",
        b"proxy TCP4 192.0.2.7 192.0.2.1 1 2\r\n",
        b"\n",
        b"\r\n\r\n\r\n",
        b"PROXY\r\n",
        b"PROXY \r\n",
        b"PROXY TCP4\r\n",
        b"PROXY TCP5 192.0.2.7 192.0.2.1 1 2\r\n",
        b"PROXY UNKNOWNX\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 1\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2 3\r\n",
        b"PROXY TCP4  192.0.2.7 192.0.2.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2 \r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 1 65536\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 99999 1\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 01 2\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 -1 2\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 a 2\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2 1 2\r\n",
        b"PROXY TCP4 192.0.2.256 192.0.2.1 1 2\r\n",
        b"PROXY TCP4 192.0.02.7 192.0.2.1 1 2\r\n",
        b"PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n",
        b"PROXY TCP6 192.0.2.7 192.0.2.1 1 2\r\n",
        b"PROXY TCP6 2001:db8:::7 2001:db8::1 1 2\r\n",
        b"PROXY TCP6 fe80::1%2 fe80::2 1 2\r\n",
        b"PROXY TCP4 192.0.2.7\t192.0.2.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2\n" + b"x" * MAX_LINE,
        b"PROXY UNKNOWN " + b"x" * MAX_LINE + b"\r\n",
        b"PROXY UNKNOWN " + b"x" * (MAX_LINE - 14) + b"\r\n",
        SIGNATURE[:-1] + b"X",
        SIGNATURE + b"\x11",
        SIGNATURE + b"\x31\x11\x00\x0c",
        SIGNATURE + b"\x22\x11\x00\x0c",
        block(0x11, ends(*V4), length=11),
        block(0x21, ends(*V6), length=35),
        block(0x21, ends(*V4)),
        block(0x41, ends(*V4)),
        block(0x13, ends(*V4)),
        block(0x11, b"", length=MAX_BLOCK - 15),
        block(0x11, b"", length=0xFFFF),
        block(0x00, b"", command=0x20, length=0xFFFF),
    ],
)
def test_everything_else_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse(data)


@pytest.mark.parametrize("data", [b"G", b"PROXX", b"\r\nX", SIGNATURE + b"\x10"])
def test_a_mistake_is_refused_as_soon_as_it_is_seen(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse(data)
