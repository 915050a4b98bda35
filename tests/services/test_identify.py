"""Identify as a dialogue: each question gets one line of JSON, within the limits, and no answer gets one."""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.cutting import cut_at
from support.recorder import Recorder

from netechod.services.admission.admission import Admission, Rules
from netechod.services.api import MeasuredPayload
from netechod.services.identify import ANSWER, LINES, MAX_ASKED, IdentifyService, IdentifySession, Identity
from netechod.services.wire import PADDED

POD = {"POD_NAME": "echo-7f", "POD_NAMESPACE": "prod", "NODE_NAME": "n1", "NETECHOD_INSTANCE": "2"}


def asked_at(payload: bytes, address: str = "2001:db8::1", port: int = 8080) -> MeasuredPayload:
    """A datagram that was sent to this address of ours."""
    datagram = MeasuredPayload(payload)
    datagram.asked = address, port
    return datagram


def service(environment: dict[str, str] | None = None) -> IdentifyService:
    return IdentifyService(Identity("web1", environment or {}), lambda peer: ("::ffff:192.0.2.7", 4000))


def ask(asked: IdentifyService, payload: bytes) -> dict[str, Any]:
    """The fields of the one answer."""
    out = Recorder()
    asked.datagrams_received([(asked_at(payload), "ann")], 0.0, out)
    [(_, answer, peer)] = out
    assert peer == "ann"
    assert answer.endswith(b"}\n")
    fields: dict[str, Any] = json.loads(answer)
    return fields


def test_an_answer_says_who_has_answered_whom() -> None:
    assert ask(service(), b"hello\n") == {
        "n": 1,
        "node": "web1",
        "client": "192.0.2.7:4000",
        "server": "[2001:db8::1]:8080",
        "name": "web1",
        "asked": "hello",
    }


def test_the_environment_names_pod_namespace_node_and_instance() -> None:
    fields = ask(service(POD), b"hello")
    named = {name: fields[name] for name in ("node", "name", "pod", "namespace", "instance")}
    assert named == {"node": "n1", "name": "web1", "pod": "echo-7f", "namespace": "prod", "instance": "2"}


def test_answers_are_numbered() -> None:
    asked = service()
    assert [ask(asked, b"x")["n"] for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("question", "shown"),
    [
        (b"", ""),
        (b"text\0garbage", "text"),
        ("苹果\r\n".encode(), "苹果"),
        (b"\xff\x1b[2J", "\\xff\x1b[2J"),
        (b"x" * 5000, "x" * MAX_ASKED),
        ("苹".encode() * 100, "苹" * (MAX_ASKED // 3)),
    ],
    ids=["nothing", "a NUL", "UTF-8", "no text", "long", "long and cut at a character"],
)
def test_a_question_is_repeated_as_a_bounded_text(question: bytes, shown: str) -> None:
    assert ask(service(), question)["asked"] == shown


def test_no_byte_of_an_answer_is_a_control_or_beyond_ascii() -> None:
    out = Recorder()
    service().datagrams_received([(asked_at("\x1b\u202e\x85苹".encode()), "ann")], 0.0, out)
    [(_, answer, _)] = out
    assert answer[:-1].isascii()
    assert answer[:-1].decode().isprintable()


def test_an_answer_is_not_answered() -> None:
    asked, out = service(), Recorder()
    asked.datagrams_received([(asked_at(b"a"), "ann")], 0.0, out)
    [(_, answer, _)] = out.take()
    asked.datagrams_received([(asked_at(answer), "ann")], 0.0, out)
    assert (out, asked.dropped) == ([], {"loop": 1})


def test_a_payload_that_does_not_tell_where_it_came_is_answered_all_the_same() -> None:
    out = Recorder()
    service().datagrams_received([(b"plain bytes", "ann")], 0.0, out)
    [(_, answer, _)] = out
    assert json.loads(answer)["server"] == ":0"


def test_it_waits_for_nothing() -> None:
    asked, out = service(), Recorder()
    asked.deadline_reached(1.0, out)
    assert (asked.next_deadline(), out) == (None, [])


def stranger(size: int, name: str = "web1") -> tuple[bytes | None, IdentifyService]:
    """What an unproven source gets for so many bytes, and the service that was asked."""
    asked, out = IdentifyService(Identity(name, POD), lambda peer: ("192.0.2.7", 4000)), Recorder()
    admission = Admission(asked, lambda peer: ("192.0.2.7", 4000))
    admission.configure(Rules())
    admission.datagrams_received([(asked_at(b"q".ljust(size, b"\0")), "ann")], 0.0, out)
    return (out[0][1] if out else None), asked


def test_a_stranger_gets_at_most_three_times_its_question_and_fewer_fields_for_less() -> None:
    fields: list[list[str]] = []
    for size in (1, 20, 60, PADDED):
        answer, _ = stranger(size)
        assert answer is not None
        assert len(answer) + 28 <= 3 * (size + 28)
        fields.append(list(json.loads(answer)))
    assert fields[-1] == ["n", "node", "client", "server", "name", "pod", "namespace", "instance", "asked"]
    assert all(few == more[: len(few)] for few, more in pairwise(fields))
    assert fields[0] == ["n", "node", "client"]


def test_a_question_too_short_for_the_shortest_answer_gets_none() -> None:
    environment_less = IdentifyService(Identity("h" * 200, {}), lambda peer: ("192.0.2.7", 4000))
    out = Recorder()
    out.limit = 100
    environment_less.datagrams_received([(asked_at(b"q"), "ann")], 0.0, out)
    assert (out, environment_less.dropped) == ([], {"short": 1})


def session() -> IdentifySession:
    identity = Identity("web1", {})
    return IdentifySession(lambda line: identity.answer(line, "192.0.2.7:4000", "192.0.2.1:8080"))


def talk(asked: IdentifySession, chunks: Sequence[bytes]) -> list[dict[str, Any]]:
    """All answers to a stream that arrives as `chunks` and then ends."""
    answers = bytearray(asked.opened())
    for chunk in chunks:
        piece: bytes | None = asked.data_received(memoryview(chunk))
        while piece is not None:
            answers += piece
            piece = asked.more()
    answers += asked.eof_received()
    assert not answers or answers.endswith(b"\n")
    return [json.loads(line) for line in bytes(answers).splitlines()]


@settings(deadline=None)
@given(
    st.lists(st.text(st.characters(codec="ascii", categories=("L", "N")), max_size=9), max_size=80), st.data()
)
def test_each_line_gets_one_answer_however_the_stream_is_cut(lines: list[str], data: st.DataObject) -> None:
    stream = "".join(f"{line}\n" for line in lines).encode()
    places = data.draw(st.lists(st.integers(min_value=0), max_size=8))
    answers = talk(session(), cut_at(stream, places))
    assert [(each["n"], each["asked"]) for each in answers] == list(enumerate(lines, 1))


def test_the_last_line_needs_no_end() -> None:
    assert [each["asked"] for each in talk(session(), [b"a\r\nb"])] == ["a", "b"]


def test_a_line_without_end_takes_no_more_memory_than_is_repeated() -> None:
    asked = session()
    for _ in range(100):
        assert asked.data_received(memoryview(b"x" * 1000)) == b""
    assert len(asked._line) + len(asked._heard) == MAX_ASKED
    assert [each["asked"] for each in talk(asked, [b"y\nz\n"])] == ["x" * MAX_ASKED, "z"]


def test_a_thousand_questions_are_answered_in_bounded_pieces() -> None:
    asked = session()
    pieces = [asked.data_received(memoryview(b"\n" * 1000))]
    while (piece := asked.more()) is not None:
        pieces.append(piece)
    counts = [piece.count(b"\n") for piece in pieces]
    assert (sum(counts), max(counts)) == (1000, LINES)


def test_a_line_that_is_an_answer_gets_none() -> None:
    assert [each["asked"] for each in talk(session(), [ANSWER + b"1}\n" + b"a\n" + ANSWER])] == ["a"]


def test_a_line_without_an_answer_adds_nothing() -> None:
    asked = IdentifySession(lambda line: None)
    assert (asked.data_received(memoryview(b"a\n")), asked.eof_received()) == (b"", b"")
