"""Packets of real STAMP and TWAMP programs, octet by octet, and what they were answered.

`NN*k` is k octets NN; blanks are for the eye. The key of the signed ones is the octets 0 to 31.
"""

import re
from typing import NamedTuple

KEY = bytes(range(32))


def octets(text: str) -> bytes:
    """Return the octets that a vector stands for."""
    return bytes.fromhex(re.sub(r"\b([0-9a-f]{2})\*(\d+)", lambda it: it[1] * int(it[2]), text))


class Exchange(NamedTuple):
    """A request, its answer, and how the request arrived."""

    request: bytes
    answer: bytes
    ttl: int = 64
    tos: int = 0


TWAMPY_SENDER = Exchange(
    octets("00000000 eeb83d21519257ff 3fff 00*8"),
    octets(
        "00000000 eeb83d2151c3923f 1d80 0000 eeb83d215195fb02 00000000 eeb83d21519257ff 3fff 0000 40 000000"
    ),
    tos=0x88,
)
"""twampy's sender, 22 octets."""

TWAMPY_RESPONDER = Exchange(
    octets("00000000 eeb83d22f2475189 1d81 4242 00*28"),
    octets("00000000 eeb83d22f253bbff 0001 0000 eeb83d22f253bbff 00000000 eeb83d22f2475189 1d81"),
)
"""twampy's responder: 38 octets, T2 = T3, no TTL, no SSID."""

EMIRICA_CLIENT = Exchange(
    octets("00000000 eeb846b6e8f0c77d 8001 00*146"),
    octets(
        "00000000 eeb846b6e90d21e7 1d80 0000 eeb846b6e8f2d5e0 00000000 eeb846b6e8f0c77d 8001 0000 ff 00*119"
    ),
    ttl=255,
)

EMIRICA_SERVER = Exchange(
    octets("00000000 eeb83deebf8e5dc0 1d81 4242 00*28"),
    octets(
        "00000000 eeb83deebf90d9d7 8001 0000 eeb83deebf90d9d7 00000000 eeb83deebf8e5dc0 1d81 0000 40 000000"
    ),
)
"""emirica's server: it zeroes the SSID."""

STAMP_SUITE_OPEN = Exchange(
    octets("00000000 eeb842025d478201 0001 00*30"),
    octets(
        "00000000 eeb842025d8c2b90 1d80 0000 eeb842025d5b9fa7 00000000 eeb842025d478201 0001 0000 40 000000"
    ),
)

STAMP_SUITE_TLVS = Exchange(
    octets(
        "80040004b8000000 8003000401020000 8002000400000000 80070010 00*16 8005000c000000010000000000000000"
    ),
    octets(
        "00040004b8000000 0003000405020502 8002000400000000 80070010 00*16 0005000c000000010000000100000001"
    ),
)
"""Tails only; the answer left with TOS 0xb8, as DSCP1 asks. This reflector knows no Location."""

STAMP_SUITE_SIGNED = Exchange(
    octets("00000000 00*12 eeb84202e2e07bda 0001 00*70 653be57c200dda4509a76203e20466b9"),
    octets(
        "00000000 00*12 eeb84202e37417d4 1d80 0000 00000000 eeb84202e2e43c9e 00*8 00000000 00*12 "
        "eeb84202e2e07bda 0001 00*6 40 00*15 683f03b80b354615d272e65a0e89b234"
    ),
)

STAMP_SUITE_HMAC = Exchange(
    octets("80040004b8000000 8005000c000000010000000000000000 80080010 2ba883f9d43090db3589005dc196e8e8"),
    octets("00040004b8000000 0005000c000000010000000100000001 00080010 c3741a39b6f303cd76f67a724dc06db1"),
)
"""Tails only, sequence number 0 on both sides."""

MADE_SIGNED = Exchange(
    octets("00000007 00*12 eeb83c666fc8ebff 9d80 1234 00*68 9ac40c6eabebb0e17339e2ebe3302f2b"),
    octets(
        "00000003 00*12 eeb83c6670000000 1d80 1234 00000000 eeb83c666fe00000 00*8 00000007 00*12 "
        "eeb83c666fc8ebff 9d80 00*6 fe 00*15 776af006a12c29a6552fc398148c37bd"
    ),
    ttl=254,
)

MADE_HMAC_TAIL = octets("8004000428000000 80080010 f4a72bd7e0b18ea64a512ca9207c6563")
"""Class of Service and HMAC TLV for the sequence number 7."""
