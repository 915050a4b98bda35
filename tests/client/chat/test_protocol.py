"""The member's side of the chat protocol, as a dialogue without a socket."""

import pytest

from netechod.client.chat.events import ENQUIRY, PUT_OFFLINE, SILENT, UNKNOWN, Event, Kind
from netechod.client.chat.protocol import Member
from netechod.client.chat.states import KEEP_ALIVE, State
from netechod.services.wire import NOT_ONLINE

ME, ANN, OUTSIDE = "192.0.2.1--5000", "192.0.2.2--6000", "203.0.113.9--40000"
COOKIE = b"0123456789abcdef"
ANSWER = b"message refused: control character U+0005"


def line(name: str, text: str) -> bytes:
    return f"{name}#{text}".encode()


def is_in(state: State, member: Member) -> bool:
    """Whether the member is in `state` now; mypy would take a plain comparison to hold for ever."""
    return member.state is state


def own(kind: Kind, text: str, seconds: float | None = None, name: str = ME) -> Event:
    return Event(kind, name, text, own=True, seconds=seconds)


def away(why: str) -> Event:
    return Event(Kind.AWAY, text=why)


def begin(*, patient: bool = True) -> Member:
    """A member who has sent `online` at second 0 and waits 2 seconds for each answer, 3 times."""
    member = Member(ME, timeout=2.0, retries=2, now=0.0, patient=patient)
    assert member.take_outgoing() == [b"online"]
    return member


@pytest.fixture
def member() -> Member:
    return begin()


@pytest.fixture
def ready(member: Member) -> Member:
    member.received(line(ME, "online"), now=1.0)
    assert is_in(State.READY, member)
    return member


@pytest.fixture
def script() -> Member:
    """One without patience, who is online since second 1."""
    member = begin(patient=False)
    member.received(line(ME, "online"), now=1.0)
    return member


# Coming online.


def test_joining_is_done_when_the_own_line_comes_back(member: Member) -> None:
    assert member.received(line(ME, "online"), now=0.5) == [own(Kind.JOIN, "online")]
    assert is_in(State.READY, member)
    assert member.round_trip == 0.5


def test_joining_is_done_when_others_are_heard_because_a_stranger_hears_nobody(member: Member) -> None:
    assert member.received(line(ANN, "hi"), now=1.0) == [Event(Kind.MESSAGE, ANN, "hi")]
    assert is_in(State.READY, member)
    assert member.name == ME


def test_a_challenge_is_answered_with_its_cookie(member: Member) -> None:
    assert member.received(b"challenge " + COOKIE, now=1.0) == []
    assert member.take_outgoing() == [b"online " + COOKIE]
    assert is_in(State.JOINING, member)
    member.received(line(ME, "online"), now=1.5)
    assert member.round_trip is None


def test_who_is_in_already_is_told_so_by_the_answer_to_an_enquiry(member: Member) -> None:
    assert member.deadline == 2.0
    assert member.deadline_reached(2.0) == []
    assert member.take_outgoing() == [b"online", ENQUIRY]
    assert member.received(NOT_ONLINE, now=2.1) == []
    assert is_in(State.JOINING, member)
    assert member.received(ANSWER, now=2.2) == []
    assert is_in(State.READY, member)
    assert member.round_trip is None


def test_joining_is_given_up_after_the_last_try(member: Member) -> None:
    for now in (2.0, 4.0, 6.0):
        assert is_in(State.JOINING, member)
        assert member.deadline == now
        assert member.deadline_reached(now) == []
    assert is_in(State.GONE, member)


def test_what_else_the_room_says_to_a_newcomer_is_told(member: Member) -> None:
    for payload, kind in ((b"message refused: the room is full", Kind.REFUSED), (b"hello", Kind.NOTICE)):
        assert member.received(payload, now=1.0) == [Event(kind, text=payload.decode())]
    assert is_in(State.JOINING, member)


# Talking.


def test_a_message_is_said_when_it_comes_back(ready: Member) -> None:
    ready.say(b"hi", now=2.0)
    assert ready.take_outgoing() == [b"hi"]
    assert ready.unsaid == [b"hi"]
    assert ready.received(line(ANN, "hi"), now=2.1) == [Event(Kind.MESSAGE, ANN, "hi")]
    assert is_in(State.SAYING, ready)
    assert ready.received(line(ME, "hi"), now=2.5) == [own(Kind.MESSAGE, "hi", seconds=0.5)]
    assert is_in(State.READY, ready)
    assert ready.unsaid == []
    assert ready.round_trip == 0.5


def test_messages_are_said_one_after_the_other(ready: Member) -> None:
    for text in (b"a", b"b", b"c"):
        ready.say(text, now=2.0)
    assert ready.take_outgoing() == [b"a"]
    assert ready.unsaid == [b"a", b"b", b"c"]
    ready.received(line(ME, "a"), now=2.1)
    assert ready.take_outgoing() == [b"b"]
    ready.received(line(ME, "b"), now=2.2)
    assert ready.take_outgoing() == [b"c"]


def test_a_lost_message_goes_again_and_its_receipt_tells_no_round_trip(ready: Member) -> None:
    ready.say(b"hi", now=2.0)
    ready.take_outgoing()
    for now in (4.0, 6.0):
        assert ready.deadline_reached(now) == []
        assert ready.take_outgoing() == [b"online", b"hi", ENQUIRY]
    assert ready.received(line(ME, "hi"), now=6.5) == [own(Kind.MESSAGE, "hi")]
    assert ready.round_trip == 1.0


def test_a_message_that_a_present_room_never_passes_on_is_given_up(ready: Member) -> None:
    ready.say(b"hi", now=2.0)
    ready.say(b"next", now=2.0)
    for now in (4.0, 6.0):
        ready.deadline_reached(now)
        assert ready.received(ANSWER, now) == []
    ready.take_outgoing()
    assert ready.deadline_reached(8.0) == [Event(Kind.LOST, ME, "hi")]
    assert ready.take_outgoing() == [b"next"]


def test_a_script_gives_up_a_message_after_its_tries_and_leaves(script: Member) -> None:
    script.say(b"hi", now=2.0)
    script.say(b"next", now=2.0)
    for now in (4.0, 6.0):
        script.deadline_reached(now)
    script.take_outgoing()
    assert script.deadline_reached(8.0) == [Event(Kind.LOST, ME, "hi")]
    assert is_in(State.LEAVING, script)
    assert script.is_leaving
    assert script.take_outgoing() == [b"offline"]
    assert script.unsaid == [b"next"]


def test_a_refused_message_is_not_repeated(ready: Member) -> None:
    ready.say(b"hi", now=2.0)
    refusal = "message refused: too long"
    assert ready.received(refusal.encode(), now=2.1) == [Event(Kind.REFUSED, text=refusal, said="hi")]
    assert is_in(State.READY, ready)
    assert ready.unsaid == []


def test_a_refusal_without_a_message_is_told(ready: Member) -> None:
    assert ready.received(b"message refused: x", now=2.0) == [Event(Kind.REFUSED, text="message refused: x")]


def test_online_refreshes_and_offline_leaves(ready: Member) -> None:
    ready.say(b"online", now=2.0)
    assert is_in(State.READY, ready)
    ready.say(b"a", now=2.0)
    ready.say(b"offline", now=2.0)
    assert is_in(State.SAYING, ready)
    assert ready.take_outgoing() == [b"online", b"a"]
    ready.received(line(ME, "a"), now=2.1)
    assert is_in(State.LEAVING, ready)
    assert ready.take_outgoing() == [b"offline"]


# What the room calls us.


def test_behind_a_nat_the_first_line_is_ours(member: Member) -> None:
    assert member.received(line(OUTSIDE, "online"), now=1.0) == [own(Kind.JOIN, "online", name=OUTSIDE)]
    assert member.name == OUTSIDE
    member.say(b"hi", now=2.0)
    receipt = own(Kind.MESSAGE, "hi", seconds=0.5, name=OUTSIDE)
    assert member.received(line(OUTSIDE, "hi"), now=2.5) == [receipt]
    member.say(b"again", now=3.0)
    assert member.received(line(ANN, "again"), now=3.1) == [Event(Kind.MESSAGE, ANN, "again")]
    assert is_in(State.SAYING, member)
    member.leave(now=3.0, at_once=True)
    assert member.received(line(OUTSIDE, "offline"), now=3.1) == [own(Kind.LEAVE, "offline", name=OUTSIDE)]
    assert is_in(State.GONE, member)


def test_behind_a_nat_whoever_says_our_words_is_us_when_our_first_line_was_lost(member: Member) -> None:
    member.received(line(ANN, "online"), now=1.0)
    member.say(b"hi", now=2.0)
    assert member.received(line(OUTSIDE, "hi"), now=2.5)[0].own
    assert member.name == OUTSIDE
    assert is_in(State.READY, member)


def test_our_own_address_is_certainly_ours(member: Member) -> None:
    member.received(line(ANN, "online"), now=1.0)
    member.received(line(ME, "online"), now=1.1)
    assert member.name == ME


# Staying online.


def test_an_idle_presence_asks_the_room(ready: Member) -> None:
    assert ready.deadline == 1.0 + KEEP_ALIVE
    assert ready.deadline_reached(31.0) == []
    assert ready.take_outgoing() == [ENQUIRY]
    assert ready.unsaid == []
    assert ready.received(ANSWER, now=31.25) == []
    assert is_in(State.READY, ready)
    assert ready.round_trip == 0.25
    assert ready.deadline == 31.25 + KEEP_ALIVE


def test_a_room_that_passes_enquiries_on_gets_no_second_one(ready: Member) -> None:
    ready.deadline_reached(31.0)
    assert ready.received(line(ME, "\x05"), now=31.5) == []
    ready.take_outgoing()
    ready.deadline_reached(ready.deadline)
    assert ready.take_outgoing() == [b"online"]
    assert ready.deadline == 31.5 + 2 * KEEP_ALIVE


def test_who_asks_is_answered(ready: Member) -> None:
    assert ready.enquire(now=2.0) == []
    assert ready.enquire(now=2.1) == []
    assert ready.take_outgoing() == [ENQUIRY]
    assert ready.received(ANSWER, now=2.25) == [Event(Kind.ANSWER, seconds=0.25)]
    ready.deadline_reached(ready.deadline)
    assert ready.received(ANSWER, now=40.0) == []


def test_a_room_may_refuse_an_enquiry_in_its_own_words(ready: Member) -> None:
    ready.enquire(now=2.0)
    assert ready.received(b"message refused: no control characters", now=2.5) == [
        Event(Kind.ANSWER, seconds=0.5)
    ]
    assert is_in(State.READY, ready)


def test_who_asks_late_is_answered_by_the_question_under_way(ready: Member) -> None:
    ready.deadline_reached(31.0)
    ready.enquire(now=31.1)
    assert ready.take_outgoing() == [ENQUIRY]
    assert ready.received(ANSWER, now=31.5) == [Event(Kind.ANSWER, seconds=0.5)]


def test_a_question_that_was_repeated_has_an_answer_without_a_time(ready: Member) -> None:
    ready.enquire(now=2.0)
    ready.take_outgoing()
    ready.deadline_reached(4.0)
    assert ready.take_outgoing() == [b"online", ENQUIRY]
    assert ready.received(ANSWER, now=4.5) == [Event(Kind.ANSWER)]


def test_a_room_with_less_patience_is_asked_more_often(ready: Member) -> None:
    ready.say(b"hi", now=2.0)
    ready.received(line(ME, "hi"), now=2.1)
    heard = ready.received(line(ME, "offline"), now=12.0)
    assert heard == [own(Kind.LEAVE, "offline"), away(PUT_OFFLINE)]
    assert ready.deadline == 12.0
    ready.deadline_reached(12.0)
    ready.received(line(ME, "online"), now=12.5)
    assert ready.deadline == 12.5 + 5.0


def test_a_late_farewell_says_nothing_of_the_rooms_patience(ready: Member) -> None:
    ready.say(b"hi", now=2.0)
    ready.received(line(ME, "hi"), now=2.1)
    ready.received(line(ME, "offline"), now=3.0)
    ready.deadline_reached(ready.deadline)
    ready.received(line(ME, "online"), now=4.0)
    assert ready.deadline == 4.0 + KEEP_ALIVE


# Out of reach.


def test_a_room_that_forgot_us_is_joined_again_and_hears_the_message(ready: Member) -> None:
    ready.say(b"hi", now=9.0)
    ready.take_outgoing()
    assert ready.received(NOT_ONLINE, now=9.1) == [away(UNKNOWN)]
    assert is_in(State.AWAY, ready)
    assert ready.deadline == 9.1
    ready.deadline_reached(9.1)
    assert ready.take_outgoing() == [b"online", ENQUIRY]
    heard = ready.received(line(ME, "online"), now=9.6)
    assert heard == [own(Kind.JOIN, "online"), Event(Kind.BACK, seconds=0.5)]
    assert ready.take_outgoing() == [b"hi"]
    assert ready.received(line(ME, "hi"), now=9.7)[0].own
    assert ready.unsaid == []


def test_a_fickle_room_gets_a_pause(ready: Member) -> None:
    ready.received(NOT_ONLINE, now=1.5)
    assert ready.deadline == 2.5


def test_a_room_that_had_lost_us_and_took_the_repeated_online(ready: Member) -> None:
    ready.say(b"hi", now=2.0)
    ready.deadline_reached(4.0)
    assert ready.received(line(ME, "online"), now=4.1) == [own(Kind.JOIN, "online"), Event(Kind.BACK)]
    assert is_in(State.SAYING, ready)


def test_a_silent_room_is_tried_at_growing_intervals_and_the_message_is_kept(ready: Member) -> None:
    ready.say(b"hi", now=2.0)
    for now in (4.0, 6.0):
        ready.deadline_reached(now)
    assert ready.deadline_reached(8.0) == [away(SILENT)]
    ready.say(b"more", now=8.5)
    ready.take_outgoing()
    tries = []
    for _ in range(6):
        assert ready.deadline_reached(ready.deadline) == []
        tries.append(ready.deadline)
        assert ready.take_outgoing() == [b"online", ENQUIRY]
    assert tries == [10.0, 12.0, 16.0, 24.0, 32.0, 40.0]
    assert ready.received(ANSWER, now=41.0) == [Event(Kind.BACK, seconds=33.0)]
    assert ready.take_outgoing() == [b"hi"]
    assert ready.unsaid == [b"hi", b"more"]


def test_a_room_that_does_not_answer_an_enquiry_is_out_of_reach(script: Member) -> None:
    script.deadline_reached(31.0)
    for now in (33.0, 35.0):
        assert script.deadline_reached(now) == []
    assert script.deadline_reached(37.0) == [away(SILENT)]
    for _ in range(9):  # even a script waits while it has nothing to say
        assert script.deadline_reached(script.deadline) == []
    assert is_in(State.AWAY, script)


def test_why_the_room_is_out_of_reach_is_told_when_it_changes(ready: Member) -> None:
    assert ready.unreachable("Connection refused", now=2.0) == [away("Connection refused")]
    assert ready.deadline == 3.0
    assert ready.unreachable("Connection refused", now=3.0) == []
    assert ready.unreachable("No route to host", now=4.0) == [away("No route to host")]
    assert ready.received(b"message refused: the room is full", now=5.0) == [
        away("message refused: the room is full")
    ]
    assert ready.received(b"message refused: the room is full", now=6.0) == []
    assert ready.received(b"hello", now=6.5) == [Event(Kind.NOTICE, text="hello")]
    assert ready.received(line(ME, "offline"), now=6.6) == []
    assert is_in(State.AWAY, ready)


def test_who_asks_out_of_reach_is_told_why(ready: Member) -> None:
    ready.unreachable("Connection refused", now=2.0)
    assert ready.enquire(now=3.0) == [away("Connection refused")]
    ready.received(line(ME, "online"), now=4.0)
    assert ready.take_outgoing() == []


def test_behind_a_nat_one_may_come_back_under_another_name(member: Member) -> None:
    member.received(line(OUTSIDE, "online"), now=1.0)
    member.say(b"hi", now=2.0)
    member.received(line(OUTSIDE, "hi"), now=2.1)
    member.unreachable("Connection refused", now=3.0)
    other = "203.0.113.9--40001"
    assert member.received(line(other, "online"), now=4.0)[0].own
    assert member.name == other


def test_a_script_out_of_reach_gives_its_message_a_last_chance(script: Member) -> None:
    script.say(b"hi", now=2.0)
    assert script.unreachable("Connection refused", now=2.0) == [away("Connection refused")]
    script.take_outgoing()
    for _ in range(2):
        assert script.deadline_reached(script.deadline) == []
        assert script.take_outgoing() == [b"online", ENQUIRY]
    assert script.deadline_reached(script.deadline) == [Event(Kind.LOST, ME, "hi")]
    assert script.take_outgoing() == [b"offline"]
    script.deadline_reached(script.deadline)
    assert is_in(State.GONE, script)


# Leaving.


def test_leaving_ends_with_the_own_farewell(ready: Member) -> None:
    ready.leave(now=2.0)
    assert ready.take_outgoing() == [b"offline"]
    assert ready.received(line(ANN, "offline"), now=2.1) == [Event(Kind.LEAVE, ANN, "offline")]
    assert is_in(State.LEAVING, ready)
    assert ready.received(line(ME, "offline"), now=2.2) == [own(Kind.LEAVE, "offline")]
    assert is_in(State.GONE, ready)
    assert ready.received(ANSWER, now=2.3) == []


def test_a_farewell_is_repeated_within_the_time_of_one_answer(ready: Member) -> None:
    ready.leave(now=2.0)
    for now in (2.5, 3.0, 3.5):
        assert ready.deadline == now
        ready.deadline_reached(now)
    assert ready.take_outgoing() == [b"offline"] * 4
    ready.received(b"challenge " + COOKIE, now=3.6)
    assert ready.take_outgoing() == []
    ready.deadline_reached(4.0)
    assert is_in(State.GONE, ready)


@pytest.mark.parametrize("answer", [NOT_ONLINE, None])
def test_a_room_that_knows_us_no_more_needs_no_farewell(ready: Member, answer: bytes | None) -> None:
    ready.leave(now=2.0)
    events = ready.unreachable("gone", now=2.1) if answer is None else ready.received(answer, now=2.1)
    assert events == []
    assert is_in(State.GONE, ready)


def test_leaving_waits_for_what_is_unsaid(ready: Member) -> None:
    ready.say(b"a", now=2.0)
    ready.leave(now=2.0)
    assert ready.is_leaving
    ready.received(line(ME, "a"), now=2.1)
    assert ready.take_outgoing() == [b"a", b"offline"]


def test_leaving_at_once_does_not_wait(ready: Member) -> None:
    ready.say(b"a", now=2.0)
    ready.leave(now=2.0, at_once=True)
    assert ready.take_outgoing() == [b"a", b"offline"]
    assert ready.received(line(ME, "a"), now=2.1) == [own(Kind.MESSAGE, "a")]


def test_leaving_a_room_out_of_reach_waits_for_nothing(ready: Member) -> None:
    ready.unreachable("Connection refused", now=2.0)
    ready.leave(now=3.0)
    assert ready.take_outgoing() == [b"offline"]
    ready.deadline_reached(ready.deadline)
    assert ready.deadline == 3.0
    assert is_in(State.GONE, ready)


def test_leaving_a_room_out_of_reach_gives_what_is_unsaid_a_last_chance(ready: Member) -> None:
    ready.unreachable("Connection refused", now=2.0)
    ready.say(b"a", now=2.5)
    for _ in range(4):
        ready.deadline_reached(ready.deadline)
    ready.leave(now=20.0)
    assert ready.deadline == 20.0
    ready.deadline_reached(20.0)
    ready.take_outgoing()
    ready.received(line(ME, "online"), now=20.1)
    ready.received(line(ME, "a"), now=20.2)
    assert ready.take_outgoing() == [b"a", b"offline"]


def test_an_introduction_waits_for_its_receipt_and_is_no_message_of_the_person(ready: Member) -> None:
    ready.take_outgoing()
    ready.introduce(b"/nick ann", 2.0)
    ready.introduce(b"/nick ann", 2.0)
    ready.say(b"hi", 2.0)
    assert ready.take_outgoing() == [b"/nick ann"]
    assert ready.unsaid == [b"hi"]
    heard = ready.received(line(ME, "/nick ann"), now=2.5)
    assert [(event.kind, event.nick, event.own) for event in heard] == [(Kind.NICK, "ann", True)]
    assert ready.take_outgoing() == [b"hi"]


def test_whoever_leaves_is_not_introduced_any_more(ready: Member) -> None:
    ready.leave(2.0)
    ready.take_outgoing()
    ready.introduce(b"/nick ann", 2.0)
    assert ready.take_outgoing() == []
    assert is_in(State.LEAVING, ready)


def test_a_proof_that_is_asked_for_inside_the_room_spoils_no_round_trip(ready: Member) -> None:
    ready.say(b"hi", 2.0)
    ready.received(b"challenge " + COOKIE, now=2.1)
    assert b"online " + COOKIE in ready.take_outgoing()
    assert [event.seconds for event in ready.received(line(ME, "hi"), now=2.5)] == [0.5]
