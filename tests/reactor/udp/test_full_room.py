"""A chat room with all its members on a real socket: whatever they do, no turn does more than its budget."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import pytest
from support.looping import FakeClock, run_until, turn

from netechod.reactor.loop import Loop
from netechod.reactor.udp.budget import BATCH, SEND_LIMIT, TURN_LIMIT
from netechod.reactor.udp.endpoint import UdpEndpoint
from netechod.reactor.udp.mmsg import BatchMemory, MmsgDatagramIO
from netechod.services.api import Datagram, Peer
from netechod.services.chat.room import ChatRoom

MEMBERS = 4096
IDLE = 120.0


class Crowd(MmsgDatagramIO):
    """A socket whose datagrams are made here, and which counts what is sent."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock, BatchMemory())
        self.arriving: list[Datagram] = []
        self.heard: dict[Peer, int] = {}

    def receive(self) -> Sequence[Datagram]:
        """See DatagramIO."""
        batch, self.arriving = self.arriving[:BATCH], self.arriving[BATCH:]
        return batch

    def send(self, datagrams: Sequence[Datagram]) -> int:
        """See DatagramIO."""
        for _, peer in datagrams:
            self.heard[peer] = self.heard.get(peer, 0) + 1
        return len(datagrams)


class Hall:
    """The room, its members, and its endpoint. The socket stays readable, so that the loop never waits."""

    def __init__(self, loop: Loop, resources: ExitStack) -> None:
        self.loop = loop
        sock = resources.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        sock.sendto(b"", sock.getsockname())
        self.io = Crowd(sock)
        self.room = ChatRoom(
            address_of=lambda peer: (str(peer), 5000),
            on_online=lambda name: None,
            on_offline=lambda name, reason: None,
            secret=b"secret",
        )
        self.endpoint = UdpEndpoint(loop, sock, self.io, self.room)
        resources.callback(self.endpoint.close)
        self.peers = [f"192.0.{number >> 8}.{number & 255}" for number in range(MEMBERS)]
        for peer in self.peers:
            self.room.restore(peer, loop.now, loop.now)
        self.endpoint.set_timer()

    def settle(self) -> None:
        """Run the loop until all that is to be sent has left, and nothing is due."""
        run_until(self.loop, lambda: not self.io.arriving)
        sent = -1
        while sent != self.endpoint.counters.sent:
            sent = self.endpoint.counters.sent
            turn(self.loop, 2)


@pytest.fixture
def hall(loop: Loop) -> Iterator[Hall]:
    with ExitStack() as resources:
        yield Hall(loop, resources)


def test_a_batch_of_messages_reaches_all_a_turns_worth_at_a_time(hall: Hall) -> None:
    hall.io.arriving = [(b"hello", peer) for peer in hall.peers[:BATCH]]
    hall.settle()
    assert set(hall.io.heard.values()) == {BATCH}
    assert len(hall.io.heard) == MEMBERS
    assert hall.loop.longest_turn <= TURN_LIMIT
    assert hall.loop.turns >= MEMBERS * BATCH // SEND_LIMIT
    assert hall.endpoint.counters.overflowed == 0


def test_a_room_that_falls_silent_costs_each_turn_its_budget_and_no_more(
    hall: Hall, clock: FakeClock
) -> None:
    clock.advance(IDLE)
    hall.settle()
    assert hall.room.size == 0
    assert set(hall.io.heard.values()) == {1}, "each has heard of its own departure"
    assert hall.loop.longest_turn <= TURN_LIMIT


def test_members_that_speak_in_time_stay_however_late_the_timer_is(hall: Hall, clock: FakeClock) -> None:
    hall.io.arriving = [(b"online", peer) for peer in hall.peers[: 60 * BATCH]]
    clock.advance(IDLE)
    hall.settle()
    assert set(hall.room.presence) == set(hall.peers[: 60 * BATCH])
    assert hall.loop.longest_turn <= TURN_LIMIT


def test_when_very_many_are_unreachable_the_others_hear_of_all_a_turns_worth_at_a_time(hall: Hall) -> None:
    gone = hall.peers[: MEMBERS - 100]
    hall.room.unreachable([(peer, 5000) for peer in gone], 0.0, hall.endpoint)
    hall.endpoint.set_timer()
    hall.settle()
    assert hall.io.heard == dict.fromkeys(hall.peers[MEMBERS - 100 :], len(gone))
    assert hall.loop.longest_turn <= TURN_LIMIT


def test_arrivals_are_told_a_turns_worth_at_a_time(hall: Hall) -> None:
    newcomers = [f"198.51.100.{number}" for number in range(BATCH)]
    hall.room.unreachable([(peer, 5000) for peer in hall.peers[:BATCH]], 0.0, hall.endpoint)
    hall.endpoint.set_timer()
    hall.settle()
    hall.io.heard.clear()
    hall.io.arriving = [(b"online", peer) for peer in newcomers]
    hall.settle()
    assert hall.room.size == MEMBERS
    assert {hall.io.heard[peer] for peer in hall.peers[BATCH:]} == {BATCH}
    assert hall.loop.longest_turn <= TURN_LIMIT
