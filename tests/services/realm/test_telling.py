"""What members are told of others leaves at a pace, as far as their outbox has room."""

import pytest

from netechod.services.realm.telling import BURST, PACE, PAUSE, Telling

N = "192.0.2.1--1"


class Members:
    """The members of a node. They hear while there is room."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.room = 1_000_000

    def has_room(self) -> bool:
        return len(self.heard) < self.room

    def take(self) -> list[bytes]:
        heard, self.heard = self.heard, []
        return heard


@pytest.fixture
def members() -> Members:
    return Members()


@pytest.fixture
def telling(members: Members) -> Telling:
    return Telling(lambda line: members.heard.append(line), members.has_room)


def test_a_line_is_told_at_once(telling: Telling, members: Members) -> None:
    telling.add("b", N, b"hi")
    assert len(telling) == 1
    telling.drain(0.0)
    assert (members.heard, bool(telling), telling.next_deadline()) == ([b"192.0.2.1--1#hi"], False, None)


def test_many_lines_leave_at_a_pace(telling: Telling, members: Members) -> None:
    for number in range(1000):
        telling.add("b", N, b"%d" % number)
    telling.drain(0.0)
    assert len(members.heard) == BURST
    assert telling.next_deadline() == PAUSE
    telling.drain(PAUSE)
    assert len(members.heard) == BURST + PAUSE * PACE
    for seconds in range(1, 5):
        telling.drain(100.0 * seconds)
    assert members.heard == [b"192.0.2.1--1#%d" % number for number in range(1000)]


def test_lines_wait_until_there_is_room(telling: Telling, members: Members) -> None:
    members.room = 1
    telling.add("b", N, b"one")
    telling.add("b", N, b"two")
    telling.drain(0.0)
    assert len(members.heard) == 1
    members.room = 2
    telling.drain(PAUSE)
    assert len(members.heard) == 2


def test_a_name_that_a_member_here_gets_is_shown_with_its_node(telling: Telling, members: Members) -> None:
    telling.make_way(N, "b")
    telling.drain(0.0)
    assert members.heard == [b"b/192.0.2.1--1#online"]


def test_what_waits_under_a_name_that_a_member_here_gets_is_told_with_its_node(
    telling: Telling, members: Members
) -> None:
    for text in (b"online", b"hi"):
        telling.add("b", N, text)
    telling.add("b", "192.0.2.2--2", b"hello")
    telling.make_way(N, "b")
    telling.drain(0.0)
    assert members.heard == [
        b"b/192.0.2.1--1#online",
        b"b/192.0.2.1--1#hi",
        b"192.0.2.2--2#hello",
    ]


def test_members_that_had_the_name_before_come_and_go_with_their_node(
    telling: Telling, members: Members
) -> None:
    telling.add("b", N, b"bye")
    telling.add("b", N, b"offline")
    telling.add("c", N, b"online")
    telling.make_way(N, "c")
    telling.drain(0.0)
    assert members.heard == [
        b"b/192.0.2.1--1#online",
        b"b/192.0.2.1--1#bye",
        b"b/192.0.2.1--1#offline",
        b"c/192.0.2.1--1#online",
    ]


def test_nothing_happens_to_a_name_that_nobody_has(telling: Telling) -> None:
    telling.make_way(N, None)
    assert not telling
