"""When we say our name."""

import math
from collections.abc import Callable
from itertools import pairwise

import pytest

from netechod.client.chat.events import Event, Kind
from netechod.client.chat.people.introductions import (
    COPIES,
    LATER,
    LEAST_PAUSE,
    LEAST_WINDOW,
    REPEATS,
    Introductions,
)

ME, BOB = "192.0.2.1--5000", "192.0.2.3--7000"
OWN_NICK = Event(Kind.NICK, ME, "/nick ann", own=True, nick="ann")
NEWCOMER = Event(Kind.JOIN, BOB, "online")


def of(nick: str, lot: Callable[[], float] = lambda: 0.5) -> Introductions:
    return Introductions(nick, 0.0, lot)


def known(lot: Callable[[], float] = lambda: 0.5) -> Introductions:
    """We have said our name at time 0, and the room has repeated it."""
    it = of("ann", lot)
    assert it.take(0.0) == b"/nick ann"
    it.note(OWN_NICK, 1, 0.0)
    assert it.due == math.inf
    return it


def test_a_name_is_said_when_we_come_and_not_again() -> None:
    assert known().take(1000.0) == b""


def test_without_a_name_nothing_is_said() -> None:
    it = of("")
    it.note(NEWCOMER, 2, 1.0)
    assert (it.take(100.0), it.due) == (b"", math.inf)


def test_a_newcomer_hears_the_name_within_a_moment_and_once_more() -> None:
    it = known()
    it.note(NEWCOMER, 2, 100.0)
    assert it.is_owed
    assert it.due == 100.0 + LEAST_WINDOW / 2
    said = []
    while it.due < math.inf:
        said.append(it.due)
        assert it.take(it.due) == b"/nick ann"
    assert len(said) == REPEATS
    assert said[1] - said[0] >= LATER
    assert not it.is_owed


def test_many_newcomers_are_introduced_to_at_once() -> None:
    it = known(lambda: 0.0)
    said = []
    for tenth in range(1000):
        now = 100.0 + tenth / 10
        it.note(NEWCOMER, 2, now)
        if it.take(now):
            said.append(now)
    assert min(later - earlier for earlier, later in pairwise(said)) >= LEAST_PAUSE


@pytest.mark.parametrize("members", [2, 50, 200, 4096])
def test_all_introductions_together_take_no_more_than_their_share_of_a_room(members: int) -> None:
    it = known(lambda: 1.0)
    it.note(NEWCOMER, members, 100.0)
    window = it.due - 100.0
    assert members * members / window <= COPIES


def test_whoever_speaks_is_introduced_first() -> None:
    it = known()
    it.note(NEWCOMER, 1000, 100.0)
    assert it.is_owed
    assert it.introduce(100.1) == b"/nick ann"
    assert not it.is_owed


def test_a_room_that_lets_us_in_again_hears_the_name_at_once() -> None:
    it = known()
    it.note(Event(Kind.JOIN, ME, "online", own=True), 1, 50.0)
    assert it.take(50.0) == b"/nick ann"


def test_a_name_that_was_never_repeated_by_the_room_is_said_when_it_is_back() -> None:
    it = of("ann")
    it.take(0.0)
    it.note(Event(Kind.BACK), 1, 9.0)
    assert it.take(9.0) == b"/nick ann"
    again = known()
    again.note(Event(Kind.BACK), 1, 9.0)
    assert again.take(9.0) == b""


def test_a_name_that_we_say_otherwise_is_ours_too() -> None:
    it = of("")
    it.note(OWN_NICK, 1, 1.0)
    it.note(NEWCOMER, 2, 100.0)
    assert it.take(it.due) == b"/nick ann"


def test_a_refused_repetition_is_no_news_and_is_tried_again() -> None:
    it = known()
    refusal = Event(Kind.REFUSED, text="message refused: x", said="/nick ann")
    it.note(refusal, 2, 20.0)
    assert it.hides(refusal)
    assert it.due == 20.0 + LATER
    assert not of("ann").hides(refusal)  # a first one is news
    assert not it.hides(Event(Kind.REFUSED, text="message refused: x", said="hi"))
    assert not it.hides(Event(Kind.MESSAGE, BOB, "/nick ann"))
