"""A member and a room over a network that loses, doubles and delays: all is said, or known to be lost."""

from collections.abc import Callable, Collection

from fuzz.feed import Feed
from fuzz.target import target

from netechod.client.chat.events import Event, Kind
from netechod.client.chat.protocol import Member
from netechod.client.chat.states import State
from netechod.services.api import Outbox, Peer
from netechod.services.chat.room import ChatRoom
from netechod.services.chat.terms import Terms

HOME, ELSEWHERE = ("192.0.2.1", 5000), ("203.0.113.7", 6000)  # our address, and what a NAT makes of it
EAR = ("198.51.100.1", 4000)  # somebody who is always there, over a network that loses nothing
LONGEST = 400  # steps that a conversation may take once the network is sound
IDLE = 120.0  # seconds


class Network(Outbox):
    """Between one member and the room; `now` is its clock. It is sound when the feed has nothing more."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.now = 0.0
        self.ours = feed.pick([HOME, HOME, ELSEWHERE])  # the member, as the room sees it
        self.heard: list[bytes] = []  # by the ear
        self._under_way: list[tuple[float, int, bytes, bool]] = []
        self._number = 0

    def post(self, payload: bytes, *, to_the_room: bool) -> None:
        """Send a datagram, which may get lost, double, or come late."""
        for delay in self.feed.pick([[0.0], [0.0], [], [0.0, 0.0], [3.0], [0.0, 10.0]]):
            self._number += 1
            self._under_way.append((self.now + delay, self._number, payload, to_the_room))

    def arrived(self) -> list[tuple[bytes, bool]]:
        """The datagrams whose time has come."""
        due = sorted(each for each in self._under_way if each[0] <= self.now)
        self._under_way = [each for each in self._under_way if each[0] > self.now]
        return [(payload, to_the_room) for _, _, payload, to_the_room in due]

    def next_arrival(self) -> float | None:
        """When the next comes."""
        return min((when for when, *_ in self._under_way), default=None)

    # The room's outbox.

    def send(self, payload: bytes, peer: Peer) -> None:
        """See Outbox."""
        if peer == self.ours:
            self.post(payload, to_the_room=False)
        else:
            self.heard.append(payload)

    def broadcast(self, payload: bytes, peers: Collection[Peer]) -> None:
        """See Outbox."""
        for peer in peers:
            self.send(payload, peer)


class Evening:
    """A room, a member in it, and the network between them."""

    def __init__(self, feed: Feed) -> None:
        self.network = network = Network(feed)
        self.room = ChatRoom(
            address_of=lambda peer: peer,  # type: ignore[arg-type,return-value] # here peers are addresses
            on_online=lambda name: None,
            on_offline=lambda name, reason: None,
            secret=b"secret",
        )
        self.tell_the_room(b"online", EAR)
        self.room.configure(Terms(join=feed.pick(["open", "cookie"]), idle_timeout=IDLE))
        local = "{}--{}".format(*HOME)
        self.member = Member(local, 2.0, feed.number(2), network.now, patient=bool(feed.number(1)))
        self.told: list[Event] = []
        self.said = 0

    def tell_the_room(self, payload: bytes, peer: Peer) -> None:
        """Hand the room a datagram."""
        self.room.datagrams_received([(payload, peer)], self.network.now, self.network)

    def say(self) -> None:
        """Say something that nobody has said before."""
        self.said += 1
        self.member.say(b"message %d" % self.said, self.network.now)

    @property
    def is_talking(self) -> bool:
        """Whether there is something to be said, and somebody to say it."""
        return bool(self.member.unsaid) and self.member.state is not State.GONE

    def go_on_until(self, done: Callable[[], bool]) -> None:
        """Let everything happen until something has, which must not take for ever."""
        for _ in range(LONGEST):
            if done():
                return
            self.go_on()
        raise AssertionError(f"over a sound network it is still {self.member.state}, {self.member.unsaid}")

    def go_on(self) -> None:
        """Let everything happen until the next thing is due."""
        network, member = self.network, self.member
        for payload in member.take_outgoing():
            network.post(payload, to_the_room=True)
        times = [self.room.next_deadline(), network.next_arrival(), network.now + IDLE / 4]
        if member.state is not State.GONE:
            times.append(member.deadline)
        network.now = max(network.now, min(time for time in times if time is not None))
        self.tell_the_room(b"online", EAR)
        self.room.deadline_reached(network.now, network)
        for payload, to_the_room in network.arrived():
            if to_the_room:
                self.tell_the_room(payload, network.ours)
            else:
                self.told += member.received(payload, network.now)
        if member.state is not State.GONE and member.deadline <= network.now:
            self.told += member.deadline_reached(network.now)


@target(largest=256)  # an evening of so many bytes has as many messages
def conversation(feed: Feed) -> None:
    """Whatever the network does, each message is heard or known to be lost, and the member can go."""
    evening = Evening(feed)
    member = evening.member
    while feed and member.state is not State.GONE:
        if not feed.number(3):
            evening.say()
        evening.go_on()
    evening.go_on_until(lambda: member.state in (State.READY, State.GONE) and not evening.is_talking)
    member.leave(evening.network.now)
    evening.go_on_until(lambda: member.state is State.GONE and evening.network.next_arrival() is None)
    if evening.network.ours == HOME:
        assert_nothing_is_missing(evening)


def assert_nothing_is_missing(evening: Evening) -> None:
    """Each message was heard, or it is among those that are lost or were never said."""
    lost = {event.text.encode() for event in evening.told if event.kind is Kind.LOST}
    for number in range(1, evening.said + 1):
        text = b"message %d" % number
        heard = any(line.endswith(b"#" + text) for line in evening.network.heard)
        assert heard or text in lost or text in evening.member.unsaid, text
