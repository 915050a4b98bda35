"""Echo as a dialogue: RFC 862 gives back the bytes, the tutorials' mode signs each read of them."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.cutting import cut_at
from support.recorder import Recorder

from netechod.services.echo import EchoService, EchoSession, TutorialEchoSession, echo_session
from netechod.services.wire import MAX_DATAGRAM

EVERY_BYTE = bytes(range(256))
SIGN = b"[server echo]"


def talk(session: EchoSession, chunks: Sequence[bytes]) -> bytes:
    """All that the session answers to a stream that arrives as `chunks` and then ends."""
    answers = [bytes(session.data_received(memoryview(chunk))) for chunk in chunks]
    return b"".join([*answers, session.eof_received()])


def test_every_datagram_goes_back_to_its_sender_in_order() -> None:
    out = Recorder()
    EchoService().datagrams_received([(b"one", "ann"), (b"two", "bob"), (b"three", "ann")], 0.0, out)
    assert out == [("send", b"one", "ann"), ("send", b"two", "bob"), ("send", b"three", "ann")]


@pytest.mark.parametrize("payload", [b"", b"\0", b"text\r\n\0", EVERY_BYTE, bytes(MAX_DATAGRAM)])
def test_a_datagram_of_any_size_and_content_comes_back_as_it_is(payload: bytes) -> None:
    out = Recorder()
    EchoService().datagrams_received([(payload, "ann")], 0.0, out)
    assert out == [("send", payload, "ann")]


def test_udp_echo_waits_for_nothing() -> None:
    out = Recorder()
    service = EchoService()
    service.deadline_reached(1.0, out)
    assert (service.next_deadline(), out) == (None, [])


@settings(deadline=None)
@given(st.binary(max_size=4000), st.lists(st.integers(min_value=0), max_size=8))
def test_rfc862_answers_the_same_bytes_however_the_stream_is_cut(data: bytes, places: list[int]) -> None:
    assert talk(EchoSession(), cut_at(data, places)) == data


def test_all_256_values_come_back_with_nothing_added() -> None:
    assert talk(EchoSession(), [EVERY_BYTE * 300]) == EVERY_BYTE * 300


def test_the_echo_of_a_chunk_is_the_chunk_without_a_copy() -> None:
    chunk = memoryview(b"hello")
    assert EchoSession().data_received(chunk) is chunk


@pytest.mark.parametrize(
    ("length", "pieces"),
    [
        (0, []),
        (1, [1]),
        (1022, [1022]),
        (1023, [1023]),
        (1024, [1023, 1]),
        (2046, [1023, 1023]),
        (2047, [1023, 1023, 1]),
        (3000, [1023, 1023, 954]),
    ],
)
def test_the_tutorials_sign_each_read_of_at_most_1023_bytes(length: int, pieces: list[int]) -> None:
    assert talk(TutorialEchoSession(), [b"x" * length]) == b"".join(b"x" * n + SIGN for n in pieces)


def test_the_tutorials_answer_depends_on_how_the_stream_is_cut() -> None:
    assert talk(TutorialEchoSession(), [b"hello"]) == b"hello[server echo]"
    assert talk(TutorialEchoSession(), [b"hel", b"lo"]) == b"hel[server echo]lo[server echo]"


@settings(deadline=None)
@given(st.lists(st.binary(max_size=2500), max_size=4))
def test_the_tutorials_mode_keeps_every_byte_in_order(chunks: list[bytes]) -> None:
    reads = [chunk[at : at + 1023] for chunk in chunks for at in range(0, len(chunk), 1023)]
    assert talk(TutorialEchoSession(), chunks) == b"".join(read + SIGN for read in reads)


def test_the_end_of_the_stream_adds_nothing() -> None:
    assert (EchoSession().eof_received(), TutorialEchoSession().eof_received()) == (b"", b"")


def test_the_mode_chooses_the_session() -> None:
    assert talk(echo_session("rfc862"), [b"a\0b"]) == b"a\0b"
    assert talk(echo_session("tutorial"), [b"a\0b"]) == b"a\0b[server echo]"
