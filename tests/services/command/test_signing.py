"""Signed requests and answers, by the bytes that other programs make and read."""

import hashlib
import hmac
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netechod.services.command.signing import (
    KEY_ID,
    MAX_DATAGRAM,
    PART,
    Part,
    answer,
    read_answer,
    read_request,
    request,
)

SECRET = b"open sesame"
NONCE = "0123456789abcdef01234567"
FLAGS = ("truncated", "timeout", "denied", "busy")


def mac(signed: bytes) -> bytes:
    return hmac.new(SECRET, signed, hashlib.sha256).hexdigest().encode()


def test_a_request_is_what_the_manual_says() -> None:
    text = b'["disk","/srv"]'
    signed = b"NX1|ops|1700000000|" + NONCE.encode() + b"|" + text
    expected = b"NX1 ops 1700000000 " + NONCE.encode() + b" " + mac(signed) + b" " + text
    assert request("ops", SECRET, 1700000000, NONCE, ["disk", "/srv"]) == expected
    found = read_request(expected)
    assert found is not None
    assert (found.key_id, found.seconds, found.nonce, found.words()) == (
        "ops",
        1700000000,
        NONCE,
        ["disk", "/srv"],
    )
    assert found.is_signed_with(SECRET)
    assert not found.is_signed_with(b"open sesame!")


@settings(deadline=None)
@given(
    st.from_regex(KEY_ID, fullmatch=True),
    st.integers(0, 999999999999),
    st.lists(st.text(st.characters(codec="utf-8"), max_size=40), min_size=1, max_size=5),
)
def test_what_is_asked_arrives(key_id: str, seconds: int, words: list[str]) -> None:
    found = read_request(request(key_id, SECRET, seconds, NONCE, words))
    assert found is not None
    assert (found.key_id, found.seconds, found.words()) == (key_id, seconds, words)
    assert found.is_signed_with(SECRET)


@settings(deadline=None)
@given(st.data())
def test_a_request_with_a_flipped_bit_is_not_signed(data: st.DataObject) -> None:
    payload = bytearray(request("ops-1", SECRET, 1700000000, NONCE, ["disk", "/srv", "端"]))
    payload[data.draw(st.integers(0, len(payload) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    found = read_request(bytes(payload))
    assert found is None or not found.is_signed_with(SECRET)


@settings(deadline=None)
@given(st.data())
def test_an_answer_with_a_flipped_bit_is_not_signed(data: st.DataObject) -> None:
    [datagram] = answer(SECRET, NONCE, 1, ["timeout"], b"output\n")
    payload = bytearray(datagram)
    payload[data.draw(st.integers(0, len(payload) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert read_answer(bytes(payload), SECRET) is None


@settings(deadline=None)
@given(st.binary(max_size=MAX_DATAGRAM + 10))
def test_no_bytes_are_too_strange(payload: bytes) -> None:
    assert read_request(payload) is None
    assert read_answer(payload, SECRET) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda it: it + b"\n" * 2000,  # too long
        lambda it: b" " + it,
        lambda it: it.replace(b"NX1", b"NX2"),
        lambda it: it.replace(b"ops", b"Ops"),
        lambda it: it.replace(b"ops", b"o" * 33),
        lambda it: it.replace(b"1700000000", b"-1700000000"),
        lambda it: it.replace(b"1700000000", "١٧٠٠٠٠٠٠٠٠".encode()),  # digits, but not ASCII
        lambda it: it.replace(b"1700000000", b"1700000000000"),
        lambda it: it.replace(NONCE.encode(), NONCE.encode()[:-1]),
        lambda it: it.replace(b" ", b"  ", 1),
    ],
)
def test_what_has_another_form_is_no_request(change: Callable[[bytes], bytes]) -> None:
    payload = request("ops", SECRET, 1700000000, NONCE, ["disk"])
    assert read_request(payload) is not None
    assert read_request(change(payload)) is None


@pytest.mark.parametrize(
    "text", [b"disk", b"{}", b"[]", b"[1]", b'["disk", null]', b'["disk"', b"[" * 1000, b"\xff", b'["\xff"]']
)
def test_a_text_that_is_no_list_of_strings_has_no_words(text: bytes) -> None:
    signed = b"NX1|ops|1|" + NONCE.encode() + b"|" + text
    found = read_request(b"NX1 ops 1 " + NONCE.encode() + b" " + mac(signed) + b" " + text)
    assert found is not None
    assert found.is_signed_with(SECRET)
    assert found.words() is None


def test_an_answer_is_what_the_manual_says() -> None:
    signed = b"NX1|" + NONCE.encode() + b"|1/1|3|-|\x00\xff"
    assert answer(SECRET, NONCE, 3, [], b"\x00\xff") == [
        b"NX1 " + NONCE.encode() + b" 1/1 3 - " + mac(signed) + b"\n\x00\xff"
    ]


@settings(deadline=None)
@given(st.binary(max_size=5 * PART), st.integers(0, 255), st.lists(st.sampled_from(FLAGS), unique=True))
def test_what_is_answered_arrives_in_parts(output: bytes, status: int, flags: list[str]) -> None:
    datagrams = answer(SECRET, NONCE, status, flags, output)
    parts = [read_answer(datagram, SECRET) for datagram in datagrams]
    assert max(map(len, datagrams)) <= MAX_DATAGRAM
    assert parts == [
        Part(NONCE, number, len(parts), status, frozenset(flags), part.output)
        for number, part in enumerate(parts, 1)
        if part is not None
    ]
    assert b"".join(part.output for part in parts if part is not None) == output


def test_the_longest_head_leaves_room_for_a_part() -> None:
    datagrams = answer(SECRET, NONCE, 255, FLAGS, bytes(10_000 * PART))
    assert len(datagrams) == 10_000
    assert max(map(len, datagrams)) <= MAX_DATAGRAM
    assert read_answer(datagrams[-1], SECRET) is not None


def test_an_answer_for_another_key_is_none() -> None:
    [datagram] = answer(SECRET, NONCE, 0, [], b"")
    assert read_answer(datagram, b"another") is None
