"""Test packets of STAMP: any octets, signed or not, and any answers to a probe."""

from fuzz.feed import Feed
from fuzz.target import target
from support.stamp_vectors import KEY, MADE_HMAC_TAIL, MADE_SIGNED, STAMP_SUITE_OPEN, STAMP_SUITE_TLVS
from support.stamping import ASKED, Point, arrived

from netechod.services.stamp.packets import OPEN, SIGNED, is_signed_with, read_answer, signed
from netechod.services.stamp.reflector import Authentication, Settings

WORDS = (
    *(STAMP_SUITE_OPEN.request, STAMP_SUITE_TLVS.request, MADE_SIGNED.request, MADE_HMAC_TAIL),
    *(
        b"\x80\x02\0\x2c\0\0\0\0\x80\4\0\x10",
        b"\x80\x07\0\x10",
        b"\x80\1\xff\xff",
        b"\x80\1\0\0",
        b"\xff\xff",
    ),
)
SEEDS = (STAMP_SUITE_OPEN.request + STAMP_SUITE_TLVS.request, MADE_SIGNED.request + MADE_HMAC_TAIL)
MODES: tuple[Authentication, ...] = ("off", "optional", "required")


@target(WORDS, SEEDS)
def stamp_packet(feed: Feed) -> None:
    """Whatever comes is answered with silence, or with its own size; and no answer is answered again."""
    authentication: Authentication = feed.pick(MODES)
    point = Point(
        Settings(
            authentication=authentication,
            keys={"default": KEY},
            copies_dscp=bool(feed.number(1)),
            trusts=lambda peer: True,
        )
    )
    tos, signs = feed.number(255), feed.number(1)
    asked = ASKED if feed.number(1) else ("", 0)
    payload = feed.rest()
    if signs and len(payload) >= SIGNED.size:
        payload = signed(payload, KEY)
    answer = point.hears(arrived(payload, tos=tos, asked=asked))
    if answer is None:
        assert point.reflector.dropped.total() == 1
        return
    assert len(answer) == max(OPEN.size, len(payload))
    is_signed = authentication != "off" and is_signed_with(payload, KEY)
    assert is_signed or authentication != "required"
    read = read_answer(answer, is_signed=is_signed)
    assert read is not None
    assert read.sender_number.to_bytes(4, "big") == payload[:4]
    assert not is_signed or is_signed_with(answer, KEY)
    assert point.hears(answer) is None
