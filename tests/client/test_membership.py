"""The member's side of the chat protocol, as a dialogue without a socket."""

import pytest

from netechod.client.membership import KEEP_ALIVE, Event, Kind, Member, State, event_of
from netechod.services.wire import NOT_ONLINE

ME, ANN = "192.0.2.1--5000", "192.0.2.2--6000"
COOKIE = b"0123456789abcdef"


def line(name: str, text: str) -> bytes:
    return f"{name}#{text}".encode()


def is_in(state: State, member: Member) -> bool:
    """Whether the member is in `state` now; mypy would take a plain comparison to hold for ever."""
    return member.state is state


@pytest.fixture
def member() -> Member:
    """A member who has sent `online` at second 0 and waits 2 seconds for each answer, 3 times."""
    member = Member(ME, timeout=2.0, retries=2, now=0.0)
    assert member.take_outgoing() == [b"online"]
    return member


@pytest.fixture
def ready(member: Member) -> Member:
    member.received(line(ME, "online"), now=1.0)
    assert is_in(State.READY, member)
    return member


@pytest.mark.parametrize(
    ("payload", "event"),
    [
        (line(ANN, "hi # there"), Event(Kind.MESSAGE, ANN, "hi # there")),
        (line("2001:db8::1--7", "x"), Event(Kind.MESSAGE, "2001:db8::1--7", "x")),
        (line(ANN, "online") + b"\0rest", Event(Kind.JOIN, ANN, "online")),
        (line(ANN, "offline"), Event(Kind.LEAVE, ANN, "offline")),
        (b"message refused: not UTF-8", Event(Kind.REFUSED, "", "message refused: not UTF-8")),
        (b"challenge " + COOKIE, Event(Kind.CHALLENGE, "", COOKIE.decode())),
        (b"challenge me", Event(Kind.NOTICE, "", "challenge me")),
        (NOT_ONLINE, Event(Kind.STRANGER, "", NOT_ONLINE.decode())),
        (b"\xff", Event(Kind.NOTICE, "", "\\xff")),
    ],
)
def test_datagrams_have_a_meaning(payload: bytes, event: Event) -> None:
    assert event_of(payload) == event


def test_joining_is_done_when_the_own_line_comes_back(member: Member) -> None:
    assert member.received(line(ME, "online"), now=1.0) == Event(Kind.JOIN, ME, "online")
    assert is_in(State.READY, member)


def test_a_challenge_is_answered_with_its_cookie(member: Member) -> None:
    member.received(b"challenge " + COOKIE, now=1.0)
    assert member.take_outgoing() == [b"online " + COOKIE]
    assert is_in(State.JOINING, member)


def test_joining_starts_over_because_the_room_confirms_no_second_online(member: Member) -> None:
    assert member.deadline == 2.0
    member.deadline_reached(2.0)
    assert member.take_outgoing() == [b"offline", b"online"]
    member.received(line(ME, "offline"), now=2.1)
    assert is_in(State.JOINING, member)


def test_joining_is_given_up_after_the_last_try(member: Member) -> None:
    for now in (2.0, 4.0, 6.0):
        assert is_in(State.JOINING, member)
        assert member.deadline == now
        member.deadline_reached(now)
    assert is_in(State.GONE, member)


def test_a_message_is_said_when_it_comes_back(ready: Member) -> None:
    ready.say(b"hi", now=2.0)
    assert ready.take_outgoing() == [b"hi"]
    ready.received(line(ANN, "hi"), now=2.1)
    assert is_in(State.SAYING, ready)
    ready.received(line(ME, "hi"), now=2.2)
    assert is_in(State.READY, ready)


def test_a_lost_message_goes_again_after_another_online(ready: Member) -> None:
    ready.say(b"hi", now=2.0)
    ready.take_outgoing()
    for now in (4.0, 6.0):
        assert ready.deadline_reached(now) is None
        assert ready.take_outgoing() == [b"online", b"hi"]
    assert ready.deadline_reached(8.0) == Event(Kind.LOST, ME, "hi")
    assert is_in(State.READY, ready)


def test_a_room_that_forgot_us_gets_the_message_again_at_once(ready: Member) -> None:
    ready.say(b"hi", now=2.0)
    ready.take_outgoing()
    ready.received(NOT_ONLINE, now=2.1)
    assert ready.deadline == 2.1


def test_a_refused_message_is_not_repeated(ready: Member) -> None:
    ready.say(b"hi", now=2.0)
    assert ready.received(b"message refused: too long", now=2.1).kind is Kind.REFUSED
    assert is_in(State.READY, ready)


def test_behind_a_nat_the_text_is_the_receipt(member: Member) -> None:
    outside = "203.0.113.9--40000"
    member.received(line(outside, "online"), now=1.0)
    member.say(b"hi", now=2.0)
    member.received(line(outside, "hi"), now=2.1)
    assert is_in(State.READY, member)
    member.leave(now=3.0)
    member.received(line(outside, "offline"), now=3.1)
    assert is_in(State.GONE, member)


def test_an_idle_presence_is_refreshed(ready: Member) -> None:
    assert ready.deadline == 1.0 + KEEP_ALIVE
    ready.deadline_reached(61.0)
    assert ready.take_outgoing() == [b"online"]
    assert ready.deadline == 61.0 + KEEP_ALIVE
    assert is_in(State.READY, ready)


def test_leaving_ends_with_the_own_farewell(ready: Member) -> None:
    ready.leave(now=2.0)
    assert ready.take_outgoing() == [b"offline"]
    ready.received(line(ANN, "offline"), now=2.1)
    assert is_in(State.LEAVING, ready)
    ready.received(line(ME, "offline"), now=2.2)
    assert is_in(State.GONE, ready)


def test_leaving_ends_without_a_farewell_too(ready: Member) -> None:
    ready.leave(now=2.0)
    ready.received(b"challenge " + COOKIE, now=2.1)
    assert ready.take_outgoing() == [b"offline"]
    ready.deadline_reached(4.0)
    assert is_in(State.GONE, ready)


def test_the_words_of_the_protocol_do_what_they_say(ready: Member) -> None:
    ready.say(b"online", now=2.0)
    assert is_in(State.READY, ready)
    ready.say(b"offline", now=2.0)
    assert is_in(State.LEAVING, ready)
    assert ready.take_outgoing() == [b"online", b"offline"]
