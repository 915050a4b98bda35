"""The latest lines, piece by piece, for those who have proved their address."""

import pytest
from support.recorder import Recorder

from netechod.services.chat.history import MOST_BYTES, PAUSE, PIECE, History
from netechod.services.chat.members import Members

ANN, BOB = "192.0.2.1--40001", "192.0.2.2--40002"


def address_of(peer: object) -> tuple[str, int]:
    """Peers are addresses here."""
    assert isinstance(peer, tuple)
    return peer


@pytest.fixture
def members() -> Members:
    made = Members(address_of)
    for key in (ANN, BOB):
        address, _, port = key.rpartition("--")
        made.add((address, int(port)), 0.0, 0.0)
    return made


def history_of(*lines: bytes, limit: int = 1000) -> History:
    """Lines that were said a second apart, from time 0 on."""
    history = History()
    history.configure(limit)
    for now, line in enumerate(lines):
        history.add(line, float(now))
    return history


def piece(history: History, members: Members, now: float) -> list[bytes]:
    """Return what one call sends, whoever gets it."""
    out = Recorder()
    history.send_piece(now, out, members)
    return [payload for _, payload, _ in out.take()]


def test_the_lines_are_sent_with_their_ages_once(members: Members) -> None:
    history = history_of(b"a--1#one", b"a--1#two")
    assert history.is_kept
    history.promise(ANN, members, 10.0)
    history.promise(ANN, members, 10.0)
    assert history.deadline == 10.0
    assert piece(history, members, 9.9) == []
    assert piece(history, members, 11.0) == [b"said 11 s ago: a--1#one", b"said 10 s ago: a--1#two"]
    assert piece(history, members, 11.0 + PAUSE) == []
    assert history.deadline is None
    history.promise(ANN, members, 20.0)
    assert history.deadline is None


def test_only_the_latest_lines_are_kept(members: Members) -> None:
    history = history_of(b"a--1#one", b"a--1#two", b"a--1#three", limit=2)
    history.promise(ANN, members, 2.0)
    assert piece(history, members, 2.0) == [b"said 1 s ago: a--1#two", b"said 0 s ago: a--1#three"]
    history.configure(0)
    history.add(b"a--1#four", 3.0)
    history.promise(BOB, members, 4.0)
    assert history.deadline is None
    assert not history.is_kept


def test_all_lines_together_are_bounded_in_bytes(members: Members) -> None:
    history = history_of(b"a--1#" + b"x" * (MOST_BYTES // 2), b"a--1#" + b"y" * (MOST_BYTES // 2))
    history.promise(ANN, members, 2.0)
    assert [payload[:20] for payload in piece(history, members, 2.0)] == [b"said 1 s ago: a--1#y"]


def test_receivers_take_turns_and_one_call_sends_a_piece_to_all_of_them_together(members: Members) -> None:
    history = history_of(*(b"a--1#%d" % number for number in range(PIECE + 4)))
    history.promise(ANN, members, 50.0)
    history.promise(BOB, members, 50.0)
    out = Recorder()
    calls = []
    now = 50.0
    while history.deadline is not None:
        now = max(now, history.deadline)
        history.send_piece(now, out, members)
        calls.append([(peer, payload.rpartition(b"#")[2]) for _, payload, peer in out.take()])
    ann, bob = ("192.0.2.1", 40001), ("192.0.2.2", 40002)
    assert [len(call) for call in calls if call] == [PIECE, PIECE, 8]
    assert {peer for peer, _ in calls[0]} == {ann}
    assert {peer for peer, _ in calls[1]} == {bob}
    for peer in (ann, bob):
        numbers = [int(number) for call in calls for to, number in call if to == peer]
        assert numbers == list(range(PIECE + 4))


def test_a_receiver_that_has_left_gets_no_more(members: Members) -> None:
    history = history_of(*(b"a--1#%d" % number for number in range(PIECE + 4)))
    history.promise(ANN, members, 50.0)
    assert len(piece(history, members, 50.0)) == PIECE
    members.remove(ANN)
    assert piece(history, members, 51.0) == []
    assert history.deadline is None


def test_lines_that_are_dropped_meanwhile_are_left_out(members: Members) -> None:
    history = history_of(*(b"a--1#%d" % number for number in range(PIECE + 4)), limit=PIECE + 4)
    history.promise(ANN, members, 50.0)
    assert len(piece(history, members, 50.0)) == PIECE
    for number in range(PIECE + 2):
        history.add(b"a--1#later %d" % number, 51.0)
    assert [payload.rpartition(b"#")[2] for payload in piece(history, members, 52.0)] == [b"18", b"19"]


def test_a_name_is_kept_when_it_changes_and_not_when_it_is_repeated(members: Members) -> None:
    names = (b"a--1#/nick ann", b"b--2#/nick ann", b"a--1#/nick ann", b"a--1#/nick eve", b"a--1#/nick ann")
    history = history_of(*names)
    history.promise(ANN, members, 9.0)
    kept = [payload.partition(b": ")[2] for payload in piece(history, members, 9.0)]
    assert kept == [names[0], names[1], names[3], names[4]]
