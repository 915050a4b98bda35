"""Headers of load balancers: whatever comes, a whole header, the beginning of one, or a refusal."""

from ipaddress import ip_address
from typing import Literal

from fuzz.feed import Feed
from fuzz.target import STEPS, target

from netechod.services.proxy_protocol import MAX_BLOCK, MAX_LINE, Header, MalformedError, parse

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


@target(
    words=[
        *(
            b"PROXY ",
            b"TCP4 ",
            b"TCP6 ",
            b"UNKNOWN",
            b"\r\n",
            b"192.0.2.7 ",
            b"2001:db8::7 ",
            b"40000 ",
            b"0",
            b" ",
        ),
        *(SIGNATURE, b"\x21", b"\x20", b"\x11", b"\x00\x0c", b"\x00\x24", b"\xff\xff", bytes(12)),
    ],
    seeds=[
        b"PROXY TCP4 192.0.2.7 192.0.2.1 40000 443\r\nhello\n",
        b"PROXY TCP6 2001:db8::7 2001:db8::1 40000 443\r\n",
        SIGNATURE + b"\x21\x11\x00\x0c" + bytes(12) + b"hello\n",
        SIGNATURE + b"\x21\x21\x00\x24" + bytes(36),
        SIGNATURE + b"\x20\x00\x00\x00",
    ],
    largest=2 * STEPS,
)
def proxy_header(feed: Feed) -> None:
    """A header is bounded, names a client that is an address, and reads the same in any pieces."""
    data = feed.rest()
    verdict = read(data)
    if verdict is None:
        assert len(data) < MAX_BLOCK
    elif verdict != "malformed":
        size, client = verdict
        assert size <= min(len(data), MAX_BLOCK if data.startswith(b"\r") else MAX_LINE)
        if client is not None:
            assert str(ip_address(client[0])) == client[0]
            assert 0 <= client[1] <= 0xFFFF
        assert read(data[:size]) == verdict
        assert read(data[: size - 1]) is None
    for end in {1, len(data) // 2, 16, 20} - {0}:
        if read(data[:end]) == "malformed":
            assert verdict == "malformed"


def read(data: bytes) -> Header | Literal["malformed"] | None:
    """The header; None while it is incomplete."""
    try:
        return parse(data)
    except MalformedError:
        return "malformed"
