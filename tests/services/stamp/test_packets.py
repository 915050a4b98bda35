"""The base packets, octet by octet, against those of other programs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.stamp_vectors import (
    EMIRICA_SERVER,
    KEY,
    MADE_SIGNED,
    STAMP_SUITE_SIGNED,
    TWAMPY_RESPONDER,
    octets,
)

from netechod.services.stamp.packets import (
    OPEN,
    SIGNED,
    Answer,
    Facts,
    UnfinishedAnswer,
    answer_to,
    is_recent_answer,
    is_signed_with,
    read_answer,
    request,
    signed,
)
from netechod.services.stamp.timestamps import SECOND, ntp_of, time_of

NOW = 1_796_062_694 * SECOND


def test_a_request_has_number_timestamp_error_and_ssid() -> None:
    made = request(7, 0xEEB83D22_F2475189, 0x1D81, 0x4242)
    assert made == octets("00000007 eeb83d22f2475189 1d81 4242 00*28")


def test_a_signed_request_is_signed_as_others_sign() -> None:
    made = request(7, 0xEEB83C66_6FC8EBFF, 0x9D80, 0x1234, is_signed=True)
    assert signed(made, KEY) == MADE_SIGNED.request


def test_a_signed_answer_is_the_one_that_others_make() -> None:
    base = answer_to(MADE_SIGNED.request, Facts(3, 0x1D80, 0xEEB83C66_6FE00000, 254), is_signed=True)
    sent = time_of(0xEEB83C66_70000000, NOW, ptp=False)
    assert UnfinishedAnswer.of(base, 0, KEY).completed(sent) == MADE_SIGNED.answer


@pytest.mark.parametrize("vector", [STAMP_SUITE_SIGNED, MADE_SIGNED])
def test_who_has_the_key_can_check_both_ways(vector: object) -> None:
    assert isinstance(vector, tuple)
    for packet in vector[:2]:
        assert is_signed_with(packet, KEY)
        assert not is_signed_with(packet, b"another")
        assert not is_signed_with(packet[:111], KEY)
        for place in range(SIGNED.size):
            changed = packet[:place] + bytes([packet[place] ^ 1]) + packet[place + 1 :]
            assert not is_signed_with(changed, KEY)


def test_an_answer_of_38_octets_tells_no_ttl() -> None:
    assert read_answer(TWAMPY_RESPONDER.answer, is_signed=False) == Answer(
        0, 0xEEB83D22_F253BBFF, 0x0001, 0, 0xEEB83D22_F253BBFF, 0, 0xEEB83D22_F2475189, 0x1D81, None
    )
    assert read_answer(TWAMPY_RESPONDER.answer[:37], is_signed=False) is None


def test_an_answer_of_44_octets_tells_all() -> None:
    assert read_answer(EMIRICA_SERVER.answer, is_signed=False) == Answer(
        0, 0xEEB83DEE_BF90D9D7, 0x8001, 0, 0xEEB83DEE_BF90D9D7, 0, 0xEEB83DEE_BF8E5DC0, 0x1D81, 0x40
    )


def test_a_signed_answer_tells_all() -> None:
    assert read_answer(MADE_SIGNED.answer, is_signed=True) == Answer(
        3, 0xEEB83C66_70000000, 0x1D80, 0x1234, 0xEEB83C66_6FE00000, 7, 0xEEB83C66_6FC8EBFF, 0x9D80, 0xFE
    )
    assert read_answer(MADE_SIGNED.answer[:111], is_signed=True) is None


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1), st.booleans())
def test_what_is_answered_is_what_is_read(number: int, timestamp: int, is_signed: bool) -> None:
    asked = request(number, timestamp, 0x8001, 77, is_signed=is_signed)
    base = answer_to(asked, Facts(3, 0x1D80, 5, 61), is_signed=is_signed)
    key = KEY if is_signed else None
    answer = UnfinishedAnswer.of(base, 0, key).completed(NOW)
    assert len(answer) == len(asked)
    assert read_answer(answer, is_signed=is_signed) == Answer(
        3, ntp_of(NOW), 0x1D80, 77, 5, number, timestamp, 0x8001, 61
    )
    assert is_signed_with(answer, KEY) is is_signed


@pytest.mark.parametrize("age", [0, 1, 59 * SECOND, -59 * SECOND])
def test_an_answer_of_the_last_minute_is_known(age: int) -> None:
    for layout in (OPEN, SIGNED):
        for at in (layout.received, layout.returned):
            packet = bytearray(layout.size)
            packet[at : at + 8] = ntp_of(NOW - age).to_bytes(8, "big")
            assert is_recent_answer(bytes(packet), layout, NOW)


@pytest.mark.parametrize("age", [61 * SECOND, -61 * SECOND, 86400 * SECOND])
def test_what_carries_another_time_is_a_request(age: int) -> None:
    packet = bytearray(OPEN.size)
    packet[OPEN.returned : OPEN.returned + 8] = ntp_of(NOW - age).to_bytes(8, "big")
    assert not is_recent_answer(bytes(packet), OPEN, NOW)


def test_zeros_are_no_time_even_when_an_era_begins() -> None:
    assert not is_recent_answer(bytes(OPEN.size), OPEN, 2_085_978_496 * SECOND)
