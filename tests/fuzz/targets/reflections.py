"""Test packets of STAMP: any octets, signed or not, and any answers to a probe."""

import json

from fuzz.feed import Feed
from fuzz.target import STEPS, target
from support.stamp_vectors import KEY, MADE_HMAC_TAIL, MADE_SIGNED, STAMP_SUITE_OPEN, STAMP_SUITE_TLVS
from support.stamping import ASKED, NOW, Point, arrived

from netechod.client.ping.stamp.directions import Directions, Passage
from netechod.client.ping.stamp.figures import lines, record
from netechod.client.ping.stamp.probes import Probes, ProbeStyle
from netechod.services.stamp.packets import (
    OPEN,
    SIGNED,
    Answer,
    Facts,
    UnfinishedAnswer,
    answer_to,
    is_signed_with,
    read_answer,
    signed,
)
from netechod.services.stamp.reflector import Authentication, Settings
from netechod.services.stamp.timestamps import PTP, SECOND, ntp_of, time_of

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
PROBES = 4  # in a run
STRANGE = 120  # bytes of what is no answer
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


@target(WORDS, largest=STEPS)
def stamp_answers(feed: Feed) -> None:
    """Whatever a reflector answers: an answer to a probe is known, and there are figures of it."""
    key = feed.pick((None, KEY))
    style = ProbeStyle(ssid=0x4242, key=key)
    probes, directions = Probes(style, lambda: None), Directions(feed.pick((None, 0.0001)))
    sent = [probes.make(number, style.layout.size, NOW + number) for number in range(1, PROBES + 1)]
    while feed:
        probes.match(feed.piece(STRANGE))
        number = 1 + feed.number(PROBES - 1)
        facts = Facts(
            feed.number(8), feed.number(0xFFFF), ntp_of(NOW) ^ feed.number(1 << 34), feed.number(255)
        )
        packet = answer_to(sent[number - 1], facts, is_signed=key is not None)
        left_ns = NOW + feed.pick((-SECOND, 0, 5, SECOND))
        reflection = probes.match(UnfinishedAnswer.of(packet, 0, key).completed(left_ns))
        assert reflection is not None
        assert (reflection.reading.number, reflection.reading.damaged) == (number, 0)
        note(directions, number, reflection.answer)
    assert sum(loss or 0 for loss in directions.numbers.losses(1)) == 1
    assert all(lines(directions, 80))
    assert json.dumps(record(directions, 1), allow_nan=False)


def note(directions: Directions, number: int, answer: Answer) -> None:
    """Have an answer counted that came at once."""
    directions.numbers.note(number, answer.number)
    arrived, left = (
        time_of(timestamp, NOW, ptp=bool(answer.error & PTP)) for timestamp in (answer.received, answer.sent)
    )
    if arrived <= left:
        times = (arrived - NOW, NOW - left, left - arrived)
        directions.note(Passage(number, *times, answer.number, answer.error, answer.ttl, None))
