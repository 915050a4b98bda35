"""The table of members: in the order of their silence, each where it was heard last."""

from typing import cast

import pytest

from netechod.services.api import Peer
from netechod.services.chat.members import Members, shown

ANN, BOB, CAT = (("192.0.2.1", 1), 0), (("192.0.2.2", 2), 0), (("fe80::3%2", 3), 0)
ANN_ELSEWHERE = (("192.0.2.1", 1), 1)
KEYS = {ANN: "192.0.2.1--1", BOB: "192.0.2.2--2", CAT: "fe80::3%2--3"}


@pytest.fixture
def members() -> Members:
    """Peers are (address and port, number of our own address) here."""
    members = Members(lambda peer: cast(tuple[tuple[str, int], int], peer)[0])
    for now, peer in enumerate((ANN, BOB, CAT)):
        members.add(peer, now, now)
    return members


def test_members_are_found_by_key(members: Members) -> None:
    assert len(members) == 3
    assert all(key in members and members[key].peer == peer for peer, key in KEYS.items())
    members.remove(KEYS[BOB])
    assert KEYS[BOB] not in members
    assert members.peers() == (ANN, CAT)


def test_the_most_silent_come_first(members: Members) -> None:
    members.renew(KEYS[ANN], ANN, 10.0)
    assert [key for key, _ in members.items()] == [KEYS[BOB], KEYS[CAT], KEYS[ANN]]
    assert members.longest_silence() == 1.0
    assert members.silent_for(8.0, 10.0) == [KEYS[BOB], KEYS[CAT]]
    assert members.silent_for(9.0, 10.0) == [KEYS[BOB]]
    assert members.peers_after(1) == (CAT, ANN)
    assert (members[KEYS[ANN]].since, members[KEYS[ANN]].last_seen) == (0, 10.0)


def test_a_member_hears_where_it_has_spoken_last(members: Members) -> None:
    assert ANN in members.peers()
    members.renew(KEYS[ANN], ANN_ELSEWHERE, 10.0)
    assert members.peers() == (BOB, CAT, ANN_ELSEWHERE)


def test_an_empty_table_knows_no_silence() -> None:
    members = Members(lambda peer: ("", 0))
    assert (members.longest_silence(), members.peers(), members.silent_for(0.0, 1.0)) == (None, (), [])


@pytest.mark.parametrize(
    ("key", "name"),
    [("fe80::3%2--3", "fe80::3--3"), ("fe80::3%eth--0--3", "fe80::3--3"), ("192.0.2.1--1", "192.0.2.1--1")],
)
def test_the_zone_is_not_shown(key: str, name: str) -> None:
    assert shown(key) == name


def test_places_are_counted_by_source(members: Members) -> None:
    def has_place(peer: Peer) -> bool:
        (address, _), _ = cast(tuple[tuple[str, int], int], peer)
        return members.sources.has_place(address, per_source=1, places=100)

    assert not has_place(ANN)
    members.remove(KEYS[ANN])
    assert has_place(ANN)
