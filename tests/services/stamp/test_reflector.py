"""The reflector as a dialogue: the packets of other programs, sizes, sessions, keys and loops."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.recorder import Recorder
from support.stamp_vectors import (
    EMIRICA_CLIENT,
    KEY,
    MADE_SIGNED,
    STAMP_SUITE_HMAC,
    STAMP_SUITE_OPEN,
    STAMP_SUITE_SIGNED,
    STAMP_SUITE_TLVS,
    TWAMPY_SENDER,
    Exchange,
    octets,
)
from support.stamping import ASKED, NOW, Point, arrived

from netechod.services.stamp.packets import OPEN, SIGNED, is_signed_with, read_answer, request, signed
from netechod.services.stamp.reflector import Authentication, Settings
from netechod.services.stamp.timestamps import SECOND, ntp_of, time_of
from netechod.services.stamp.tlv import Type, tlv, with_mac

ALL = Settings(trusts=lambda peer: True)


def keyed(authentication: Authentication = "required", keys: Mapping[str, bytes] | None = None) -> Settings:
    """Return settings with keys."""
    keys = {"default": KEY} if keys is None else keys
    return Settings(authentication=authentication, keys=keys, trusts=lambda peer: True)


def times(answer: bytes, *, is_signed: bool = False) -> tuple[int, int]:
    """Return T2 and T3 in nanoseconds since the epoch."""
    read = read_answer(answer, is_signed=is_signed)
    assert read is not None
    return time_of(read.received, NOW, ptp=False), time_of(read.sent, NOW, ptp=False)


def replay(vector: Exchange, settings: Settings, *, is_signed: bool = False) -> bytes | None:
    """Return our answer at the times that the vector's answer tells."""
    point = Point(settings)
    received, sent = times(vector.answer, is_signed=is_signed)
    answer = point.queues(arrived(vector.request, received, vector.ttl, vector.tos))
    return None if answer is None else answer.completed(sent)


@pytest.mark.parametrize(
    "vector", [TWAMPY_SENDER, EMIRICA_CLIENT, STAMP_SUITE_OPEN], ids=["twampy", "emirica", "stamp-suite"]
)
def test_the_packets_of_other_programs_are_answered_octet_by_octet(vector: Exchange) -> None:
    assert replay(vector, ALL) == vector.answer


def test_a_signed_packet_of_another_program_is_answered_octet_by_octet() -> None:
    assert replay(STAMP_SUITE_SIGNED, keyed(), is_signed=True) == STAMP_SUITE_SIGNED.answer


def test_a_signed_session_has_a_number_of_its_own() -> None:
    point = Point(keyed())
    for number in range(3):
        answer = point.hears(MADE_SIGNED.request)
        assert answer is not None
        assert (answer[:4], answer[48:52]) == (number.to_bytes(4, "big"), MADE_SIGNED.request[:4])


@pytest.mark.parametrize(
    ("vector", "settings"),
    [(STAMP_SUITE_TLVS, ALL), (STAMP_SUITE_HMAC, keyed("optional"))],
    ids=["open", "with-hmac"],
)
def test_the_tlvs_of_another_program_are_answered_octet_by_octet(
    vector: Exchange, settings: Settings
) -> None:
    answer = Point(settings).queues(arrived(STAMP_SUITE_OPEN.request + vector.request))
    assert answer is not None
    assert answer[OPEN.size :] == vector.answer
    assert answer.tos == 0xB8


@pytest.mark.parametrize("size", range(14))
def test_less_than_a_twamp_header_is_answered_with_silence(size: int) -> None:
    point = Point()
    assert point.hears(STAMP_SUITE_OPEN.request[:size]) is None
    assert point.reflector.dropped == {"malformed": 1}


@pytest.mark.parametrize("size", [*range(14, 130), *range(1400, 1501), 65507])
def test_an_answer_has_the_size_of_its_request_and_44_octets_at_least(size: int) -> None:
    answer = Point().hears(STAMP_SUITE_OPEN.request.ljust(size, b"\0")[:size])
    assert answer is not None
    assert len(answer) == max(44, size)
    assert answer[24:38] == STAMP_SUITE_OPEN.request[:14]


def test_an_error_estimate_with_multiplier_0_is_answered_with_silence() -> None:
    point = Point(keyed("optional"))
    assert point.hears(request(0, 5, 0x9D00, 0)) is None
    assert point.hears(signed(request(0, 5, 0x9D00, 0, is_signed=True), KEY)) is None
    assert point.reflector.dropped == {"malformed": 2}


def test_the_kernels_time_and_ttl_are_told_and_255_where_there_is_none() -> None:
    point = Point()
    told = point.hears(arrived(STAMP_SUITE_OPEN.request, NOW - 5 * SECOND, ttl=61))
    assert told is not None
    assert (times(told), told[40]) == ((NOW - 5 * SECOND, NOW), 61)
    untold = point.hears(STAMP_SUITE_OPEN.request)
    assert untold is not None
    assert (times(untold), untold[40]) == ((NOW, NOW), 255)
    unstamped = point.hears(arrived(STAMP_SUITE_OPEN.request, 0, ttl=61))
    assert unstamped is not None
    assert times(unstamped) == (NOW, NOW)


def test_the_time_of_leaving_is_that_of_the_moment() -> None:
    answer = Point().queues(STAMP_SUITE_OPEN.request)
    assert answer is not None
    assert [times(answer.completed(NOW + late))[1] for late in (0, 7)] == [NOW, NOW + 7]


@pytest.mark.parametrize(("error", "estimate"), [(None, 0x1D80), (0.001, 0x8F84)])
def test_the_error_estimate_is_that_of_our_clock(error: float | None, estimate: int) -> None:
    point = Point()
    point.error = error
    answer = point.hears(STAMP_SUITE_OPEN.request)
    assert answer is not None
    assert int.from_bytes(answer[12:14], "big") == estimate


def test_the_traffic_class_comes_back_without_ecn_or_not_at_all() -> None:
    asked = arrived(STAMP_SUITE_OPEN.request, tos=0xB9)
    for settings, tos in ((ALL, 0xB8), (Settings(copies_dscp=False), 0)):
        answer = Point(settings).queues(asked)
        assert answer is not None
        assert answer.tos == tos


def test_a_refused_wish_for_a_class_is_marked_and_the_answer_has_none() -> None:
    asked = arrived(STAMP_SUITE_OPEN.request + tlv(Type.CLASS_OF_SERVICE, octets("b8000000")), tos=0x28)
    answer = Point(Settings(copies_dscp=False)).queues(asked)
    assert answer is not None
    assert (answer.tos, answer[48:50]) == (0, octets("b8a1"))


def test_the_ends_are_told_to_who_asks() -> None:
    asked = octets("8002002c 00*4 80040010 00*16 80070010 00*16")
    answer = Point().hears(arrived(STAMP_SUITE_OPEN.request + asked, asked=ASKED))
    assert answer is not None
    assert answer[44:] == octets("0002002c 035e1388 00050010 c0000202 00*12 00080010 c0000201 00*12")


def numbers(point: Point, packets: list[tuple[bytes, str, float]]) -> list[int]:
    """Return the numbers of the answers."""
    answers = [point.hears(*packet) for packet in packets]
    return [int.from_bytes(answer[:4], "big") for answer in answers if answer is not None]


def plain(number: int, ssid: int = 0) -> bytes:
    return request(number, 5, 0x8001, ssid)


def test_a_trusted_session_is_numbered_by_the_reflector() -> None:
    asked = [(plain(number), "ann", float(number)) for number in (0, 1, 5, 6)]
    assert numbers(Point(), [*asked, (plain(9), "bob", 7.0), (plain(9, ssid=1), "ann", 7.0)]) == [
        *(0, 1, 2, 3),
        *(0, 0),
    ]


def test_a_stranger_gets_a_copy_and_takes_no_place() -> None:
    point = Point(Settings())
    assert numbers(point, [(plain(number), "eve", 0.0) for number in (0, 7)]) == [0, 7]
    assert (len(point.reflector.sessions), point.reflector.counters) == (0, {"stateless": 0})


def test_a_stranger_with_the_key_is_numbered() -> None:
    point = Point(Settings(authentication="optional", keys={"default": KEY}))
    assert numbers(point, [(MADE_SIGNED.request, "eve", 0.0)] * 2) == [0, 1]
    assert numbers(point, [(plain(7), "eve", 0.0)]) == [7]


def test_a_full_table_turns_stateless_and_counts_it() -> None:
    point = Point(Settings(max_sessions=1, trusts=lambda peer: True))
    asked = [(plain(7), "ann", 0.0), (plain(8), "bob", 0.0), (plain(9), "bob", 0.0)]
    assert numbers(point, asked) == [0, 8, 9]
    assert point.reflector.counters == {"stateless": 2}


def test_a_stateless_reflector_copies_and_counts_nothing() -> None:
    point = Point(Settings(stateful=False, trusts=lambda peer: True))
    assert numbers(point, [(plain(7), "ann", 0.0), (plain(9), "ann", 0.0)]) == [7, 9]
    assert point.reflector.counters == {"stateless": 0}


def test_random_padding_in_place_of_an_ssid_makes_no_sessions() -> None:
    point = Point()
    padded = [STAMP_SUITE_OPEN.request[:14] + bytes([number]) * 30 for number in range(1, 9)]
    assert numbers(point, [(packet, "ann", 0.0) for packet in padded]) == list(range(8))
    assert len(point.reflector.sessions) == 1


def test_direct_measurement_tells_the_counts_of_the_session() -> None:
    point = Point()
    asked = plain(3) + octets("8005000c 00000004 00*8")
    point.hears(plain(0))
    answer = point.hears(asked)
    assert answer is not None
    assert answer[44:] == octets("0005000c000000040000000200000002")


def test_unsigned_packets_are_dropped_where_signatures_are_required() -> None:
    point = Point(keyed())
    other = signed(MADE_SIGNED.request, b"another")
    for packet in (plain(0), other, MADE_SIGNED.request[:111], b""):
        assert point.hears(packet) is None
    assert point.reflector.dropped == {"forged": 3, "malformed": 1}


def test_a_wrong_signature_is_padding_where_signatures_are_optional() -> None:
    other = signed(MADE_SIGNED.request, b"another")
    answer = Point(keyed("optional")).hears(other)
    assert answer is None  # octets 12 and 13 are zeros: as an open packet it has Multiplier 0
    open_packet = plain(0).ljust(112, b"\1")
    answer = Point(keyed("optional")).hears(open_packet)
    assert answer is not None
    assert answer[44:] == open_packet[44:]


def test_without_authentication_no_packet_is_signed() -> None:
    long = plain(7).ljust(112, b"\0")
    answer = Point(Settings(authentication="off", keys={"default": KEY})).hears(signed(long, KEY))
    assert answer is not None
    assert answer[24:28] == plain(7)[:4]
    assert not is_signed_with(answer, KEY)


def test_a_session_has_the_key_of_its_ssid_or_the_default_one() -> None:
    keys = {"4660": b"first", "default": b"second"}
    packet = request(0, 5, 0x8001, 4660, is_signed=True)
    other = request(0, 5, 0x8001, 7, is_signed=True)
    for asked, key in ((packet, b"first"), (other, b"second")):
        answer = Point(keyed(keys=keys)).hears(signed(asked, key))
        assert answer is not None
        assert is_signed_with(answer, key)
    assert Point(keyed(keys=keys)).hears(signed(packet, b"second")) is None
    assert Point(keyed(keys={"4660": b"first"})).hears(signed(other, b"first")) is None


def test_a_signed_packet_with_tlvs_has_both_hmacs() -> None:
    asked = MADE_SIGNED.request + with_mac(octets("8004000428000000"), octets("00000007"), KEY)
    answer = Point(keyed()).hears(asked)
    assert answer is not None
    assert is_signed_with(answer, KEY)
    assert answer[112:] == with_mac(octets("0004000428000000"), bytes(4), KEY).replace(
        octets("80080010"), octets("00080010")
    )


def test_a_reflector_waits_for_nothing() -> None:
    reflector, out = Point().reflector, Recorder()
    reflector.deadline_reached(1.0, out)
    assert (reflector.next_deadline(), out) == (None, [])


@pytest.mark.parametrize("is_signed", [False, True], ids=["open", "signed"])
@pytest.mark.parametrize("other", ["reflector", "reflector of another make", "itself", "echo"])
@pytest.mark.parametrize("seconds", [0, 1, -1, 3600])
def test_one_forged_packet_circulates_for_two_datagrams(is_signed: bool, other: str, seconds: int) -> None:
    """`seconds` is how far the clock of the other is from ours."""
    ours, theirs = Point(keyed() if is_signed else ALL), Point(keyed() if is_signed else ALL)
    theirs.now_ns += seconds * SECOND
    forged = request(0, 5, 0x8001, 0, is_signed=is_signed)
    answer = ours.hears(signed(forged, KEY) if is_signed else forged)
    assert answer is not None
    ours.now_ns, theirs.now_ns = ours.now_ns + 50_000, theirs.now_ns + 50_000
    if other == "reflector":
        back = theirs.hears(answer)
    else:
        back = answered_statelessly(answer, is_signed) if "make" in other else answer
    assert back is None or ours.hears(back) is None


def answered_statelessly(packet: bytes, is_signed: bool) -> bytes:
    """Answer as a reflector of another make: at once, from another clock, whatever is in it."""
    layout = SIGNED if is_signed else OPEN
    stamp = ntp_of(NOW - 7 * 86400 * SECOND).to_bytes(8, "big")
    if is_signed:
        base = packet[:4] + bytes(12) + stamp + packet[24:28] + bytes(4) + stamp + bytes(8)
        base += packet[:4] + bytes(12) + packet[16:26] + bytes(22) + bytes(16)
        return signed(base[: layout.size], KEY) + packet[layout.size :]
    return packet[:4] + stamp + packet[12:16] + stamp + packet[:14] + bytes(6) + packet[layout.size :]


@given(st.binary(max_size=200), st.sampled_from(["off", "optional", "required"]))
def test_no_packet_raises_and_every_answer_has_its_size(
    payload: bytes, authentication: Authentication
) -> None:
    point = Point(keyed(authentication))
    answer = point.hears(payload)
    assert answer is None or len(answer) == max(44, len(payload))
    assert (answer is None) is bool(point.reflector.dropped)
