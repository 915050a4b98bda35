"""The chat room, whatever anybody sends whenever, against a model of who hears what."""

import re
from dataclasses import dataclass, field

from fuzz.feed import Feed
from fuzz.target import STEPS, target
from support.characters import is_harmless

from netechod.services.api import Outbox, Peer
from netechod.services.chat.cookie import CookieJar
from netechod.services.chat.room import ChatRoom
from netechod.services.chat.terms import Terms

IDLE, ROOM_FOR, SOURCE_FOR, LONGEST, SLOT = 60.0, 4, 2, 24, 60.0
PEOPLE = {
    "ann": ("192.0.2.1", 40001),
    "amy": ("::ffff:192.0.2.1", 40002),
    "bob": ("2001:db8::1", 40003),
    "ben": ("2001:db8::2", 40003),
    "bea": ("2001:db8::3", 40003),
    "cat": ("198.51.100.1", 40001),
    "dan": ("2001:db8:0:1::1", 40001),
}  # those of one initial are of one source
SITE = "bd"  # initials of one IPv6 /48, which gets no more places than a source in so small a room
NAMES = {
    name: f"{address.removeprefix('::ffff:')}--{port}".encode() for name, (address, port) in PEOPLE.items()
}
PROMPT = "你还没有上线,请先上线,运行: online".encode()

Heard = tuple[bytes, frozenset[str]]
"""What is sent, and to whom."""


class Ears(Outbox):
    """An outbox that writes down who is sent what, the copies of a broadcast as one."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []

    def send(self, payload: bytes, peer: Peer) -> None:
        """See Outbox."""
        self.heard.append((payload, frozenset([str(peer)])))

    def broadcast(self, payload: bytes, peers: object) -> None:
        """See Outbox."""
        assert isinstance(peers, tuple)
        assert len(set(peers)) == len(peers)
        self.heard.append((payload, frozenset(peers)))


@dataclass
class Model:
    """Who is online and what that means."""

    join: str
    members: dict[str, float] = field(default_factory=dict)  # when each was heard
    prompted: dict[str, float] = field(default_factory=dict)
    cookies: dict[tuple[str, bytes], float] = field(default_factory=dict)  # the slot of each that was sent

    def told(self, text: bytes) -> Heard:
        """What everybody online hears."""
        return text, frozenset(self.members)

    def hears(self, payload: bytes, who: str, now: float) -> list[Heard]:
        """What a datagram brings about."""
        text = payload.split(b"\0")[0].rstrip(b"\r\n ")
        if not text or text == PROMPT or text.startswith(b"message refused: "):
            return []
        joining = re.fullmatch(rb"online(?: ([0-9a-f]{16}))?", text)
        slot = self.cookies.get((who, joining[1])) if joining and joining[1] else None
        proven = slot is not None and 0 <= now // SLOT - slot <= 1
        if who in self.members:
            del self.members[who]
            self.members[who] = now  # put back last: the order is that of their silence
            return self.member_says(text, who, proven=proven)
        if joining:
            return self.newcomer_asks(who, now, proven=proven)
        if now - self.prompted.get(who, -100.0) < 5.0:
            return []
        self.prompted[who] = now
        return [(PROMPT, frozenset([who]))]

    def member_says(self, text: bytes, who: str, *, proven: bool) -> list[Heard]:
        """Leave, stay or talk."""
        if text == b"online" or proven:
            return []
        line = NAMES[who] + b"#" + text
        if text == b"offline":
            heard = [self.told(line)]
            del self.members[who]
            return heard
        try:
            sound = is_harmless(text.decode())
        except UnicodeDecodeError:
            sound = False
        if sound and len(text) <= LONGEST:
            return [self.told(line)]
        return [(b"message refused", frozenset([who]))]

    def newcomer_asks(self, who: str, now: float, *, proven: bool) -> list[Heard]:
        """Come in, or be told why not."""
        at_once = self.join == "open" or (self.join == "auto" and who[0] == "a")
        if not at_once and not proven:
            return [(b"challenge", frozenset([who]))]
        if len(self.members) == ROOM_FOR or self.of_source(who) == SOURCE_FOR:
            return [(b"message refused", frozenset([who]))]
        self.members[who] = now
        return [self.told(NAMES[who] + b"#online")]

    def of_source(self, who: str) -> int:
        """How many members its source has, or its site."""
        initials = SITE if who[0] in SITE else who[0]
        return sum(member[0] in initials for member in self.members)

    def expire(self, now: float) -> list[Heard]:
        """What the passing of time brings about: the most silent go first."""
        heard = []
        for who, last in list(self.members.items()):
            if last + IDLE <= now:
                heard.append(self.told(NAMES[who] + b"#offline"))
                del self.members[who]
        return heard


def abridged(heard: Heard) -> Heard:
    """Without the reason of a refusal and the cookie of a challenge."""
    text, whom = heard
    for start in (b"message refused", b"challenge"):
        if text.startswith(start):
            return start, whom
    return heard


WORDS = (
    *(b"online", b"offline", b"online ", b"hi", "你好".encode(), b"x" * LONGEST),
    *(b"message refused: ", PROMPT, b"\n", b"\0", b"\x1b", b"\xff"),
)


@target(WORDS, largest=STEPS)
def chat(feed: Feed) -> None:
    """Any interleaving of datagrams of several people: each hears exactly what a model of the room says."""
    journal: list[str] = []
    model = Model(feed.pick(["auto", "open", "cookie"]))
    room = ChatRoom(
        address_of=lambda peer: PEOPLE[str(peer)],
        on_online=lambda name: journal.append(f"{name} online"),
        on_offline=lambda name, reason: journal.append(f"{name} offline"),
        secret=b"secret",
    )
    room.configure(
        Terms(
            join=model.join,  # type: ignore[arg-type] # picked from the three above
            trusts=lambda address: address.endswith("192.0.2.1"),
            idle_timeout=IDLE,
            max_members=ROOM_FOR,
            max_members_per_source=SOURCE_FOR,
            max_message=LONGEST,
        )
    )
    now, lines = 1000.0, 0
    while feed:
        ears = Ears()
        who = feed.pick(list(PEOPLE))
        now += feed.pick([0.0, 0.0, 0.0, 2.5, 5.0, 30.0, 60.0])
        payload = said(feed, model)
        room.deadline_reached(now, ears)
        expected = model.expire(now)
        room.datagrams_received([(payload, who)], now, ears)
        expected += model.hears(payload, who, now)
        assert list(map(abridged, ears.heard)) == expected
        for text, whom in ears.heard:
            assert is_harmless(text.decode())
            if whom == {who} and who not in model.members:
                assert len(text) + 28 <= 3 * (len(payload) + 28)
            if text.startswith(b"challenge "):
                model.cookies[who, text[10:]] = now // SLOT
            lines += text.endswith((b"#online", b"#offline"))
        assert set(room.presence) == set(model.members)
        assert room.next_deadline() == min((heard + IDLE for heard in model.members.values()), default=None)
    assert len(journal) == lines


def said(feed: Feed, model: Model) -> bytes:
    """What somebody sends: a word of the room, a cookie that was sent to whomever, or anything."""
    known = [b"online " + cookie for _, cookie in model.cookies] or [b"online"]
    return feed.pick([b"online", b"offline", b"hi", known[-1], feed.pick(known), feed.piece(40)])


@target([b"a--1", b"|", b"0" * 16])
def cookie(feed: Feed) -> None:
    """A cookie is good for its own address, in its own minute and the next, and nothing else is one."""
    made, checked = feed.number(1 << 20) / 8, feed.number(1 << 20) / 8
    name, other = feed.piece(24).decode(errors="replace"), feed.piece(24).decode(errors="replace")
    jar = CookieJar(b"secret")
    good = jar.cookie_for(name, made).encode()
    assert re.fullmatch(rb"[0-9a-f]{16}", good)
    fresh = 0 <= checked // SLOT - made // SLOT <= 1
    assert jar.proves(good, name, checked) == fresh
    assert jar.proves(good, other, checked) == (fresh and other == name)
    assert not CookieJar(b"another").proves(good, name, made)
    assert not jar.proves(feed.rest(), name, made)
