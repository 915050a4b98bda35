"""TLVs: those of other programs, each type, and every broken form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.stamp_vectors import KEY, MADE_HMAC_TAIL, STAMP_SUITE_HMAC, STAMP_SUITE_TLVS, octets

from netechod.services.stamp.tlv import (
    FAILED,
    MALFORMED,
    MAX_TLVS,
    UNRECOGNIZED,
    Ends,
    Situation,
    Type,
    parse,
    reflect,
    tlv,
    with_mac,
)

HERE = Situation(tos=0xB9, received=1, sent=1)
KEYED = HERE._replace(key=KEY, request_number=bytes(4), answer_number=bytes(4))
SIGNED = KEYED._replace(is_signed=True)
ENDS = Ends(("192.0.2.1", 5000), ("2001:db8::1", 862))


def answered(tail: str, situation: Situation = HERE) -> str:
    """Return the tail that goes back, in hexadecimal digits."""
    return reflect(octets(tail), situation)[0].hex()


def test_the_tlvs_of_another_program_are_answered_octet_by_octet() -> None:
    tail, tos = reflect(STAMP_SUITE_TLVS.request, HERE._replace(tos=0))
    assert (tail, tos) == (STAMP_SUITE_TLVS.answer, 0xB8)


def test_its_hmac_is_checked_and_made_octet_by_octet() -> None:
    assert reflect(STAMP_SUITE_HMAC.request, KEYED._replace(tos=0))[0] == STAMP_SUITE_HMAC.answer


def test_an_hmac_covers_number_and_tlvs() -> None:
    assert with_mac(octets("8004000428000000"), octets("00000007"), KEY) == MADE_HMAC_TAIL


@pytest.mark.parametrize("situation", [KEYED, SIGNED])
def test_a_wrong_hmac_marks_every_tlv_and_works_on_none(situation: Situation) -> None:
    other = with_mac(octets("80040004b8000000 80630000"), bytes(4), b"another")
    tail, tos = reflect(other, situation)
    assert tos is None
    assert [tail[one.start] for one in parse(tail)[0]] == [FAILED, FAILED | UNRECOGNIZED, FAILED]
    assert [one.value for one in parse(tail)[0]] == [one.value for one in parse(other)[0]]


def test_an_hmac_is_last_but_for_padding() -> None:
    right = with_mac(tlv(Type.CLASS_OF_SERVICE, octets("28000000")), bytes(4), KEY)
    padded = right + tlv(Type.EXTRA_PADDING, b"pad")
    assert not reflect(padded, SIGNED)[0][0] & FAILED
    assert reflect(right + tlv(Type.ACCESS_REPORT, octets("10000000")), SIGNED)[0][0] & FAILED
    assert reflect(with_mac(right, bytes(4), KEY), SIGNED)[0][0] & FAILED
    assert reflect(padded + b"\x80", SIGNED)[0][0] & FAILED


def test_a_signed_packet_needs_no_hmac_for_padding_alone() -> None:
    padding = tlv(Type.EXTRA_PADDING, b"pad")
    assert reflect(padding, SIGNED)[0] == octets("00010003") + b"pad"
    assert reflect(tlv(Type.CLASS_OF_SERVICE, bytes(4)), SIGNED)[0][0] == FAILED
    assert reflect(padding + b"\x80", SIGNED)[0][0] == FAILED


def test_an_open_packet_needs_no_hmac() -> None:
    assert reflect(tlv(Type.CLASS_OF_SERVICE, bytes(4)), KEYED)[0][0] == 0


def test_without_a_key_an_hmac_is_not_understood() -> None:
    tail = with_mac(octets("80040004b8000000"), bytes(4), KEY)
    back, tos = reflect(tail, HERE)
    assert tos == 0xB8
    assert back[8:] == tail[8:]


def test_class_of_service_tells_how_it_arrived_and_chooses_how_it_leaves() -> None:
    tail, tos = reflect(octets("8004000428000000"), HERE)
    assert (tail.hex(), tos) == ("000400042ae40000", 0x28)


def test_a_policy_can_refuse_the_wish_and_says_so() -> None:
    tail, tos = reflect(octets("8004000428000000"), HERE._replace(copies_dscp=False))
    assert (tail.hex(), tos) == ("000400042ae50000", None)


@pytest.mark.parametrize(("is_synchronized", "told"), [(True, "01020102"), (False, "05020502")])
def test_timestamp_information_tells_who_synchronizes(is_synchronized: bool, told: str) -> None:
    situation = HERE._replace(is_synchronized=is_synchronized)
    assert answered("80030004 00000000", situation) == "00030004" + told


def test_direct_measurement_counts_the_packets_of_the_session() -> None:
    situation = HERE._replace(received=0x1_0000_0002, sent=3)
    assert answered("8005000c 00000009 00*8", situation) == "0005000c000000090000000200000003"
    assert (
        answered("8005000c 00000009 00*8", HERE._replace(received=None)) == "8005000c" + "00000009" + "0" * 16
    )


def test_an_access_report_goes_back_unless_its_id_is_invalid() -> None:
    assert answered("80060004 10010000") == "0006000410010000"
    assert answered("80060004 20010000") == "0006000420010000"
    assert answered("80060004 30010000") == "4006000430010000"


def test_location_tells_ports_and_addresses_as_they_arrived() -> None:
    asked = "8002002c 00*4 80040010 00*16 80070010 00*16"
    assert answered(asked, HERE._replace(ends=ENDS)) == (
        octets("0002002c 035e 1388 00060010 20010db8 00*11 01 00080010 c0000201 00*12").hex()
    )


@pytest.mark.parametrize(
    "sub", ["80010008 00*8", "80040004 00*4", "80990000", "80040010 00", "80"], ids=lambda it: it[:8]
)
def test_a_sub_tlv_that_is_not_filled_goes_back_as_it_came(sub: str) -> None:
    value = octets("00000000") + octets(sub)
    tail = reflect(tlv(Type.LOCATION, value), HERE._replace(ends=ENDS))[0]
    assert tail[8:] == value[4:]


def test_an_address_that_is_not_known_is_left_out() -> None:
    ends = Ends(("fe80::1%2", 5000), ("", 862))
    asked = "8002002c 00*4 80040010 00*16 80070010 00*16"
    assert answered(asked, HERE._replace(ends=ends)) == (
        octets("0002002c 035e 1388 80040010 00*16 00090010 fe80 00*13 01").hex()
    )


def test_an_ipv4_address_on_an_ipv6_socket_is_one() -> None:
    ends = Ends(("::ffff:192.0.2.1", 5000), ("::ffff:192.0.2.2", 862))
    asked = "80020018 00*4 80070010 00*16"
    assert answered(asked, HERE._replace(ends=ends)) == (
        octets("00020018 035e 1388 00080010 c0000201 00*12").hex()
    )


@pytest.mark.parametrize("type_", [0, 7, 9, 10, 11, 12, 99, 255])
def test_a_type_that_is_not_understood_goes_back_marked(type_: int) -> None:
    tail = tlv(type_, b"12345678")
    assert reflect(tail, HERE) == (tail, None)


def test_a_tlv_that_ends_behind_the_packet_is_marked_and_the_rest_is_left_alone() -> None:
    assert answered("80010100 0102") == "400101000102"
    assert answered("80630100 0102") == "c06301000102"
    assert answered("80040004 28000000 8004000528000000") == "000400042ae40000" + "4004000528000000"


@pytest.mark.parametrize("tail", ["80", "8001", "800100"])
def test_a_head_that_is_cut_is_malformed(tail: str) -> None:
    assert answered(tail) == ("c0" if tail == "80" else "40") + tail[2:]


@pytest.mark.parametrize("type_", [2, 3, 4, 5, 6, 8])
def test_a_value_of_a_wrong_length_is_malformed(type_: int) -> None:
    for size in (0, 3, 5, 11, 13, 15, 17):
        tail = tlv(type_, bytes(size))
        is_right = type_ == Type.LOCATION and size >= 4
        assert (reflect(tail, KEYED._replace(ends=ENDS))[0][0] == MALFORMED) is not is_right


def test_more_tlvs_than_a_packet_may_have_are_malformed() -> None:
    tail = reflect(tlv(Type.EXTRA_PADDING, b"") * (MAX_TLVS + 2), HERE)[0]
    flags = [tail[start] for start in range(0, len(tail), 4)]
    assert flags == [0] * MAX_TLVS + [MALFORMED, UNRECOGNIZED]


@pytest.mark.parametrize("tail", [b"", b"\0" * 100, b"padding", b"\x7f\x04\0\4"])
def test_the_padding_of_a_twamp_sender_goes_back_untouched(tail: bytes) -> None:
    assert reflect(tail, SIGNED) == (tail, None)


PIECES = st.one_of(
    st.binary(max_size=9),
    st.builds(tlv, st.integers(0, 12), st.binary(max_size=40)),
    st.builds(tlv, st.sampled_from([3, 4, 6]), st.binary(min_size=4, max_size=4)),
    st.just(with_mac(b"", bytes(4), KEY)),
)


@given(
    st.lists(PIECES, max_size=8).map(b"".join),
    st.sampled_from([HERE, KEYED, SIGNED]),
    st.booleans(),
    st.booleans(),
)
def test_no_tail_changes_its_size_or_its_structure(
    tail: bytes, situation: Situation, has_ends: bool, copies_dscp: bool
) -> None:
    situation = situation._replace(ends=ENDS if has_ends else None, copies_dscp=copies_dscp)
    back, tos = reflect(tail, situation)
    assert len(back) == len(tail)
    assert tos is None or (copies_dscp and not tos & 3)
    if tail and tail[0] & UNRECOGNIZED:
        assert [one[:2] for one in parse(back)[0]] == [one[:2] for one in parse(tail)[0]]
    else:
        assert back == tail
