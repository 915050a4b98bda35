"""Probes, and what is taken for an answer."""

import pytest
from support.stamp_vectors import KEY

from netechod.client.ping.stamp.probes import Probes, ProbeStyle
from netechod.services.stamp.packets import OPEN, SIGNED, Facts, UnfinishedAnswer, answer_to, is_signed_with
from netechod.services.stamp.tlv import parse

NOW = 1_796_062_694_436_659_574


def probes(**style: object) -> Probes:
    return Probes(ProbeStyle(ssid=0x4242)._replace(**style), clock_error=lambda: None)  # type: ignore[arg-type]


def answer(probe: bytes, *, is_signed: bool = False, number: int = 3) -> bytes:
    """Answer as a reflector does."""
    layout = SIGNED if is_signed else OPEN
    base = answer_to(probe[: layout.size], Facts(number, 0x1D80, 5, 61), is_signed=is_signed)
    return UnfinishedAnswer.of(base + probe[layout.size :], 0, KEY if is_signed else None).completed(NOW)


def test_a_probe_is_numbered_from_0_on_the_wire() -> None:
    probe = probes().make(1, 44, NOW)
    assert probe.hex() == "00000000eeb83c666fc8ebfd1d804242" + "00" * 28


@pytest.mark.parametrize(("size", "padding"), [(44, []), (48, [0]), (100, [52])])
@pytest.mark.parametrize("has_zero_padding", [False, True])
def test_what_is_longer_has_a_tlv_for_padding(size: int, padding: list[int], has_zero_padding: bool) -> None:
    probe = probes(has_zero_padding=has_zero_padding).make(1, size, NOW)
    tlvs, end = parse(probe[44:])
    assert (len(probe), end) == (size, size - 44)
    assert [len(one.value) for one in tlvs] == padding
    assert not has_zero_padding or not any(any(one.value) for one in tlvs)


def test_a_signed_probe_has_112_octets_and_its_mac() -> None:
    probe = probes(key=KEY).make(1, 112, NOW)
    assert len(probe) == 112
    assert is_signed_with(probe, KEY)


@pytest.mark.parametrize("is_signed", [False, True])
def test_an_answer_is_known_by_number_and_timestamp(is_signed: bool) -> None:
    mine = probes(key=KEY if is_signed else None)
    probe = mine.make(7, 120, NOW)
    found = mine.match(answer(probe, is_signed=is_signed))
    assert found is not None
    assert found.reading == (7, 120, 0)
    assert (found.answer.number, found.answer.ttl, found.is_extra) == (3, 61, False)
    assert probes(key=KEY if is_signed else None).match(answer(probe, is_signed=is_signed)) is None
    other = probes(key=KEY if is_signed else None)
    other.make(7, 120, NOW + 1)
    assert other.match(answer(probe, is_signed=is_signed)) is None


def test_an_answer_that_is_not_signed_with_the_key_is_none() -> None:
    mine = probes(key=b"another")
    probe = mine.make(1, 112, NOW)
    assert mine.match(answer(probe, is_signed=True)) is None
    assert mine.match(probe) is None


def test_a_zeroed_ssid_is_taken_unless_it_was_given() -> None:
    for is_strict in (False, True):
        mine = probes(is_ssid_strict=is_strict)
        reply = bytearray(answer(mine.make(1, 44, NOW)))
        reply[OPEN.ssid : OPEN.ssid + 2] = b"\0\0"
        assert (mine.match(bytes(reply)) is None) is is_strict
        reply[OPEN.ssid : OPEN.ssid + 2] = b"\0\1"
        assert mine.match(bytes(reply)) is None


def test_damage_is_looked_for_in_the_padding_that_has_come_back() -> None:
    mine = probes()
    probe = mine.make(1, 100, NOW)
    reply = answer(probe)
    damaged = reply[:-1] + bytes([reply[-1] ^ 1])
    for came, count in ((reply, 0), (damaged, 1), (reply[:60], 0), (reply[:38], 0)):
        found = mine.match(came)
        assert found is not None
        assert found.reading == (1, len(came), count)
    assert mine.match(reply[:37]) is None


def test_an_extra_probe_repeats_the_number_and_is_known_by_its_timestamp() -> None:
    mine = probes()
    probe = mine.make(4, 44, NOW)
    extra = mine.make_extra(4, 44, NOW + 1_000_000)
    assert extra[:4] == probe[:4]
    found = mine.match(answer(extra))
    assert found is not None
    assert found.is_extra


@pytest.mark.parametrize("size", [4, 8, 12, 44])
def test_a_report_names_a_probe_by_its_start(size: int) -> None:
    mine = probes()
    probe = mine.make(4, 44, NOW)
    assert mine.number_of(probe[:size]) == 4
    assert mine.number_of(b"\0\0\0\x09") == mine.number_of(b"") == mine.number_of(b"\0\0\0") == 0


def test_only_the_latest_probes_are_remembered() -> None:
    mine = probes()
    first = mine.make(1, 44, NOW)
    for number in range(2, 4098):
        mine.make(number, 44, NOW)
    assert mine.match(answer(first)) is None
