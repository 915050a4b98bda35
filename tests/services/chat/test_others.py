"""A chat room that forms one room with those of other nodes."""

from typing import cast

import pytest
from support.recorder import Recorder

from netechod.services.api import Datagram, Others, Peer
from netechod.services.chat.room import ChatRoom, Departure
from netechod.services.chat.terms import Terms

ANN, BOB, DAN = ("192.0.2.1", 40001), ("::ffff:192.0.2.2", 40002), ("fe80::4%eth0", 40004)


class Told(list[tuple[object, ...]], Others):
    """The other nodes: they write down what they are told."""

    def said(self, name: str, text: bytes, now: float) -> None:
        """See Others."""
        self.append(("said", name, text, now))

    def came(self, name: str, now: float) -> None:
        """See Others."""
        self.append(("came", name, now))

    def left(self, name: str, reason: str, now: float) -> None:
        """See Others."""
        self.append(("left", name, reason, now))

    def stayed(self, name: str) -> None:
        """See Others."""
        self.append(("stayed", name))


@pytest.fixture
def others() -> Told:
    return Told()


@pytest.fixture
def room(others: Told) -> ChatRoom:
    def went(name: str, reason: Departure) -> None:
        assert name

    return ChatRoom(
        address_of=lambda peer: cast(tuple[str, int], peer),
        on_online=lambda name: None,
        on_offline=went,
        secret=b"secret",
        others=others,
    )


def say(room: ChatRoom, *batch: Datagram, now: float) -> None:
    room.datagrams_received(batch, now, Recorder())


def test_others_are_told_who_comes_what_they_say_and_who_leaves(room: ChatRoom, others: Told) -> None:
    say(room, (b"online\r\n", ANN), (b"online", BOB), now=1.0)
    say(room, ("苹果".encode() + b"\0x", ANN), (b"offline", BOB), now=2.0)
    assert others == [
        ("came", "192.0.2.1--40001", 1.0),
        ("came", "192.0.2.2--40002", 1.0),
        ("said", "192.0.2.1--40001", "苹果".encode(), 2.0),
        ("left", "192.0.2.2--40002", "said", 2.0),
    ]


def test_others_are_told_the_names_of_chat_lines(room: ChatRoom, others: Told) -> None:
    say(room, (b"online", DAN), now=1.0)
    assert others == [("came", "fe80::4--40004", 1.0)]


def test_others_are_not_told_what_is_refused_or_changes_nothing(room: ChatRoom, others: Told) -> None:
    room.configure(Terms(max_message=3, max_members=1))
    say(room, (b"hi", BOB), (b"online", ANN), now=1.0)
    others.clear()
    say(room, (b"online", ANN), (b"long", ANN), (b"\x1b[2J", ANN), (b"online", BOB), now=2.0)
    assert others == []


def test_others_are_told_of_members_that_are_idle(room: ChatRoom, others: Told) -> None:
    say(room, (b"online", ANN), now=1.0)
    room.deadline_reached(121.0, Recorder())
    assert others[1:] == [("left", "192.0.2.1--40001", "idle", 121.0)]


def test_others_are_told_of_many_members_that_are_idle_at_once(room: ChatRoom, others: Told) -> None:
    peers: list[Peer] = [("192.0.2.1", port) for port in range(20)]
    say(room, *((b"online", peer) for peer in peers), now=1.0)
    others.clear()
    while room.size:
        room.deadline_reached(121.0, Recorder())
    assert others == [("left", f"192.0.2.1--{port}", "idle", 121.0) for port in range(20)]


def test_others_are_told_of_members_that_are_unreachable(room: ChatRoom, others: Told) -> None:
    say(room, (b"online", ANN), now=1.0)
    room.unreachable([ANN], 2.0, Recorder())
    assert others[1:] == [("left", "192.0.2.1--40001", "unreachable", 2.0)]


def test_others_know_a_member_that_was_online_before_a_restart(room: ChatRoom, others: Told) -> None:
    room.restore(DAN, 0.0, 0.0)
    assert others == [("stayed", "fe80::4--40004")]


def test_members_hear_lines_of_others_and_others_do_not_hear_them_back(room: ChatRoom, others: Told) -> None:
    say(room, (b"online", ANN), (b"online", BOB), now=1.0)
    others.clear()
    out = Recorder()
    room.hear(b"b/192.0.2.1--40001#hi", 0.0, out)
    room.hear(b"b/192.0.2.1--40001#offline", 0.0, out)
    everybody = tuple(sorted([ANN, BOB], key=str))
    assert out == [
        ("broadcast", b"b/192.0.2.1--40001#hi", everybody),
        ("broadcast", b"b/192.0.2.1--40001#offline", everybody),
    ]
    assert (others, room.counters["messages"]) == ([], 0)
