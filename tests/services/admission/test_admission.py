"""Admission as a dialogue: an echo behind it answers exactly those who may be answered.

At the end stands a small internet, in which services that answer each other must fall silent.
"""

from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from ipaddress import ip_network
from itertools import combinations_with_replacement
from math import inf
from typing import Literal, TypeAlias, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.recorder import Recorder

from netechod.services.admission.admission import (
    IPV4_OVERHEAD,
    IPV6_OVERHEAD,
    MAX_PEERS,
    Admission,
    Rules,
)
from netechod.services.admission.log_throttle import MAX_WARNINGS
from netechod.services.admission.loop_guard import LONGEST_SKIP, MIN_SAMPLES
from netechod.services.admission.networks import Network
from netechod.services.admission.rate_limit import Buckets
from netechod.services.api import Datagram, DatagramService, Outbox, Peer
from netechod.services.chat.room import ChatRoom, Departure
from netechod.services.chat.terms import Terms
from netechod.services.dictionary.service import DictionaryService, MemoryDictionary
from netechod.services.echo import EchoService
from netechod.services.wire import NOT_ONLINE

Address: TypeAlias = tuple[str, int]

ANN = ("192.0.2.1", 40001)
BOB = ("2001:db8::2", 40002)
CAT = ("::ffff:10.0.0.3", 40003)  # trusted, where somebody is
MALLORY = ("203.0.113.9", 40009)  # denied, where somebody is


def networks(*texts: str) -> list[Network]:
    return [ip_network(text) for text in texts]


def address_of(peer: Peer) -> Address:
    """Peers are addresses here."""
    return cast(Address, peer)


RULES = Rules(
    deny=networks("203.0.113.0/24"),
    trusted=networks("10.0.0.0/8"),
    refused_source_ports=[1900, 5353, 11211],
    own_ports={8081, 8082},
)


class Gate:
    """A service behind its admission, and what became of each datagram."""

    def __init__(
        self, rules: Rules = RULES, *, buckets: Buckets | None = None, service: DatagramService | None = None
    ) -> None:
        self.warnings: list[tuple[str, str]] = []
        self.admission = Admission(
            service or EchoService(),
            address_of,
            buckets=buckets,
            on_drop=lambda address, reason: self.warnings.append((address, reason)),
        )
        self.admission.configure(rules)
        self.dropped = self.admission.dropped

    def hears(self, *batch: Datagram, now: float = 0.0) -> list[tuple[str, bytes, object]]:
        """Return the answers to one batch."""
        out = Recorder()
        self.admission.datagrams_received(batch, now, out)
        return out

    def answers(self, payload: bytes, peer: Address, times: int = 1, now: float = 0.0) -> int:
        """Return how many of so many datagrams, one after the other, are answered."""
        return sum(len(self.hears((payload, peer), now=now)) for _ in range(times))

    def drops(self, payload: bytes, peer: Address, times: int) -> list[int]:
        """Which of so many datagrams, counted from 1, get no answer."""
        return [number for number in range(1, times + 1) if not self.hears((payload, peer))]


# Where it comes from.


@pytest.mark.parametrize(
    ("allow", "deny", "expected"),
    [
        ([], [], True),
        ([], ["192.0.2.0/24"], False),
        (["192.0.2.0/24"], [], True),
        (["198.51.100.0/24"], [], False),
        (["192.0.2.0/24"], ["192.0.2.7/32"], False),
        (["0.0.0.0/0"], ["192.0.2.8/32"], True),
        (["::/0"], [], False),
    ],
)
def test_denial_beats_allowance_and_an_empty_allowance_is_everybody(
    allow: list[str], deny: list[str], expected: bool
) -> None:
    rules = Rules(allow=networks(*allow), deny=networks(*deny))
    for address in ("192.0.2.7", "::ffff:192.0.2.7"):
        assert rules.admits(address) is expected
        assert rules.objection(address, 40001) == (None if expected else "network")


def test_nobody_is_trusted_unless_listed() -> None:
    assert not Rules().trusts("127.0.0.1")
    assert RULES.trusts("10.255.0.1")
    assert RULES.trusts("::ffff:10.255.0.1")
    assert not RULES.trusts("11.0.0.1")


@pytest.mark.parametrize(
    ("address", "port", "objection"),
    [
        ("192.0.2.1", 40001, None),
        ("::ffff:192.0.2.1", 40001, None),
        ("2001:db8::1", 1024, None),
        ("fe80::1%eth0", 65535, None),
        ("192.0.2.1", 0, "source-port"),
        ("192.0.2.1", 7, "source-port"),
        ("192.0.2.1", 1023, "source-port"),
        ("192.0.2.1", 1900, "source-port"),
        ("192.0.2.1", 5353, "source-port"),
        ("192.0.2.1", 11211, "source-port"),
        ("10.0.0.1", 1900, "source-port"),
        ("192.0.2.1", 8081, "own-port"),
        ("10.0.0.1", 8082, "own-port"),
        ("224.0.0.1", 40001, "source-address"),
        ("239.255.255.250", 40001, "source-address"),
        ("::ffff:224.0.0.1", 40001, "source-address"),
        ("ff02::1%eth0", 40001, "source-address"),
        ("255.255.255.255", 40001, "source-address"),
        ("::ffff:255.255.255.255", 40001, "source-address"),
        ("0.0.0.0", 40001, "source-address"),
        ("::ffff:0.0.0.0", 40001, "source-address"),
        ("::", 40001, "source-address"),
        ("203.0.113.9", 40001, "network"),
        ("::ffff:203.0.113.9", 40001, "network"),
    ],
)
def test_each_objection_has_its_name_and_its_counter(address: str, port: int, objection: str | None) -> None:
    assert RULES.objection(address, port) == objection
    gate = Gate()
    assert gate.answers(b"hi", (address, port), times=2) == (2 if objection is None else 0)
    assert gate.dropped == ({} if objection is None else {objection: 2})


@pytest.mark.parametrize(("port", "objection"), [(0, "source-port"), (1, None), (53, None)])
def test_port_0_is_refused_even_where_every_port_is_allowed(port: int, objection: str | None) -> None:
    assert Rules(min_source_port=0).objection("192.0.2.1", port) == objection


@pytest.mark.parametrize(
    ("port", "objection"),
    [(862, None), (8081, None), (7, "source-port"), (8082, "own-port"), (1900, "source-port")],
)
def test_a_welcome_port_may_be_low_or_our_own(port: int, objection: str | None) -> None:
    rules = Rules(own_ports={8081, 8082}, refused_source_ports={1900}, welcome_ports={862, 8081, 1900})
    assert rules.objection("192.0.2.1", port) == objection


def test_a_service_that_is_not_public_answers_the_trusted_only() -> None:
    gate = Gate()
    gate.admission.configure(RULES, trusted_only=True)
    assert gate.hears((b"1", ANN), (b"2", CAT), (b"3", BOB)) == [("send", b"2", CAT)]
    assert gate.answers(b"4", ("10.0.0.3", 8081)) == 0
    assert gate.dropped == {"untrusted": 2, "own-port": 1}


def test_everybody_is_admitted_until_rules_are_given() -> None:
    out = Recorder()
    admission = Admission(EchoService(), address_of)
    admission.datagrams_received([(b"hi", ANN), (b"ho", MALLORY)], 0.0, out)
    assert out.take() == [("send", b"hi", ANN), ("send", b"ho", MALLORY)]
    admission.configure(RULES)
    admission.datagrams_received([(b"hi", ANN), (b"ho", MALLORY)], 1.0, out)
    assert out == [("send", b"hi", ANN)]
    assert admission.dropped == {"network": 1}


def test_what_is_dropped_is_counted_by_reason_and_the_rest_keeps_its_order() -> None:
    gate = Gate()
    oscar = ("192.0.2.7", 53)
    strangers_first = [(b"1", MALLORY), (b"2", ANN), (b"3", oscar), (b"4", CAT), (b"5", MALLORY), (b"6", BOB)]
    assert gate.hears(*strangers_first) == [("send", b"2", ANN), ("send", b"4", CAT), ("send", b"6", BOB)]
    assert gate.dropped == {"network": 2, "source-port": 1}
    assert gate.hears((b"7", MALLORY), (b"8", CAT), now=1.0) == [("send", b"8", CAT)]
    assert gate.hears((b"9", MALLORY), now=2.0) == []
    assert gate.dropped == {"network": 4, "source-port": 1}


class Ledger(EchoService):
    """Writes down the sizes of the batches, and fails if it is told to."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def datagrams_received(self, batch: Sequence[Datagram], now: float, out: Outbox) -> None:
        self.sizes.append(len(batch))
        if any(payload == b"fail" for payload, _ in batch):
            raise KeyError


def test_a_batch_of_trusted_peers_is_handed_over_whole() -> None:
    ledger = Ledger()
    gate = Gate(service=ledger)
    gate.hears((b"1", CAT), (b"2", CAT))
    gate.hears((b"3", CAT), (b"4", CAT), (b"5", CAT))
    gate.hears((b"6", CAT), (b"7", ANN))
    assert ledger.sizes == [1, 1, 3, 1, 1]


def test_a_defect_of_the_service_does_not_pass_for_a_new_peer() -> None:
    ledger = Ledger()
    gate = Gate(service=ledger)
    gate.hears((b"1", CAT))
    with pytest.raises(KeyError):
        gate.hears((b"2", CAT), (b"fail", CAT))
    assert ledger.sizes == [1, 2]


def test_new_rules_judge_everybody_anew() -> None:
    gate = Gate()
    assert gate.hears((b"1", ANN), (b"2", MALLORY), (b"3", CAT)) == [("send", b"1", ANN), ("send", b"3", CAT)]
    gate.admission.configure(Rules(deny=networks("192.0.2.0/24", "10.0.0.0/8")))
    assert gate.hears((b"4", ANN), (b"5", MALLORY), (b"6", CAT)) == [("send", b"5", MALLORY)]
    gate.admission.configure(RULES, trusted_only=True)
    assert gate.hears((b"7", ANN), (b"8", MALLORY), (b"9", CAT)) == [("send", b"9", CAT)]


def test_rules_that_say_the_same_forget_nothing() -> None:
    gate = Gate(Rules(bounce_limit=3, trusted=RULES.trusted))
    assert gate.answers(b"again", CAT, times=2) == 2
    gate.admission.configure(Rules(bounce_limit=3, trusted=RULES.trusted))
    assert gate.answers(b"again", CAT) == 0
    assert gate.dropped == {"bounce": 1}


def judging(counted: list[Peer]) -> Callable[[Peer], Address]:
    """An `address_of` that tells who was looked at."""

    def address(peer: Peer) -> Address:
        counted.append(peer)
        return "10.0.0.1", 40001

    return address


def test_a_peer_is_judged_once() -> None:
    judged: list[Peer] = []
    admission = Admission(EchoService(), judging(judged))
    admission.configure(RULES)
    for now in range(3):
        admission.datagrams_received([(b"hi", "ann"), (b"ho", "bob")], now, Recorder())
    assert judged == ["ann", "bob"]


def test_no_more_peers_are_remembered_than_the_limit() -> None:
    judged: list[Peer] = []
    admission = Admission(EchoService(), judging(judged))
    admission.configure(Rules(trusted=networks("10.0.0.0/8")))
    admission.datagrams_received([(b"", peer) for peer in range(MAX_PEERS)], 0.0, Recorder())
    assert judged == list(range(MAX_PEERS))
    judged.clear()
    for peer in ("one more", 0, 0):
        admission.datagrams_received([(b"", peer)], 1.0, Recorder())
    assert judged == ["one more", 0]


def test_who_repeats_himself_is_remembered_whoever_else_comes() -> None:
    admission = Admission(EchoService(), lambda peer: ("10.0.0.1", 40001))
    admission.configure(Rules(trusted=networks("10.0.0.0/8"), bounce_limit=5))
    for number in range(4):
        admission.datagrams_received([(b"again", "echo")], 0.0, Recorder())
        others = [(b"", (number, other)) for other in range(MAX_PEERS // 3)]
        admission.datagrams_received(others, 0.0, Recorder())
    assert not admission.dropped
    admission.datagrams_received([(b"again", "echo")], 0.0, Recorder())
    assert admission.dropped == {"bounce": 1}


def test_the_deadlines_of_the_service_pass_through() -> None:
    out = Recorder()
    left: list[str] = []
    room = make_room(lambda name, reason: left.append(reason))
    admission = Admission(room, address_of)
    assert admission.next_deadline() is None
    admission.datagrams_received([(b"online", ANN)], 1.0, out)
    assert admission.next_deadline() == 121.0
    admission.deadline_reached(121.0, out)
    assert (admission.next_deadline(), left) == (None, ["idle"])


def make_room(went: Callable[[str, Departure], None] = lambda name, reason: None) -> ChatRoom:
    return ChatRoom(address_of=address_of, on_online=lambda name: None, on_offline=went, secret=b"secret")


# How often it comes.


def test_an_untrusted_source_gets_its_burst_and_then_one_answer_in_four() -> None:
    gate = Gate(buckets=Buckets(rate=10.0, burst=20))
    assert gate.answers(b"hi", ANN, times=20) == 20
    assert [gate.answers(b"hi", ANN) for _ in range(8)] == [0, 0, 0, 1] * 2
    assert gate.dropped == {"rate": 6}
    assert gate.answers(b"hi", ANN, times=10, now=1.0) == 10
    assert gate.answers(b"hi", ANN, times=40, now=1.0) == 10
    assert gate.dropped == {"rate": 36}


def test_the_rate_counts_within_one_batch_as_well() -> None:
    gate = Gate(buckets=Buckets(rate=1.0, burst=2))
    heard = gate.hears((b"1", ANN), (b"2", ANN), (b"3", ANN), (b"4", CAT), (b"5", ANN), (b"6", BOB))
    assert heard == [
        ("send", text, peer) for text, peer in ((b"1", ANN), (b"2", ANN), (b"4", CAT), (b"6", BOB))
    ]


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        (("192.0.2.1", 40001), ("192.0.2.1", 40002), True),
        (("192.0.2.1", 40001), ("::ffff:192.0.2.1", 40002), True),
        (("192.0.2.1", 40001), ("192.0.2.2", 40001), False),
        (("2001:db8:0:1::1", 40001), ("2001:db8:0:1:ffff::2", 40002), True),
        (("2001:db8:0:1::1", 40001), ("2001:db8:0:2::1", 40001), False),
    ],
)
def test_an_ipv4_address_or_an_ipv6_network_of_64_bits_shares_one_bucket(
    one: Address, other: Address, shared: bool
) -> None:
    gate = Gate(buckets=Buckets(rate=1.0, burst=2))
    assert gate.answers(b"hi", one, times=2) == 2
    assert gate.answers(b"hi", other, times=2) == (0 if shared else 2)


def test_a_trusted_source_may_come_as_often_as_it_likes() -> None:
    gate = Gate(buckets=Buckets(rate=1.0, burst=1))
    assert gate.answers(b"hi", CAT, times=500) == 500
    assert gate.dropped == {}


def test_two_services_with_the_same_buckets_share_what_a_source_may_ask() -> None:
    buckets = Buckets(rate=1.0, burst=3)
    echo, other, alone = Gate(buckets=buckets), Gate(buckets=buckets), Gate()
    assert echo.answers(b"hi", ANN, times=2) == 2
    assert other.answers(b"hi", ANN, times=3) == 1
    assert alone.answers(b"hi", ANN, times=100) == 100
    assert (echo.dropped, other.dropped) == ({}, {"rate": 2})


def test_what_is_never_answered_takes_no_token() -> None:
    gate = Gate(buckets=Buckets(rate=1.0, burst=1))
    assert gate.answers(b"hi", (ANN[0], 53), times=10) == 0
    assert gate.answers(b"hi", ANN) == 1


def test_who_answers_only_what_is_signed_sets_the_sizes_itself() -> None:
    admission = Admission(Foreigner(b"x" * 1400), address_of, buckets=Buckets(rate=1, burst=1))
    admission.configure(Rules(), rationed=False)
    out = Recorder()
    admission.datagrams_received([(b"hi", ANN), (b"hi", ANN)], 0.0, out)
    assert out == [("send", b"x" * 1400, ANN)]
    assert admission.dropped == {"rate": 1}


# Whether it comes again and again.

LIMIT_3 = Rules(trusted=networks("10.0.0.0/8"), bounce_limit=3)


@pytest.mark.parametrize("peer", [ANN, BOB, CAT])
def test_one_in_so_many_identical_datagrams_is_dropped_whoever_sends_them(peer: Address) -> None:
    gate = Gate(LIMIT_3)
    assert gate.drops(b"hi", peer, times=10) == [3, 6, 9]
    assert gate.dropped == {"bounce": 3}


def test_it_is_one_in_ten_thousand_unless_configured() -> None:
    gate = Gate()
    assert gate.drops(b"hi", CAT, times=20_001) == [10_000, 20_000]


@pytest.mark.parametrize("peer", [ANN, CAT])
def test_something_else_in_between_starts_the_count_anew(peer: Address) -> None:
    gate = Gate(LIMIT_3)
    assert gate.drops(b"hi", peer, times=2) == []
    assert gate.drops(b"ho", peer, times=2) == []
    assert gate.drops(b"hi", peer, times=4) == [3]


def test_two_peers_do_not_disturb_one_another() -> None:
    gate = Gate(LIMIT_3)
    neighbour = (ANN[0], ANN[1] + 1)
    for last in (False, False, True):
        assert gate.answers(b"hi", ANN) == (not last)
        assert gate.answers(b"hi", neighbour) == (not last)
    assert gate.dropped == {"bounce": 2}


def test_bounces_are_found_within_one_batch() -> None:
    gate = Gate(LIMIT_3)
    heard = gate.hears(*[(b"hi", CAT), (b"hi", ANN)] * 3, (b"ho", CAT), (b"hi", CAT))
    assert heard == [("send", b"hi", CAT), ("send", b"hi", ANN)] * 2 + [
        ("send", b"ho", CAT),
        ("send", b"hi", CAT),
    ]


def test_several_loops_at_once_end_one_after_the_other() -> None:
    gate = Gate(LIMIT_3)
    flying: list[tuple[bytes, Address]] = [(b"%d" % number, CAT) for number in range(5)]
    rounds = 0
    while flying:
        flying = [(payload, CAT) for _, payload, _ in gate.hears(*flying)]
        rounds += 1
    assert rounds >= 3
    assert gate.dropped == {"bounce": 5}


@pytest.mark.parametrize("size", [0, 1, 128, 129, 1472, 65507])
def test_a_datagram_of_any_size_is_known_again(size: int) -> None:
    gate = Gate(LIMIT_3)
    assert gate.drops(bytes(size), CAT, times=6) == [3, 6]


@pytest.mark.parametrize("size", [16, 128, 129, 65507])
@pytest.mark.parametrize("number_at_end", [False, True])
def test_numbered_datagrams_of_any_size_are_not_taken_for_bounces(size: int, number_at_end: bool) -> None:
    gate = Gate(LIMIT_3)
    for number in range(10):
        digits = b"%08d" % number
        filling = bytes(size - len(digits))
        assert gate.answers(filling + digits if number_at_end else digits + filling, CAT) == 1


def test_datagrams_of_different_sizes_are_not_taken_for_bounces() -> None:
    gate = Gate(LIMIT_3)
    assert len(gate.hears(*((bytes(size), CAT) for size in range(1500)))) == 1500


# How much goes back.


def talkative(length: int) -> DictionaryService:
    """A dictionary with an answer of that many bytes to the word `w`, in characters of 3 bytes."""
    entries = {b"w": ("苹" * (length // 3)).encode() + b"x" * (length % 3)}
    return DictionaryService(MemoryDictionary(entries), max_reply=65507)


@pytest.mark.parametrize(
    ("address", "headers"), [("192.0.2.1", 28), ("::ffff:192.0.2.1", 28), ("2001:db8::1", 48)]
)
@pytest.mark.parametrize("padding", [0, 1, 2, 30, 399])
def test_an_unproven_peer_gets_three_times_its_bytes_cut_at_a_character(
    address: str, headers: int, padding: int
) -> None:
    gate = Gate(service=talkative(1800))
    query = b"w" + bytes(padding)
    [(verb, answer, peer)] = gate.hears((query, (address, 40001)))
    assert (verb, peer) == ("send", (address, 40001))
    budget = 3 * (len(query) + headers)
    assert budget - 3 < len(answer) + headers <= budget
    assert set(answer.decode()) == {"苹"}
    assert headers in (IPV4_OVERHEAD, IPV6_OVERHEAD)


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1", "fe80::1%eth0.5"])
def test_a_query_padded_to_400_bytes_gets_1200_bytes_whole(address: str) -> None:
    gate = Gate(service=talkative(1200))
    [(_, answer, _)] = gate.hears((b"w".ljust(400, b"\0"), (address, 40001)))
    assert answer == ("苹" * 400).encode()


@pytest.mark.parametrize("zone", ["", "%eth0", "%eth0.5"])
def test_the_dot_in_a_zone_makes_no_ipv4_address(zone: str) -> None:
    [(_, answer, _)] = Gate(service=talkative(1200)).hears((b"w", (f"fe80::1{zone}", 40001)))
    assert len(answer) == 99  # 3 * (1 + 48) - 48


def test_an_echo_is_never_cut() -> None:
    payload = bytes(range(128, 256)) * 10
    assert Gate().hears((payload, ANN), (b"", BOB)) == [("send", payload, ANN), ("send", b"", BOB)]


def test_a_trusted_peer_gets_the_whole_answer() -> None:
    gate = Gate(service=talkative(9000))
    [(_, answer, _)] = gate.hears((b"w", CAT))
    assert len(answer) == 9000


def test_what_is_said_in_a_room_reaches_all_members_whole() -> None:
    gate = Gate(service=make_room())
    longest_name = ("2001:db8:1111:2222:3333:4444:5555:6666", 65535)
    gate.hears((b"online", longest_name), (b"online", ANN), (b"online", CAT))
    [(verb, line, peers)] = gate.hears((b"hi", longest_name))
    assert line == b"2001:db8:1111:2222:3333:4444:5555:6666--65535#hi"
    assert (verb, peers) == ("broadcast", tuple(sorted((longest_name, ANN, CAT), key=str)))


@pytest.mark.parametrize("peer", [ANN, BOB])
def test_what_a_room_tells_a_stranger_fits(peer: Address) -> None:
    gate = Gate(service=make_room())
    assert gate.hears((b"?", peer)) == [("send", NOT_ONLINE, peer)]


# What the operator hears of it.


def test_a_drop_is_told_once_a_source_and_minute() -> None:
    gate = Gate()
    neighbour = ("203.0.113.10", 40009)
    gate.answers(b"1", MALLORY, times=3, now=100.0)
    gate.answers(b"2", ("::ffff:" + MALLORY[0], 53), now=110.0)
    gate.answers(b"3", neighbour, now=130.0)
    assert gate.warnings == [(MALLORY[0], "network"), (neighbour[0], "network")]
    gate.answers(b"4", MALLORY, now=159.9)
    assert len(gate.warnings) == 2
    gate.answers(b"5", (MALLORY[0], 53), now=160.0)
    assert gate.warnings[2:] == [(MALLORY[0], "source-port")]
    gate.answers(b"6", neighbour, now=189.9)
    gate.answers(b"7", MALLORY, now=219.9)
    assert len(gate.warnings) == 3
    gate.answers(b"8", neighbour, now=220.0)
    assert gate.warnings[3:] == [(neighbour[0], "network")]


def test_a_warning_shows_an_ipv4_address_as_such() -> None:
    gate = Gate()
    gate.answers(b"1", ("::ffff:203.0.113.9", 40009))
    assert gate.warnings == [("203.0.113.9", "network")]


def test_every_reason_is_told() -> None:
    gate = Gate(Rules(bounce_limit=3), buckets=Buckets(rate=1.0, burst=1))
    gate.answers(b"1", ANN, times=2)
    gate.answers(b"2", BOB, times=1)
    gate.admission.configure(Rules(bounce_limit=2, trusted=networks("10.0.0.0/8")))
    gate.answers(b"3", CAT, times=2)
    gate.admission.configure(Rules(), trusted_only=True)
    gate.answers(b"4", BOB)
    assert gate.warnings == [(ANN[0], "rate"), ("10.0.0.3", "bounce"), (BOB[0], "untrusted")]


def test_the_many_sources_of_a_flood_do_not_fill_the_log() -> None:
    gate = Gate()
    flood = [(f"203.0.113.{number}", 40001) for number in range(MAX_WARNINGS + 40)]
    for number, peer in enumerate(flood):
        gate.answers(b"1", peer, now=number * 0.1)
    assert [address for address, _ in gate.warnings] == [address for address, _ in flood[:MAX_WARNINGS]]
    assert gate.dropped == {"network": MAX_WARNINGS + 40}
    gate.answers(b"2", flood[-1], now=60.0)  # the minute of the first one is over: there is room for one
    gate.answers(b"2", flood[-2], now=60.0)
    assert [address for address, _ in gate.warnings[MAX_WARNINGS:]] == [flood[-1][0]]


# A small internet: one forged datagram must never go round for ever.


class Foreigner(EchoService):
    """A naive service on another host: it answers everything with the same text."""

    def __init__(self, text: bytes) -> None:
        self._text = text

    def datagrams_received(self, batch: Sequence[Datagram], now: float, out: Outbox) -> None:
        for _, peer in batch:
            out.send(self._text, peer)


def dictionary(unknown: str, entries: dict[bytes, bytes]) -> DictionaryService:
    return DictionaryService(MemoryDictionary(entries), unknown=unknown)


def room(join: Literal["open", "cookie"]) -> ChatRoom:
    made = make_room()
    made.configure(Terms(join=join))
    return made


OURS: dict[str, Callable[[], DatagramService]] = {
    "dictionary": lambda: dictionary("unknown", {b"apple": b"pear", b"same": b"same"}),
    "dictionary of two ways": lambda: dictionary("?", {b"apple": b"pear", b"pear": b"apple"}),
    "dictionary of three": lambda: dictionary("?", {b"apple": b"hi", b"hi": b"same", b"same": b"apple"}),
    "dictionary the other way": lambda: dictionary("没有", {b"pear": b"apple", b"unknown": b"?"}),
    "open room": lambda: room("open"),
    "room with cookies": lambda: room("cookie"),
    "public echo": EchoService,
}
FOREIGN: dict[str, Callable[[], DatagramService]] = {
    "foreign echo": EchoService,
    "foreigner who says ok": lambda: Foreigner(b"ok"),
    "foreigner who says online": lambda: Foreigner(b"online"),
    "foreigner who says offline": lambda: Foreigner(b"offline"),
    "foreigner who does not understand": lambda: Foreigner(b"\xff\x1b unknown command\r\n"),
    "foreigner who says nothing in a datagram": lambda: Foreigner(b""),
    "foreigner who talks": lambda: Foreigner(b"x" * 1400),
}
PAIRS = [
    *combinations_with_replacement(OURS, 2),
    *((ours, foreign) for ours in OURS for foreign in FOREIGN),
]
FORGED = [b"", b"hi", b"apple", b"same", b"unknown", b"online", b"offline", b"online 0123456789abcdef"]
FORGED += [b"\xff", b"x" * 1400, NOT_ONLINE, b"message refused: not UTF-8", b"challenge 0123456789abcdef"]

ALICE, OTTO = ("198.51.100.1", 9001), ("198.51.100.2", 9002)  # where the two services of a pair live
EVERYBODY = networks("0.0.0.0/0")


class Internet:
    """Carries datagrams between services, each in the same time."""

    def __init__(self, latency: float) -> None:
        self._latency = latency
        self._nodes: dict[Address, DatagramService] = {}
        self._flying: deque[tuple[float, bytes, Address, Address]] = (
            deque()
        )  # when it is there, what, from, to
        self.now = 0.0

    def add(self, address: Address, service: DatagramService) -> None:
        self._nodes[address] = service

    def carry(self, payload: bytes, source: Address, target: Address) -> None:
        """Send one datagram on its way; whether `source` is forged, nobody can tell."""
        self._flying.append((self.now + self._latency, payload, source, target))

    def settle(self, limit: int) -> int:
        """Deliver until all is silent: how many datagrams that took. More than `limit` are a loop."""
        carried = 0
        while self._flying and carried <= limit:
            self.now, payload, source, target = self._flying.popleft()
            self._nodes[target].datagrams_received([(payload, source)], self.now, Cable(self, target))
            carried += 1
        return carried

    def wait(self) -> None:
        """Let the time pass until somebody has something to do unasked: a lease ends, and that is told."""
        deadlines = [(node.next_deadline() or inf, address) for address, node in self._nodes.items()]
        when, address = min(deadlines)
        if when < inf:
            self.now = when
            self._nodes[address].deadline_reached(when, Cable(self, address))


class Cable(Outbox):
    """The outbox of one service on the internet."""

    def __init__(self, internet: Internet, address: Address) -> None:
        self._internet = internet
        self._address = address

    def send(self, payload: bytes, peer: Peer) -> None:
        """See Outbox."""
        self._internet.carry(payload, self._address, address_of(peer))

    def broadcast(self, payload: bytes, peers: Collection[Peer]) -> None:
        """See Outbox."""
        for peer in peers:
            self.send(payload, peer)


def ours(name: str, port: int, rules: Rules) -> Admission:
    """A service of ours as its daemon runs it, on that port."""
    admission = Admission(OURS[name](), address_of)
    admission.configure(replace(rules, own_ports={port}))
    return admission


def exchanges(pair: tuple[str, str], forged: bytes, rules: Rules, *, latency: float, limit: int) -> list[int]:
    """Return the number of datagrams between these two after a forged one, which counts, too.

    Then follow the numbers of those that announce departures: the forged one has made members.
    """
    internet = Internet(latency)
    first, second = pair
    internet.add(ALICE, ours(first, ALICE[1], rules))
    internet.add(OTTO, ours(second, OTTO[1], rules) if second in OURS else FOREIGN[second]())
    internet.carry(forged, OTTO, ALICE)
    lengths = [internet.settle(limit)]
    for _ in range(3):
        internet.wait()
        lengths.append(internet.settle(limit))
    return lengths


FAST, SLOW = 0.001, 0.25  # seconds each way: faster than the rate of a bucket allows, and slower
BURST_LIMIT = round(2 * 100 / (1 - 50 * 2 * FAST)) + 8  # datagrams until both buckets are empty, and an end
BOUNCE_LIMIT = 6
PERIOD = 3  # rounds after which the longest of the loops here is where it began
GROWTH = 110  # datagrams until what two services add to each other's lines is longer than a message may be
INVENTION_LIMIT = 4 * (LONGEST_SKIP + 1) * (128 + MIN_SAMPLES)  # until a partner is picked, and an end
LOOP_LIMIT = GROWTH + 2 * PERIOD * max(BOUNCE_LIMIT, MIN_SAMPLES) * (LONGEST_SKIP + 1)


@pytest.mark.parametrize("pair", PAIRS, ids=" and ".join)
def test_between_untrusted_services_a_fast_loop_ends_with_the_burst(pair: tuple[str, str]) -> None:
    for forged in FORGED:
        lengths = exchanges(pair, forged, Rules(), latency=FAST, limit=BURST_LIMIT)
        assert max(lengths) <= BURST_LIMIT, forged


@pytest.mark.parametrize("pair", PAIRS, ids=" and ".join)
@pytest.mark.parametrize(("trusted", "latency"), [(EVERYBODY, FAST), (EVERYBODY, SLOW), ([], SLOW)])
def test_a_slow_loop_and_one_of_trusted_services_end_with_the_bounce_limit(
    pair: tuple[str, str], trusted: list[Network], latency: float
) -> None:
    rules = Rules(trusted=trusted, bounce_limit=BOUNCE_LIMIT)
    for forged in FORGED:
        lengths = exchanges(pair, forged, rules, latency=latency, limit=LOOP_LIMIT)
        assert max(lengths) <= LOOP_LIMIT, forged


class Inventive(EchoService):
    """Somebody else's service, which answers everything and never the same twice, or only by turns."""

    def __init__(self, text: Callable[[int, bytes], bytes]) -> None:
        self._text = text
        self._number = 0

    def datagrams_received(self, batch: Sequence[Datagram], now: float, out: Outbox) -> None:
        for payload, peer in batch:
            self._number += 1
            out.send(self._text(self._number, payload), peer)


INVENTIONS: dict[str, Callable[[int, bytes], bytes]] = {
    "counter": lambda number, heard: b"%d" % number,
    "time": lambda number, heard: b"%.6f" % (1.7e9 + number / 1000),
    "growing": lambda number, heard: b"x" * (number % 3000),
    "three by turns": lambda number, heard: (b"one", b"two", b"three")[number % 3],
    "our own words": lambda number, heard: b"%d %s" % (number, heard[-20:]),
}


@pytest.mark.parametrize("invention", INVENTIONS)
@pytest.mark.parametrize("name", ["public echo", "dictionary", "open room"])
@pytest.mark.parametrize(("trusted", "latency"), [(EVERYBODY, FAST), ([], 0.02)], ids=["trusted", "slow"])
def test_a_partner_that_never_repeats_itself_falls_silent_too(
    name: str, invention: str, trusted: list[Network], latency: float
) -> None:
    internet = Internet(latency)
    internet.add(ALICE, ours(name, ALICE[1], Rules(trusted=trusted, bounce_limit=BOUNCE_LIMIT)))
    internet.add(OTTO, Inventive(INVENTIONS[invention]))
    for forged in (b"hi", b"online"):
        internet.carry(forged, OTTO, ALICE)
        assert internet.settle(INVENTION_LIMIT) <= INVENTION_LIMIT


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from(PAIRS),
    st.binary(max_size=60) | st.text(max_size=20).map(str.encode) | st.sampled_from(FORGED),
    st.sampled_from([[], EVERYBODY]),
    st.floats(min_value=0.0001, max_value=10.0),
)
def test_whatever_is_forged_every_exchange_ends(
    pair: tuple[str, str], forged: bytes, trusted: list[Network], latency: float
) -> None:
    rules = Rules(trusted=trusted, bounce_limit=BOUNCE_LIMIT)
    assert max(exchanges(pair, forged, rules, latency=latency, limit=LOOP_LIMIT)) <= LOOP_LIMIT


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("trusted", [EVERYBODY, []], ids=["trusted", "untrusted"])
def test_a_service_never_hears_itself_nor_another_one_of_its_daemon(
    name: str, trusted: list[Network]
) -> None:
    out = Recorder()
    admission = Admission(OURS[name](), address_of)
    admission.configure(Rules(trusted=trusted, own_ports={ALICE[1], OTTO[1]}))
    for forged in FORGED:
        admission.datagrams_received([(forged, ALICE), (forged, OTTO)], 0.0, out)
    assert (out, admission.dropped) == ([], {"own-port": 2 * len(FORGED)})


@pytest.mark.parametrize(
    ("first", "second", "forged"),
    [("dictionary", "dictionary the other way", b"apple"), ("public echo", "foreign echo", b"hi")],
)
def test_there_are_loops_that_nothing_but_the_loop_guard_ends(first: str, second: str, forged: bytes) -> None:
    """The exchanges above prove something only if they would go on without it."""
    endless = Rules(trusted=EVERYBODY, bounce_limit=10**9)
    assert exchanges((first, second), forged, endless, latency=FAST, limit=2 * LOOP_LIMIT)[0] > 2 * LOOP_LIMIT
