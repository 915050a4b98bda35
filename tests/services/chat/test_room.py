"""The chat room as a dialogue."""

import re
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support.recorder import Recorder

from netechod.services.api import Datagram, Peer
from netechod.services.chat.cookie import CookieJar
from netechod.services.chat.room import DEPARTURE_COPIES, FEW, ChatRoom, Departure, MemberInfo
from netechod.services.chat.strangers import MAX_PROMPTED
from netechod.services.chat.terms import Terms
from netechod.services.wire import display_name

ANN = ("192.0.2.1", 40001)
BOB = ("2001:db8::2", 40002)
CAT = ("::ffff:198.51.100.3", 40003)
DAN = ("fe80::4%eth0", 40004)
PEOPLE = (ANN, BOB, CAT, DAN)  # in the order in which the recorder lists them

PROMPT = "你还没有上线,请先上线,运行: online".encode()
FULL = b"message refused: the room is full"
CROWDED = b"message refused: too many members from your address"
SECRET = b"secret"


def address_of(peer: Peer) -> tuple[str, int]:
    """Peers are addresses here."""
    return cast(tuple[str, int], peer)


def name_of(peer: Peer) -> str:
    """The name that the daemon gives to a peer."""
    address, port = address_of(peer)
    return display_name(address.partition("%")[0], port)


def cookie_of(peer: Peer, now: float) -> bytes:
    """Return the cookie that the room sends to `peer`."""
    return CookieJar(SECRET).cookie_for(name_of(peer), now).encode()


def challenge(peer: Peer, now: float = 0.0) -> tuple[str, bytes, object]:
    """Return the answer to a newcomer that has to prove its address."""
    return ("send", b"challenge " + cookie_of(peer, now), peer)


def line(peer: Peer, text: bytes) -> bytes:
    """Return the line that the members get when `peer` says `text`."""
    return name_of(peer).encode() + b"#" + text


class Journal(list[tuple[str, ...]]):
    """The operator's log: who came, who went and why."""

    def came(self, name: str) -> None:
        self.append(("online", name))

    def went(self, name: str, reason: Departure) -> None:
        self.append(("offline", name, reason))


def make_room(journal: Journal) -> ChatRoom:
    return ChatRoom(address_of=address_of, on_online=journal.came, on_offline=journal.went, secret=SECRET)


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
def room(journal: Journal) -> ChatRoom:
    return make_room(journal)


@pytest.fixture
def out() -> Recorder:
    return Recorder()


def online(room: ChatRoom) -> list[str]:
    """The names of everybody online, the most silent first."""
    return [member.name for member in room.presence.values()]


def say(room: ChatRoom, *batch: Datagram, now: float = 0.0) -> list[tuple[str, bytes, object]]:
    """Return the datagrams that the room sends for one batch."""
    out = Recorder()
    room.datagrams_received(batch, now, out)
    return out.take()


def come_online(room: ChatRoom, *peers: Peer, now: float = 0.0) -> None:
    """Let these peers join; what they hear of it is told in other tests."""
    say(room, *((b"online", peer) for peer in peers), now=now)


# Coming, going, talking.


def test_everybody_online_hears_who_comes(room: ChatRoom, journal: Journal) -> None:
    assert say(room, (b"online", ANN)) == [("broadcast", b"192.0.2.1--40001#online", (ANN,))]
    assert say(room, (b"online", BOB)) == [("broadcast", b"2001:db8::2--40002#online", (ANN, BOB))]
    assert say(room, (b"online", CAT)) == [("broadcast", b"198.51.100.3--40003#online", (ANN, BOB, CAT))]
    assert online(room) == ["192.0.2.1--40001", "2001:db8::2--40002", "198.51.100.3--40003"]
    assert journal == [("online", name) for name in online(room)]


def test_a_message_reaches_every_member_and_the_sender_once(room: ChatRoom) -> None:
    come_online(room, ANN, BOB)
    assert say(room, (b"hi", ANN)) == [("broadcast", b"192.0.2.1--40001#hi", (ANN, BOB))]
    assert say(room, ("你好".encode(), BOB)) == [
        ("broadcast", "2001:db8::2--40002#你好".encode(), (ANN, BOB))
    ]
    assert room.counters["messages"] == 2


def test_everybody_and_the_leaver_hear_who_goes(room: ChatRoom, journal: Journal) -> None:
    come_online(room, ANN, BOB)
    assert say(room, (b"offline", ANN)) == [("broadcast", b"192.0.2.1--40001#offline", (ANN, BOB))]
    assert say(room, (b"hi", BOB)) == [("broadcast", b"2001:db8::2--40002#hi", (BOB,))]
    assert say(room, (b"offline", BOB)) == [("broadcast", b"2001:db8::2--40002#offline", (BOB,))]
    assert online(room) == []
    assert journal[2:] == [("offline", "192.0.2.1--40001", "said"), ("offline", "2001:db8::2--40002", "said")]


def test_a_leaver_is_a_stranger_again_and_may_come_back(room: ChatRoom) -> None:
    come_online(room, ANN)
    say(room, (b"offline", ANN))
    assert say(room, (b"offline", ANN)) == [("send", PROMPT, ANN)]
    assert say(room, (b"online", ANN)) == [("broadcast", b"192.0.2.1--40001#online", (ANN,))]


def test_coming_online_again_announces_nothing(room: ChatRoom, journal: Journal) -> None:
    come_online(room, ANN)
    assert say(room, (b"online", ANN), (b"online\n", ANN), now=5.0) == []
    assert len(online(room)) == len(journal) == 1


def test_one_batch_may_hold_a_whole_life(room: ChatRoom) -> None:
    come_online(room, BOB)
    assert say(room, (b"online", ANN), (b"hi", ANN), (b"", ANN), (b"offline", ANN), (b"hi", ANN)) == [
        ("broadcast", b"192.0.2.1--40001#online", (ANN, BOB)),
        ("broadcast", b"192.0.2.1--40001#hi", (ANN, BOB)),
        ("broadcast", b"192.0.2.1--40001#offline", (ANN, BOB)),
        ("send", PROMPT, ANN),
    ]


@pytest.mark.parametrize(
    "payload", [b"online", b"online ", b"online\r\n", b"online\0\xff#\x7f".ljust(32, b"\0")]
)
def test_the_word_online_may_end_as_clients_end_it(room: ChatRoom, payload: bytes) -> None:
    assert say(room, (payload, ANN)) == [("broadcast", b"192.0.2.1--40001#online", (ANN,))]
    assert say(room, (payload.replace(b"online", b"offline"), ANN)) == [
        ("broadcast", b"192.0.2.1--40001#offline", (ANN,))
    ]


@pytest.mark.parametrize(
    "text",
    [
        b"Online",
        b"ONLINE",
        b" online",
        b"online!",
        b"online now",
        b"offline",
        b"online 0123456789abcde",
        b"online 0123456789ABCDEF",
        b"online  0123456789abcdef",
        b"online 0123456789abcdef0",
        b"0123456789abcdef",
    ],
)
def test_nothing_else_means_online(room: ChatRoom, text: bytes) -> None:
    assert say(room, (text, ANN)) == [("send", PROMPT, ANN)]
    assert online(room) == []


@pytest.mark.parametrize("text", [b"Offline", b" offline", b"offline?", b"Online"])
def test_nothing_else_means_offline(room: ChatRoom, text: bytes) -> None:
    come_online(room, ANN)
    assert say(room, (text, ANN)) == [("broadcast", line(ANN, text), (ANN,))]
    assert len(online(room)) == 1


def test_the_stack_of_a_tutorial_client_is_not_passed_on(room: ChatRoom) -> None:
    come_online(room, ANN)
    assert say(room, (b"hi\0\x1b[2J\xff".ljust(32, b"x"), ANN)) == [
        ("broadcast", b"192.0.2.1--40001#hi", (ANN,))
    ]


@pytest.mark.parametrize("payload", [b"", b"\n", b"\r\n", b"  ", b"\0online"])
def test_an_empty_text_gets_no_answer_from_anybody(room: ChatRoom, payload: bytes) -> None:
    come_online(room, ANN)
    assert say(room, (payload, ANN), (payload, BOB), now=1.0) == []
    assert room.dropped == {"empty": 2}
    assert room.next_deadline() == 120.0


# Refusals.


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"x" * 1025, b"longer than 1024 bytes"),
        ("苹".encode() * 342, b"longer than 1024 bytes"),
        (b"\xff" * 1025, b"longer than 1024 bytes"),
        (b"\xff", b"not UTF-8"),
        ("苹果".encode("gbk"), b"not UTF-8"),
        (b"two\nlines", b"control character U+000A"),
        (b"a\tb", b"control character U+0009"),
        (b"\x1b[2J", b"control character U+001B"),
        (b"\x7f", b"control character U+007F"),
        (b"\xc2\x9b2J", b"control character U+009B"),
        ("\u202egnp.exe".encode(), b"control character U+202E"),
        ("\u2067".encode(), b"control character U+2067"),
    ],
)
def test_what_others_must_not_see_is_refused_to_its_sender_only(
    room: ChatRoom, text: bytes, reason: bytes
) -> None:
    come_online(room, ANN, BOB)
    assert say(room, (text, ANN)) == [("send", b"message refused: " + reason, ANN)]
    assert room.counters == {"messages": 0, "refused": 1}


def test_the_longest_message_is_passed_on(room: ChatRoom) -> None:
    come_online(room, ANN)
    assert say(room, (b"x" * 1024 + b"\r\n", ANN)) == [("broadcast", line(ANN, b"x" * 1024), (ANN,))]


def test_a_full_room_refuses_newcomers_and_no_member(room: ChatRoom, journal: Journal) -> None:
    room.configure(Terms(max_members=1))
    come_online(room, ANN)
    assert say(room, (b"online", BOB), (b"online", ANN), (b"hi", ANN)) == [
        ("send", FULL, BOB),
        ("broadcast", b"192.0.2.1--40001#hi", (ANN,)),
    ]
    assert (room.counters["refused"], journal) == (1, [("online", "192.0.2.1--40001")])
    say(room, (b"offline", ANN))
    assert say(room, (b"online", BOB)) == [("broadcast", b"2001:db8::2--40002#online", (BOB,))]


def test_new_limits_hold_at_once_and_put_nobody_out(room: ChatRoom) -> None:
    come_online(room, ANN, BOB)
    room.configure(Terms(idle_timeout=30.0, max_members=1, max_message=2))
    assert len(online(room)) == 2
    assert room.next_deadline() == 30.0
    assert say(room, (b"abc", ANN), (b"ab", ANN), (b"online", CAT)) == [
        ("send", b"message refused: longer than 2 bytes", ANN),
        ("broadcast", line(ANN, b"ab"), (ANN, BOB)),
        ("send", FULL, CAT),
    ]


# Proving an address.


def trusting_ann(address: str) -> bool:
    return address.removeprefix("::ffff:") == ANN[0]


@pytest.fixture
def careful(room: ChatRoom) -> ChatRoom:
    """A room that asks everybody but Ann for a cookie."""
    room.configure(Terms(join="auto", trusts=trusting_ann))
    return room


def test_a_challenge_is_the_word_and_16_hexadecimal_digits(careful: ChatRoom) -> None:
    [(verb, text, peer)] = say(careful, (b"online", BOB))
    assert (verb, peer) == ("send", BOB)
    assert re.fullmatch(b"challenge [0-9a-f]{16}", text)


def test_with_auto_the_trusted_join_at_once_and_the_others_with_their_cookie(
    careful: ChatRoom, journal: Journal
) -> None:
    assert say(careful, (b"online", ANN)) == [("broadcast", line(ANN, b"online"), (ANN,))]
    assert say(careful, (b"online", BOB)) == [challenge(BOB)]
    assert (online(careful), journal) == ([name_of(ANN)], [("online", name_of(ANN))])
    assert say(careful, (b"online " + cookie_of(BOB, 0.0) + b"\r\n", BOB), now=1.0) == [
        ("broadcast", line(BOB, b"online"), (ANN, BOB))
    ]
    assert journal[1:] == [("online", name_of(BOB))]
    assert careful.counters["refused"] == 0


def test_with_cookie_the_trusted_prove_their_address_as_well(room: ChatRoom) -> None:
    room.configure(Terms(join="cookie"))
    assert say(room, (b"online", ANN), (b"online " + cookie_of(ANN, 0.0), ANN)) == [
        challenge(ANN),
        ("broadcast", line(ANN, b"online"), (ANN,)),
    ]


def test_an_open_room_asks_nobody_and_takes_any_cookie(room: ChatRoom) -> None:
    room.configure(Terms(join="open", trusts=lambda address: False))
    assert say(room, (b"online", ANN), (b"online 0123456789abcdef", BOB)) == [
        ("broadcast", line(ANN, b"online"), (ANN,)),
        ("broadcast", line(BOB, b"online"), (ANN, BOB)),
    ]


def test_whom_to_trust_is_asked_by_address(room: ChatRoom) -> None:
    asked: list[str] = []

    def trusts(address: str) -> bool:
        asked.append(address)
        return False

    room.configure(Terms(join="auto", trusts=trusts))
    assert say(room, (b"online", ANN), (b"online", CAT)) == [challenge(ANN), challenge(CAT)]
    assert asked == [ANN[0], CAT[0]]


def test_a_wrong_cookie_is_answered_with_the_right_one(careful: ChatRoom, journal: Journal) -> None:
    neighbour = (BOB[0], BOB[1] + 1)
    moved = ("2001:db8::3", BOB[1])
    for wrong in (b"0" * 16, cookie_of(ANN, 0.0), cookie_of(neighbour, 0.0), cookie_of(moved, 0.0)):
        assert say(careful, (b"online " + wrong, BOB)) == [challenge(BOB)]
    assert journal == []


@pytest.mark.parametrize(
    ("given_at", "said_at", "good"),
    [(0.0, 59.9, True), (0.0, 119.9, True), (0.0, 120.0, False), (59.9, 119.9, True), (59.9, 120.0, False)],
)
def test_a_cookie_is_good_for_60_to_120_seconds(
    careful: ChatRoom, given_at: float, said_at: float, good: bool
) -> None:
    [(_, text, _)] = say(careful, (b"online", BOB), now=given_at)
    heard = say(careful, (text.replace(b"challenge", b"online"), BOB), now=said_at)
    assert heard == [("broadcast", line(BOB, b"online"), (BOB,)) if good else challenge(BOB, said_at)]


def test_a_member_that_repeats_its_cookie_is_refreshed_and_says_nothing(
    careful: ChatRoom, journal: Journal
) -> None:
    joining = b"online " + cookie_of(BOB, 0.0)
    come_online(careful, ANN)
    say(careful, (joining, BOB))
    assert say(careful, (joining, BOB), (joining + b"\n", BOB), (b"online", BOB), now=100.0) == []
    assert (careful.presence[BOB].last_seen, careful.counters["messages"], len(journal)) == (100.0, 0, 2)


def test_what_merely_looks_like_a_cookie_is_a_message(careful: ChatRoom) -> None:
    say(careful, (b"online " + cookie_of(BOB, 0.0), BOB))
    for text in (b"online " + cookie_of(ANN, 0.0), cookie_of(BOB, 0.0), b"online now"):
        assert say(careful, (text, BOB)) == [("broadcast", line(BOB, text), (BOB,))]


def test_a_stranger_is_prompted_and_not_challenged(careful: ChatRoom) -> None:
    assert say(careful, (b"hi", BOB), (b"online now", BOB)) == [("send", PROMPT, BOB)]
    assert say(careful, (b"offline", CAT)) == [("send", PROMPT, CAT)]


def test_a_leaver_proves_its_address_again(careful: ChatRoom) -> None:
    say(careful, (b"online " + cookie_of(BOB, 0.0), BOB), (b"offline", BOB))
    assert say(careful, (b"online", BOB)) == [challenge(BOB)]


def test_a_full_room_is_no_secret_to_who_has_a_cookie_only(careful: ChatRoom) -> None:
    careful.configure(Terms(join="cookie", max_members=0))
    assert say(careful, (b"online", BOB), (b"online " + cookie_of(BOB, 0.0), BOB)) == [
        challenge(BOB),
        ("send", FULL, BOB),
    ]


# Many from one address.


@pytest.mark.parametrize(
    ("first", "second", "third", "elsewhere"),
    [
        (("192.0.2.1", 1), ("192.0.2.1", 2), ("::ffff:192.0.2.1", 3), ("192.0.2.2", 3)),
        (("2001:db8::1", 1), ("2001:db8::2", 1), ("2001:db8::ffff:0:0:3", 1), ("2001:db8:0:1::1", 1)),
    ],
)
def test_an_ipv4_address_or_an_ipv6_network_of_64_bits_has_so_many_members(
    room: ChatRoom, journal: Journal, first: Peer, second: Peer, third: Peer, elsewhere: Peer
) -> None:
    room.configure(Terms(max_members_per_source=2))
    come_online(room, first, second)
    assert say(room, (b"online", third)) == [("send", CROWDED, third)]
    assert (room.counters["refused"], len(journal)) == (1, 2)
    assert say(room, (b"online", first), (b"online", elsewhere)) == [
        ("broadcast", line(elsewhere, b"online"), tuple(sorted((first, second, elsewhere), key=str)))
    ]
    say(room, (b"offline", second))
    come_online(room, third)
    assert name_of(third) in online(room)
    assert say(room, (b"online", second)) == [("send", CROWDED, second)]


def test_whose_lease_has_ended_makes_room_for_another_of_its_address(room: ChatRoom, out: Recorder) -> None:
    room.configure(Terms(max_members_per_source=1))
    neighbour = (ANN[0], ANN[1] + 1)
    come_online(room, ANN)
    assert say(room, (b"online", neighbour), now=119.0) == [("send", CROWDED, neighbour)]
    room.deadline_reached(120.0, out)
    come_online(room, neighbour, now=120.0)
    assert online(room) == [name_of(neighbour)]


def test_who_is_back_after_a_restart_counts_for_its_address(room: ChatRoom) -> None:
    room.configure(Terms(max_members_per_source=1))
    neighbour = (ANN[0], ANN[1] + 1)
    room.restore(ANN, 0.0, 0.0)
    assert say(room, (b"online", neighbour)) == [("send", CROWDED, neighbour)]
    say(room, (b"offline", ANN))
    come_online(room, neighbour)
    assert online(room) == [name_of(neighbour)]


def test_one_site_does_not_take_all_places(room: ChatRoom) -> None:
    """An IPv6 /48 is one customer, with 65,536 networks of 64 bits."""
    room.configure(Terms(max_members=40, max_members_per_source=2))
    site = [(f"2001:db8:1:{number:x}::1", 5000) for number in range(40)]
    come_online(room, *site)
    assert room.size == 10
    assert say(room, (b"online", site[20])) == [("send", CROWDED, site[20])]
    come_online(room, ANN, ("2001:db8:2::1", 5000))
    assert room.size == 12


# One person, whatever address of ours is spoken to.


class Doors:
    """Peers that also say which of our addresses was asked."""

    def __init__(self, journal: Journal) -> None:
        self.room = ChatRoom(
            address_of=lambda peer: address_of(cast(tuple[Peer, str], peer)[0]),
            on_online=journal.came,
            on_offline=journal.went,
            secret=SECRET,
        )


def test_a_member_that_speaks_to_another_address_of_ours_is_the_same_member(journal: Journal) -> None:
    room = Doors(journal).room
    front, back, bob = (ANN, "front"), (ANN, "back"), (BOB, "front")
    come_online(room, front, bob)
    assert say(room, (b"online", back)) == []
    assert say(room, (b"hi", back)) == [("broadcast", line(ANN, b"hi"), (back, bob))]
    assert say(room, (b"hi", front)) == [("broadcast", line(ANN, b"hi"), (front, bob))]
    assert (room.size, len(journal)) == (2, 2)
    assert say(room, (b"offline", back)) == [("broadcast", line(ANN, b"offline"), (back, bob))]
    assert say(room, (b"hi", front)) == [("send", PROMPT, front)]


def test_the_same_address_in_another_mapping_is_the_same_member(room: ChatRoom) -> None:
    mapped = ("::ffff:192.0.2.1", ANN[1])
    come_online(room, ANN)
    assert say(room, (b"hi", mapped)) == [("broadcast", line(ANN, b"hi"), (mapped,))]


def test_one_link_local_address_on_two_links_is_two_members(room: ChatRoom, out: Recorder) -> None:
    here, there = ("fe80::2%2", 5555), ("fe80::2%3", 5555)
    assert say(room, (b"online", here), (b"online", there)) == [
        ("broadcast", b"fe80::2--5555#online", (here,)),
        ("broadcast", b"fe80::2--5555#online", (here, there)),
    ]
    assert room.is_member(here)
    assert not room.is_member(("fe80::2%4", 5555))
    room.unreachable([here], 0.0, out)
    assert out == [("broadcast", b"fe80::2--5555#offline", (there,))]
    assert say(room, (b"hi", there)) == [("broadcast", b"fe80::2--5555#hi", (there,))]


# How much one may say.

TOO_MUCH = b"message refused: more than 10 messages a second"


@pytest.fixture
def limited(room: ChatRoom) -> ChatRoom:
    """A room with a rate, which trusts Ann alone."""
    room.configure(Terms(rate=10.0, trusts=trusting_ann))
    come_online(room, ANN, BOB, now=0.0)
    return room


def spoken(room: ChatRoom, peer: Peer, count: int, now: float) -> tuple[int, int]:
    """Return how many of so many messages are sent to all, and how many are answered with a refusal."""
    heard = say(room, *[(b"hi", peer)] * count, now=now)
    return sum(verb == "broadcast" for verb, _, _ in heard), heard.count(("send", TOO_MUCH, peer))


def test_a_member_over_its_rate_is_told_so_once_a_second_and_heard_no_more(limited: ChatRoom) -> None:
    assert spoken(limited, BOB, 4000, now=10.0) == (20, 1)
    assert spoken(limited, BOB, 4000, now=10.5) == (5, 0)
    assert spoken(limited, BOB, 4000, now=11.0) == (5, 1)
    assert limited.dropped == {"member-rate": 12000 - 30}
    assert (limited.counters["messages"], limited.counters["refused"]) == (30, 2)


def test_a_member_from_a_trusted_network_may_say_a_hundred_times_as_much(limited: ChatRoom) -> None:
    assert spoken(limited, ANN, 4000, now=10.0) == (2000, 0)
    assert limited.dropped == {"member-rate": 2000}


def test_a_member_over_its_rate_stays_online_and_may_leave(limited: ChatRoom) -> None:
    spoken(limited, BOB, 100, now=10.0)
    assert limited.presence[BOB].last_seen == 10.0
    assert say(limited, (b"online", BOB), now=10.0) == []
    assert say(limited, (b"offline", BOB), now=10.0) == [("broadcast", line(BOB, b"offline"), (ANN, BOB))]


def test_coming_and_going_counts_as_well(limited: ChatRoom) -> None:
    heard = say(limited, *[(b"offline", BOB), (b"online", BOB)] * 1000, now=10.0)
    arrivals = [copy for copy in heard if copy[1].endswith(b"#online")]
    assert len(arrivals) == 20
    assert heard.count(("send", TOO_MUCH, BOB)) == 1


def test_with_a_rate_of_0_nobody_is_limited(limited: ChatRoom) -> None:
    limited.configure(Terms(rate=0.0, trusts=trusting_ann))
    assert spoken(limited, BOB, 4000, now=10.0) == (4000, 0)


# Strangers.


def test_a_stranger_is_told_to_come_online_first(room: ChatRoom) -> None:
    come_online(room, ANN)
    assert len(PROMPT) == 46
    assert say(room, (b"hi", BOB)) == [("send", PROMPT, BOB)]
    assert room.counters["messages"] == 0


def test_a_stranger_is_told_once_in_five_seconds(room: ChatRoom) -> None:
    prompt_ann, prompt_bob = ("send", PROMPT, ANN), ("send", PROMPT, BOB)
    assert say(room, (b"hi", ANN), (b"hi", ANN), (b"hi", BOB), now=10.0) == [prompt_ann, prompt_bob]
    assert say(room, (b"hi", ANN), now=14.9) == []
    assert say(room, (b"hi", ANN), now=15.0) == [prompt_ann]
    assert say(room, (b"hi", ANN), (b"hi", BOB), now=16.0) == [prompt_bob]
    assert room.dropped == {"not-online": 3}


def test_a_visit_in_between_brings_no_second_prompt(room: ChatRoom) -> None:
    assert say(room, (b"hi", ANN), now=0.0) == [("send", PROMPT, ANN)]
    say(room, (b"online", ANN), (b"offline", ANN), now=1.0)
    assert say(room, (b"hi", ANN), now=2.0) == []
    assert say(room, (b"hi", ANN), now=5.0) == [("send", PROMPT, ANN)]


def test_two_rooms_that_are_members_of_each_other_fall_silent() -> None:
    rooms = {
        number: ChatRoom(
            address_of=lambda peer: ("192.0.2.1", 9000 + cast(int, peer)),
            on_online=lambda name: None,
            on_offline=lambda name, reason: None,
            secret=SECRET,
        )
        for number in (1, 2)
    }
    network = [(1, b"online", 2), (2, b"online", 1)]  # two forged datagrams: to, text, from
    for turn in range(1000):
        to, text, sender = network.pop(0)
        out = Recorder()
        rooms[to].datagrams_received([(text, sender)], turn * 0.001, out)
        for verb, payload, peers in out:
            heard_by = (peers,) if verb == "send" else peers
            assert isinstance(heard_by, tuple)
            network += [(peer, payload, to) for peer in heard_by]
        if not network:
            return
    pytest.fail(f"they still talk: {network}")


@pytest.mark.parametrize("text", [PROMPT, FULL, b"message refused: not UTF-8", b"message refused: x\n\0y"])
def test_another_rooms_error_texts_get_no_prompt(room: ChatRoom, text: bytes) -> None:
    assert say(room, (text, ANN)) == []
    assert room.dropped == {"error-text": 1}
    assert say(room, (b"hi", ANN)) == [("send", PROMPT, ANN)]


def test_only_so_many_strangers_are_remembered_and_the_earliest_prompted_is_forgotten(room: ChatRoom) -> None:
    crowd = [("192.0.2.99", port) for port in range(MAX_PROMPTED)]
    assert len(say(room, *((b"hi", peer) for peer in crowd), now=0.0)) == MAX_PROMPTED
    assert say(room, *((b"hi", peer) for peer in crowd), now=1.0) == []
    assert say(room, (b"hi", crowd[1]), now=5.0) == [("send", PROMPT, crowd[1])]
    assert say(room, (b"hi", ANN), now=5.0) == [("send", PROMPT, ANN)]
    assert say(room, (b"hi", BOB), now=5.0) == [("send", PROMPT, BOB)]
    assert say(room, (b"hi", crowd[1]), (b"hi", ANN), (b"hi", BOB), now=6.0) == []


def test_a_forgotten_stranger_is_told_anew(room: ChatRoom) -> None:
    crowd = [("192.0.2.99", port) for port in range(MAX_PROMPTED + 1)]
    assert len(say(room, *((b"hi", peer) for peer in crowd))) == MAX_PROMPTED + 1
    assert say(room, (b"hi", crowd[1]), (b"hi", crowd[-1])) == []
    assert say(room, (b"hi", crowd[0])) == [("send", PROMPT, crowd[0])]


# Silence.


def test_a_silent_member_is_dropped_after_the_idle_limit(
    room: ChatRoom, journal: Journal, out: Recorder
) -> None:
    come_online(room, ANN, now=1.0)
    assert room.next_deadline() == 121.0
    room.deadline_reached(120.9, out)
    assert out == []
    room.deadline_reached(121.0, out)
    assert out == [("broadcast", b"192.0.2.1--40001#offline", (ANN,))]
    assert journal == [("online", "192.0.2.1--40001"), ("offline", "192.0.2.1--40001", "idle")]
    assert room.next_deadline() is None


@pytest.mark.parametrize("sign_of_life", [b"hi", b"online", b"\xff", b"x" * 2000])
def test_whatever_a_member_says_renews_its_lease(room: ChatRoom, sign_of_life: bytes) -> None:
    come_online(room, ANN, now=0.0)
    say(room, (sign_of_life, ANN), now=100.0)
    assert room.next_deadline() == 220.0


def test_a_member_that_speaks_up_before_a_late_timer_stays(
    room: ChatRoom, journal: Journal, out: Recorder
) -> None:
    come_online(room, ANN, now=0.0)
    assert say(room, (b"hi", ANN), now=120.5) == [("broadcast", line(ANN, b"hi"), (ANN,))]
    room.deadline_reached(120.5, out)
    assert (out, room.next_deadline(), len(journal)) == ([], 240.5, 1)


def test_members_expire_in_the_order_of_their_silence(
    room: ChatRoom, journal: Journal, out: Recorder
) -> None:
    come_online(room, ANN, BOB, CAT, now=0.0)
    say(room, (b"hi", ANN), now=10.0)
    say(room, (b"online", BOB), now=20.0)
    assert online(room) == [name_of(peer) for peer in (CAT, ANN, BOB)]
    room.deadline_reached(130.0, out)
    assert out == [
        ("broadcast", line(CAT, b"offline"), (ANN, BOB, CAT)),
        ("broadcast", line(ANN, b"offline"), (ANN, BOB)),
    ]
    assert journal[3:] == [("offline", name_of(CAT), "idle"), ("offline", name_of(ANN), "idle")]
    assert (online(room), room.next_deadline()) == ([name_of(BOB)], 140.0)


# Hosts that say that nobody is there.


def test_whose_port_is_refused_goes_offline_and_the_others_hear_it(
    room: ChatRoom, journal: Journal, out: Recorder
) -> None:
    come_online(room, ANN, BOB, CAT)
    room.unreachable([("::ffff:198.51.100.3", 40003)], 0.0, out)
    assert out == [("broadcast", b"198.51.100.3--40003#offline", (ANN, BOB))]
    assert journal[3:] == [("offline", "198.51.100.3--40003", "unreachable")]


def test_of_many_that_are_gone_none_is_told_of_another(room: ChatRoom, out: Recorder) -> None:
    come_online(room, *PEOPLE)
    room.unreachable([address_of(ANN), address_of(CAT), address_of(BOB)], 0.0, out)
    assert out == [("broadcast", line(peer, b"offline"), (DAN,)) for peer in (ANN, CAT, BOB)]


def crowd_of(room: ChatRoom, count: int, now: float = 0.0) -> list[Peer]:
    """Let so many members in."""
    crowd: list[Peer] = [(f"198.51.{number >> 8}.{number & 255}", 5000) for number in range(count)]
    come_online(room, *crowd, now=now)
    return crowd


def copies(heard: list[tuple[str, bytes, object]]) -> int:
    """Return the number of datagrams sent."""
    return sum(len(cast(tuple[Peer, ...], peers)) for _, _, peers in heard)


def test_however_many_are_unreachable_one_call_tells_of_so_many_and_the_rest_is_due(
    room: ChatRoom, journal: Journal, out: Recorder
) -> None:
    crowd = crowd_of(room, 400)
    gone, staying = crowd[:300], crowd[300:]
    room.unreachable([address_of(peer) for peer in gone], 0.0, out)
    assert room.size == len(staying)
    told, calls = out.take(), 1
    while (deadline := room.next_deadline()) is not None and deadline <= 1.0:
        room.deadline_reached(1.0, out)
        assert copies(list(out)) <= DEPARTURE_COPIES
        told += out.take()
        calls += 1
    assert calls > 50
    assert told == [("broadcast", line(peer, b"offline"), tuple(sorted(staying, key=str))) for peer in gone]
    assert len(journal) == 400 + 300


def test_who_comes_back_before_its_departure_was_told_is_online_for_the_others(
    room: ChatRoom, out: Recorder
) -> None:
    crowd = crowd_of(room, 400)
    room.unreachable([address_of(peer) for peer in crowd[:300]], 0.0, out)
    back = crowd[299]
    texts = [text for _, text, _ in say(room, (b"online", back), now=1.0)]
    assert texts == [line(back, b"offline"), line(back, b"online")]
    out.clear()
    while (deadline := room.next_deadline()) is not None and deadline <= 1.0:
        room.deadline_reached(1.0, out)
    assert line(back, b"offline") not in [text for _, text, _ in out]
    assert back in room.presence


def test_when_a_whole_room_falls_silent_each_member_hears_of_its_own_departure(
    room: ChatRoom, journal: Journal, out: Recorder
) -> None:
    crowd = crowd_of(room, 4096)
    calls = 0
    while room.next_deadline() is not None:
        before = len(out)
        room.deadline_reached(120.0, out)
        assert copies(list(out)[before:]) <= DEPARTURE_COPIES
        calls += 1
    assert calls >= 4096 // DEPARTURE_COPIES
    own = [("broadcast", line(peer, b"offline"), (peer,)) for peer in crowd]
    assert out[: len(own) - FEW] == own[: len(own) - FEW]
    assert len(out) == 4096
    assert journal[4096:] == [("offline", name_of(peer), "idle") for peer in crowd]


def test_when_half_a_room_falls_silent_the_other_half_hears_of_all(room: ChatRoom, out: Recorder) -> None:
    crowd = crowd_of(room, 400)
    say(room, *((b"online", peer) for peer in crowd[200:]), now=60.0)
    hears_all = {peer: 0 for peer in crowd}
    while (room.next_deadline() or 0.0) <= 120.0:
        room.deadline_reached(120.0, out)
        assert copies(list(out)) <= max(DEPARTURE_COPIES, FEW * 400)
        for _, _, peers in out.take():
            for peer in cast(tuple[Peer, ...], peers):
                hears_all[peer] += 1
    assert {hears_all[peer] for peer in crowd[200:]} == {200}
    assert {hears_all[peer] for peer in crowd[:184]} == {1}


def test_who_speaks_before_its_departure_is_told_stays(room: ChatRoom, out: Recorder) -> None:
    crowd = crowd_of(room, 4096)
    room.deadline_reached(120.0, out)
    last = crowd[-1]
    assert say(room, (b"online", last), now=120.0) == []
    while (room.next_deadline() or 0.0) <= 120.0:
        room.deadline_reached(120.0, out)
    assert online(room) == [name_of(last)]


def test_a_refusal_concerns_members_alone(room: ChatRoom, journal: Journal, out: Recorder) -> None:
    come_online(room, ANN)
    room.unreachable([address_of(BOB), (ANN[0], ANN[1] + 1)], 0.0, out)
    assert (out, len(journal)) == ([], 1)


def test_who_was_unreachable_may_come_back_and_makes_room_meanwhile(room: ChatRoom, out: Recorder) -> None:
    room.configure(Terms(max_members=1, max_members_per_source=1))
    come_online(room, ANN)
    room.unreachable([address_of(ANN)], 0.0, out)
    assert room.next_deadline() is None
    assert say(room, (b"online", ANN)) == [("broadcast", line(ANN, b"online"), (ANN,))]


def test_an_empty_room_waits_for_nothing(room: ChatRoom, out: Recorder) -> None:
    assert room.next_deadline() is None
    room.deadline_reached(1e9, out)
    assert out == []


def test_with_an_idle_limit_of_0_nobody_ever_expires(room: ChatRoom, out: Recorder) -> None:
    room.configure(Terms(idle_timeout=0.0))
    come_online(room, ANN)
    room.deadline_reached(1e9, out)
    assert (room.next_deadline(), out, len(online(room))) == (None, [], 1)


# Over a restart.


def test_a_member_that_is_restored_is_online_and_nobody_is_told(room: ChatRoom, journal: Journal) -> None:
    room.restore(BOB, -500.0, -20.0)
    assert dict(room.presence) == {BOB: MemberInfo("2001:db8::2--40002", -500.0, -20.0)}
    assert (room.size, journal) == (1, [])
    assert say(room, (b"online", BOB), (b"hi", BOB)) == [("broadcast", line(BOB, b"hi"), (BOB,))]
    assert room.presence[BOB] == MemberInfo("2001:db8::2--40002", -500.0, 0.0)


def test_a_restored_members_lease_goes_on(room: ChatRoom, journal: Journal, out: Recorder) -> None:
    room.restore(BOB, -500.0, -20.0)
    assert room.next_deadline() == 100.0
    room.deadline_reached(100.0, out)
    assert out == [("broadcast", line(BOB, b"offline"), (BOB,))]
    assert journal == [("offline", "2001:db8::2--40002", "idle")]


def test_a_lease_that_has_ended_during_the_restart_ends_now(room: ChatRoom, out: Recorder) -> None:
    room.restore(ANN, -500.0, -130.0)
    room.restore(BOB, -500.0, -20.0)
    assert room.next_deadline() == -10.0
    room.deadline_reached(0.0, out)
    assert out == [("broadcast", line(ANN, b"offline"), (ANN, BOB))]
    assert online(room) == ["2001:db8::2--40002"]


def test_members_restored_in_the_order_of_their_silence_stay_in_it(room: ChatRoom) -> None:
    before = make_room(Journal())
    come_online(before, CAT, ANN, BOB)
    say(before, (b"hi", CAT), now=10.0)
    say(before, (b"hi", ANN), now=20.0)
    for peer, (_, since, heard) in before.presence.items():
        room.restore(peer, since, heard)
    assert list(room.presence.items()) == list(before.presence.items())
    assert online(room) == [name_of(peer) for peer in (BOB, CAT, ANN)]
    assert room.next_deadline() == before.next_deadline() == 120.0
    say(room, (b"hi", BOB), now=30.0)
    assert room.next_deadline() == 130.0


def test_who_was_restored_hears_everybody_and_may_leave(room: ChatRoom, journal: Journal) -> None:
    room.restore(BOB, -500.0, -20.0)
    assert say(room, (b"online", ANN)) == [("broadcast", line(ANN, b"online"), (ANN, BOB))]
    assert say(room, (b"offline", BOB)) == [("broadcast", line(BOB, b"offline"), (ANN, BOB))]
    assert online(room) == ["192.0.2.1--40001"]
    assert journal == [("online", "192.0.2.1--40001"), ("offline", "2001:db8::2--40002", "said")]


# Any interleaving.

texts = st.sampled_from(
    [b"online", b"offline", b"hi", b"online\n", b"Online", b"\xff", b"a\x1bb", b"", b"\0x", PROMPT, FULL]
    + [b"online " + cookie_of(peer, 0.0) for peer in (BOB, CAT)]
)
lives = st.lists(st.tuples(texts | st.binary(max_size=40), st.sampled_from(PEOPLE)), max_size=30)


@settings(deadline=None)
@given(lives)
def test_a_batch_is_heard_as_its_datagrams_one_by_one(batch: list[Datagram]) -> None:
    journals = Journal(), Journal()
    rooms = make_room(journals[0]), make_room(journals[1])
    for room in rooms:
        room.configure(Terms(join="auto", trusts=trusting_ann, max_members=3))
    at_once = say(rooms[0], *batch)
    assert at_once == [heard for datagram in batch for heard in say(rooms[1], datagram)]
    assert journals[0] == journals[1]
    assert online(rooms[0]) == online(rooms[1])


ANNA = ("::ffff:192.0.2.1", 40005)
BILL, BETH = ("2001:db8::b:6", 40006), ("2001:db8::b:7", 40007)
CROWD = tuple(sorted((*PEOPLE, ANNA, BILL, BETH), key=str))
SOURCES: dict[Peer, str] = {ANN: "a", ANNA: "a", BOB: "b", BILL: "b", BETH: "b", CAT: "c", DAN: "d"}


class AnyEvening(RuleBasedStateMachine):
    """People come, talk, fall silent and go in any order; a model of the room predicts what each hears."""

    IDLE, ROOM_FOR, SOURCE_FOR = 60.0, 4, 2

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.journal = Journal()
        self.expected_journal = Journal()
        self.room = make_room(self.journal)
        self.heard: dict[Peer, float] = {}  # when each member was last heard; the most silent come first
        self.prompted: dict[Peer, float] = {}

    @initialize()
    def open(self) -> None:
        terms = Terms(
            join="auto",
            trusts=trusting_ann,
            idle_timeout=self.IDLE,
            max_members=self.ROOM_FOR,
            max_members_per_source=self.SOURCE_FOR,
            max_message=8,
        )
        self.room.configure(terms)

    def hears(self, text: bytes, peer: Peer) -> list[tuple[str, bytes, object]]:
        return say(self.room, (text, peer), now=self.now)

    def renews(self, peer: Peer) -> None:
        """Note a sign of life."""
        self.heard.pop(peer, None)
        self.heard[peer] = self.now

    def announcement(self, peer: Peer, text: bytes) -> tuple[str, bytes, object]:
        """The one line that each member of this moment hears once."""
        return ("broadcast", line(peer, text), tuple(person for person in CROWD if person in self.heard))

    def prompts(self, peer: Peer) -> list[tuple[str, bytes, object]]:
        """Return the answer to a stranger: the prompt, or nothing for five seconds after one."""
        if self.now - self.prompted.get(peer, 0.0) < 5.0:
            return []
        self.prompted[peer] = self.now
        return [("send", PROMPT, peer)]

    def joins(self, peer: Peer) -> list[tuple[str, bytes, object]]:
        """Return the datagrams that follow when a newcomer with a proved address joins."""
        if len(self.heard) == self.ROOM_FOR:
            return [("send", FULL, peer)]
        if sum(SOURCES[person] == SOURCES[peer] for person in self.heard) == self.SOURCE_FOR:
            return [("send", CROWDED, peer)]
        self.renews(peer)
        self.expected_journal.came(name_of(peer))
        return [self.announcement(peer, b"online")]

    @rule(peer=st.sampled_from(CROWD))
    def comes_online(self, peer: Peer) -> None:
        expected: list[tuple[str, bytes, object]] = []
        if peer in self.heard:
            self.renews(peer)
        elif peer in (ANN, ANNA):
            expected = self.joins(peer)
        else:
            expected = [challenge(peer, self.now)]
        assert self.hears(b"online", peer) == expected

    @rule(peer=st.sampled_from(CROWD), age=st.sampled_from([0.0, 59.0, 130.0]))
    def proves_its_address(self, peer: Peer, age: float) -> None:
        given = self.now - age
        good = self.now // 60 - given // 60 <= 1
        joining = b"online " + cookie_of(peer, given)
        expected: list[tuple[str, bytes, object]] = []
        if peer in self.heard:
            self.renews(peer)
            if not good:  # a message, and one that is longer than allowed
                expected = [("send", b"message refused: longer than 8 bytes", peer)]
        elif good or peer in (ANN, ANNA):
            expected = self.joins(peer)
        else:
            expected = [challenge(peer, self.now)]
        assert self.hears(joining, peer) == expected

    @rule(peer=st.sampled_from(CROWD))
    def goes_offline(self, peer: Peer) -> None:
        if peer in self.heard:
            expected = [self.announcement(peer, b"offline")]
            self.expected_journal.went(name_of(peer), "said")
            del self.heard[peer]
        else:
            expected = self.prompts(peer)
        assert self.hears(b"offline", peer) == expected

    @rule(peer=st.sampled_from(CROWD), text=st.sampled_from([b"hi", "你好".encode(), b"Online", b"offline!"]))
    def talks(self, peer: Peer, text: bytes) -> None:
        if peer in self.heard:
            self.renews(peer)
            expected = [self.announcement(peer, text)]
        else:
            expected = self.prompts(peer)
        assert self.hears(text, peer) == expected

    @rule(
        peer=st.sampled_from(CROWD),
        bad=st.sampled_from(
            [
                (b"123456789", b"longer than 8 bytes"),
                (b"\xff", b"not UTF-8"),
                (b"\x1b", b"control character U+001B"),
            ]
        ),
    )
    def says_what_is_refused(self, peer: Peer, bad: tuple[bytes, bytes]) -> None:
        text, reason = bad
        if peer in self.heard:
            self.renews(peer)
            expected: list[tuple[str, bytes, object]] = [("send", b"message refused: " + reason, peer)]
        else:
            expected = self.prompts(peer)
        assert self.hears(text, peer) == expected

    @rule(peer=st.sampled_from(CROWD))
    def is_unreachable(self, peer: Peer) -> None:
        expected = []
        if self.heard.pop(peer, None) is not None:
            expected = [self.announcement(peer, b"offline")]
            self.expected_journal.went(name_of(peer), "unreachable")
        out = Recorder()
        self.room.unreachable([address_of(peer)], 0.0, out)
        assert out == expected

    @rule(seconds=st.sampled_from([0.5, 2.5, 5.0, 25.0, 59.5, 60.0, 90.0]))
    def silence(self, seconds: float) -> None:
        self.now += seconds
        expected = []
        for peer, heard in list(self.heard.items()):
            if heard + self.IDLE <= self.now:
                expected.append(self.announcement(peer, b"offline"))
                self.expected_journal.went(name_of(peer), "idle")
                del self.heard[peer]
        out = Recorder()
        self.room.deadline_reached(self.now, out)
        assert out == expected

    @invariant()
    def membership_is_the_models(self) -> None:
        assert sorted(online(self.room)) == sorted(map(name_of, self.heard))

    @invariant()
    def the_next_deadline_is_that_of_the_most_silent(self) -> None:
        deadlines = [heard + self.IDLE for heard in self.heard.values()]
        assert self.room.next_deadline() == min(deadlines, default=None)

    @invariant()
    def every_coming_and_going_is_logged_once(self) -> None:
        assert self.journal == self.expected_journal


TestAnyEvening = AnyEvening.TestCase
TestAnyEvening.settings = settings(deadline=None, stateful_step_count=40)


# History.


def earlier(peer: Peer, age: int, text: bytes) -> bytes:
    """Return a line of the history."""
    return b"said %d s ago: %b" % (age, line(peer, text))


def due(room: ChatRoom, now: float) -> list[tuple[str, bytes, object]]:
    """Return what the room sends when a deadline is reached."""
    out = Recorder()
    room.deadline_reached(now, out)
    return out.take()


def test_who_joins_by_a_cookie_gets_the_history(room: ChatRoom) -> None:
    room.configure(Terms(join="cookie", history=10))
    say(room, (b"online " + cookie_of(ANN, 0.0), ANN))
    say(room, (b"hi", ANN), now=1.0)
    assert room.next_deadline() == 121.0
    say(room, (b"online " + cookie_of(BOB, 0.0), BOB), now=4.0)
    assert room.next_deadline() == 4.0
    assert due(room, 5.0) == [("send", earlier(ANN, 4, b"hi"), BOB)]
    assert say(room, (b"online " + cookie_of(BOB, 0.0), BOB), now=6.0) == []
    due(room, 6.0)
    assert room.next_deadline() == 121.0


def test_who_joined_without_a_cookie_is_asked_for_it_and_then_gets_the_history(room: ChatRoom) -> None:
    room.configure(Terms(join="auto", trusts=lambda address: True, history=10, idle_timeout=0.0))
    assert say(room, (b"online", ANN)) == [("broadcast", line(ANN, b"online"), (ANN,)), challenge(ANN)]
    say(room, (b"hi", ANN), now=1.0)
    assert say(room, (b"online", BOB), now=2.0)[1] == challenge(BOB)
    assert room.next_deadline() is None
    assert say(room, (b"online " + cookie_of(BOB, 2.0), BOB), now=3.0) == []
    assert room.next_deadline() == 3.0
    assert due(room, 3.0) == [("send", earlier(ANN, 2, b"hi"), BOB)]


def test_who_may_have_a_forged_address_is_neither_asked_nor_sent_the_history(room: ChatRoom) -> None:
    room.configure(Terms(join="open", trusts=lambda address: False, history=10))
    come_online(room, ANN)
    say(room, (b"hi", ANN))
    assert say(room, (b"online", BOB)) == [("broadcast", line(BOB, b"online"), (ANN, BOB))]
    assert say(room, (b"online 0123456789abcdef", BOB))[0][0] == "broadcast"  # a message as any other
    assert due(room, 1.0) == []


def test_without_history_nobody_is_asked_and_nothing_is_kept(room: ChatRoom) -> None:
    come_online(room, ANN)
    say(room, (b"hi", ANN))
    assert say(room, (b"online", BOB)) == [("broadcast", line(BOB, b"online"), (ANN, BOB))]
    assert say(room, (b"online " + cookie_of(BOB, 0.0), BOB)) == []
    assert due(room, 1.0) == []
