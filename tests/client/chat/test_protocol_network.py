"""A member and a real room, with a network between them that loses, doubles, delays and reorders."""

import heapq
from collections.abc import Iterable
from itertools import count
from math import inf
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st
from support.recorder import Recorder

from netechod.client.chat.events import Event, Kind
from netechod.client.chat.protocol import Member
from netechod.client.chat.states import State
from netechod.services.chat.room import ChatRoom
from netechod.services.chat.terms import Terms

MEMBER, NEIGHBOUR = "192.0.2.1", "127.0.0.1"  # the neighbour needs no network, and loses nothing
QUIET = 1000.0  # seconds after which nothing is lost any more

Fate: TypeAlias = tuple[float, ...]
"""Seconds after which the copies of one datagram arrive."""

FATES: list[Fate] = [(0.01,), (0.01,), (0.01,), (), (), (0.01, 0.02), (0.01, 1.0), (1.9,), (3.0,)]
DEEDS = ["say", "say", "wait", "restart", "vanish", "enquire"]


class World:
    """Time, the room, the way to it and back, and what happened."""

    def __init__(self, fates: list[Fate]) -> None:
        self.now = 0.0
        self.said: list[str] = []
        self.heard: list[str] = []  # by the neighbour
        self.told: list[Event] = []
        self._fates = iter(fates)
        self._order = count()
        self._under_way: list[tuple[float, int, bool, bytes]] = []  # when, for the room?, what
        self._reachable_at = 0.0
        self.restart()
        self.member = Member(f"{MEMBER}--1", timeout=2.0, retries=2, now=0.0, patient=True)

    def restart(self) -> None:
        """Have a room that knows the neighbour only."""
        self._room = ChatRoom(
            address_of=lambda peer: (str(peer), 1),
            on_online=lambda name: None,
            on_offline=lambda name, reason: None,
            secret=b"",
        )
        self._room.configure(Terms(join="auto", trusts=lambda address: address == NEIGHBOUR))
        self._room.datagrams_received([(b"online", NEIGHBOUR)], self.now, Recorder())

    def vanish(self) -> None:
        """Have a room that is out of reach for a while."""
        self._reachable_at = self.now + 40.0

    def say(self) -> None:
        """Say something that was never said before."""
        self.said.append(f"message {len(self.said)}")
        self.member.say(self.said[-1].encode(), self.now)

    def is_gone(self) -> bool:
        """Whether the member has left, or never came."""
        return self.member.state is State.GONE

    def enquire(self) -> None:
        """Ask whether the room is there."""
        self.told += self.member.enquire(self.now)

    def run_until(self, end: float) -> None:
        """Let happen what happens."""
        while True:
            self._send(self.member.take_outgoing(), to_room=True)
            due = self._under_way[0][0] if self._under_way else inf
            deadline = inf if self.is_gone() else self.member.deadline
            if min(due, deadline) >= end:
                break
            self.now = max(self.now, min(due, deadline))
            if due <= deadline:
                self._arrive(*heapq.heappop(self._under_way)[2:])
            else:
                self.told += self.member.deadline_reached(self.now)
        self.now = end

    def _send(self, datagrams: Iterable[bytes], *, to_room: bool) -> None:
        for datagram in datagrams:
            for delay in next(self._fates, (0.01,)) if self.now < QUIET else (0.01,):
                heapq.heappush(self._under_way, (self.now + delay, next(self._order), to_room, datagram))

    def _arrive(self, to_room: bool, datagram: bytes) -> None:
        if not to_room:
            self.told += self.member.received(datagram, self.now)
        elif self.now >= self._reachable_at:
            out = Recorder()
            self._room.datagrams_received([(b"online", NEIGHBOUR), (datagram, MEMBER)], self.now, out)
            for _, payload, peers in out:
                if NEIGHBOUR in peers and b"#message" in payload:  # type: ignore[operator]
                    self.heard.append(payload.decode().partition("#")[2])
                if MEMBER in peers:  # type: ignore[operator]
                    self._send([payload], to_room=False)

    def texts(self, kind: Kind) -> list[str]:
        """What was told of the member's own messages."""
        return [event.text for event in self.told if event.kind is kind and event.sender == self.member.name]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(FATES), max_size=80), st.lists(st.sampled_from(DEEDS), max_size=12))
def test_every_message_is_heard_in_order_or_told_to_be_lost(fates: list[Fate], deeds: list[str]) -> None:
    world = World(fates)
    world.run_until(20.0)
    if world.is_gone():
        return  # never came online: the client has said so, and nothing was typed yet
    for deed in deeds:
        if deed != "wait":
            getattr(world, deed)()
        world.run_until(world.now + 10.0)
    world.run_until(QUIET + 60.0)
    assert world.member.state is State.READY
    lost = world.texts(Kind.LOST)
    arrived = list(dict.fromkeys(world.heard))
    assert [text for text in world.said if text not in lost] == [text for text in arrived if text not in lost]
    assert arrived == [text for text in world.said if text in arrived]
    assert set(world.texts(Kind.MESSAGE)) | set(lost) == set(world.said)
    world.member.leave(world.now)
    world.run_until(world.now + 10.0)
    assert world.is_gone()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(DEEDS), max_size=12))
def test_no_message_is_lost_by_a_room_that_restarts_or_is_away(deeds: list[str]) -> None:
    world = World([])
    world.run_until(20.0)
    for deed in deeds:
        if deed != "wait":
            getattr(world, deed)()
        world.run_until(world.now + 10.0)
    world.run_until(QUIET)
    assert world.heard == world.texts(Kind.MESSAGE) == world.said
    assert world.texts(Kind.LOST) == []
