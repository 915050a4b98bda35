"""The lines of a node on their way to the log: their numbers, order, losses and bounds."""

from collections import Counter
from collections.abc import Sequence

import pytest

from netechod.services.realm import sending as module
from netechod.services.realm.entry import BODY
from netechod.services.realm.sending import Origin, Sending, Sent, Waiting

A = Origin("a", "0" * 16)
B = Origin("a-0000", "0" * 16)


@pytest.fixture
def lost() -> Counter[str]:
    return Counter()


@pytest.fixture
def sending(lost: Counter[str]) -> Sending:
    return Sending(15.0, lost)


def add(sending: Sending, *texts: bytes, now: float = 0.0) -> None:
    for text in texts:
        sending.add(text, now)


def sent(lines: Sequence[Sent]) -> list[tuple[int, bytes]]:
    return [(line.number, line.text) for line in lines]


def test_lines_that_gather_share_an_entry_and_are_numbered(sending: Sending) -> None:
    add(sending, b"one", b"two")
    assert sent(sending.next(A, 0.0)) == [(0, b"one"), (1, b"two")]
    add(sending, b"three")
    assert len(sending) == 3
    assert sending.taken() == 2
    assert sent(sending.next(A, 0.0)) == [(2, b"three")]


def test_nothing_to_say_is_no_line(sending: Sending) -> None:
    assert sending.next(A, 0.0) == []


def test_what_was_not_taken_goes_again_with_its_numbers_and_before_the_rest(sending: Sending) -> None:
    add(sending, b"one", b"two")
    sending.next(A, 0.0)
    add(sending, b"three")
    sending.not_taken()
    assert [line.text for line in sending.unsure()] == [b"one", b"two"]
    assert sent(sending.next(A, 0.0)) == [(0, b"one"), (1, b"two"), (2, b"three")]


def test_what_the_log_has_lost_goes_again(sending: Sending) -> None:
    add(sending, b"one")
    sending.next(A, 0.0)
    sending.taken()
    add(sending, b"two")
    sending.next(A, 0.0)
    sending.not_taken()
    sending.repeat_kept()
    assert sent(sending.next(A, 0.0)) == [(0, b"one"), (1, b"two")]


def test_an_entry_holds_so_many_bytes_and_one_longer_line(sending: Sending) -> None:
    add(sending, b"x" * BODY * 2, b"y" * (BODY - 3), b"zz", b"z")
    sizes = []
    while lines := sending.next(A, 0.0):
        sizes.append([len(line.text) for line in lines])
        sending.taken()
    assert sizes == [[BODY * 2], [BODY - 3, 2], [1]] or sizes == [[BODY * 2], [BODY - 3], [2, 1]]


def test_lines_keep_their_origin_and_share_no_entry_with_others(sending: Sending) -> None:
    add(sending, b"one")
    sending.next(A, 0.0)
    sending.not_taken()
    add(sending, b"two")
    [line] = sending.next(B, 0.0)
    assert (line.origin, line.text) == (A, b"one")
    sending.taken()
    [line] = sending.next(B, 0.0)
    assert (line.origin, line.text, line.number) == (B, b"two", 1)


def test_a_line_is_lost_a_lease_after_it_was_said_and_leaves_a_gap(
    sending: Sending, lost: Counter[str]
) -> None:
    add(sending, b"old")
    add(sending, b"new", now=1.0)
    assert sent(sending.next(A, 15.5)) == [(1, b"new")]
    assert lost == {"too old": 1}
    assert (sending.losses(), sending.losses()) == ({"too old": 1}, {})


def test_a_line_that_goes_again_is_lost_a_lease_after_it_was_said(
    sending: Sending, lost: Counter[str]
) -> None:
    add(sending, b"old")
    sending.next(A, 0.0)
    sending.not_taken()
    assert (sending.next(A, 16.0), lost) == ([], {"too old": 1})
    add(sending, b"new", now=16.0)
    assert sent(sending.next(A, 16.0)) == [(1, b"new")]


def test_what_is_kept_is_forgotten_after_a_lease(sending: Sending, lost: Counter[str]) -> None:
    add(sending, b"old")
    sending.next(A, 0.0)
    sending.taken()
    sending.expire(16.0)
    sending.repeat_kept()
    assert (sending.next(A, 16.0), lost) == ([], {})


def test_lines_that_are_no_neighbours_share_no_entry(
    sending: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING_LINES", 1)
    add(sending, b"one")
    sending.next(A, 0.0)
    sending.not_taken()
    add(sending, b"two", b"three")
    assert sent(sending.next(A, 0.0)) == [(0, b"one")]
    sending.taken()
    assert sent(sending.next(A, 0.0)) == [(2, b"three")]


@pytest.mark.parametrize(("limit", "value"), [("WAITING_LINES", 2), ("WAITING_BYTES", 10)])
def test_of_too_many_lines_the_oldest_are_lost(
    sending: Sending, lost: Counter[str], monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(module, limit, value)
    add(sending, b"11111", b"22222", b"33333")
    assert (len(sending), lost) == (2, {"overflow": 1})
    assert sent(sending.next(A, 0.0)) == [(1, b"22222"), (2, b"33333")]


@pytest.mark.parametrize(("limit", "value"), [("KEPT_LINES", 1), ("KEPT_BYTES", 5)])
def test_of_too_many_kept_lines_the_oldest_are_forgotten(
    sending: Sending, lost: Counter[str], monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(module, limit, value)
    add(sending, b"11111", b"22222")
    sending.next(A, 0.0)
    sending.taken()
    assert ([line.text for line in sending.kept], lost) == ([b"22222"], {})


def test_names_go_between_what_was_said_before_and_after(sending: Sending) -> None:
    add(sending, b"one")
    sending.add_snapshot(["n--1", "n--2"], 0.0)
    add(sending, b"two")
    expected = [b"one", b"(", b"*n--1", b"*n--2", b")", b"two"]
    assert [line.text for line in sending.next(A, 0.0)] == expected


def test_names_that_wait_answer_a_second_question(sending: Sending) -> None:
    sending.add_snapshot(["n--1"], 0.0)
    sending.add_snapshot(["n--1", "n--2"], 1.0)
    assert [line.text for line in sending.next(A, 1.0)] == [b"(", b"*n--1", b")"]
    sending.add_snapshot([], 2.0)
    sending.taken()
    assert [line.text for line in sending.next(A, 2.0)] == [b"(", b")"]


def test_many_names_take_several_entries(sending: Sending, lost: Counter[str]) -> None:
    names = [f"2001:db8::{number:x}--40000" for number in range(module.WAITING_LINES)]
    sending.add_snapshot(names, 0.0)
    add(sending, b"last")
    lines: list[Sent] = []
    while flight := sending.next(A, 0.0):
        lines += flight
        sending.taken()
        add(sending, b"more") if len(lines) < 1000 else None
    assert [line.number for line in lines] == list(range(len(lines)))
    assert [line.text for line in lines[1 : 1 + len(names)]] == [b"*" + name.encode() for name in names]
    assert lost == {}


def test_names_that_are_too_old_are_no_loss_until_some_were_sent(
    sending: Sending, lost: Counter[str]
) -> None:
    sending.add_snapshot(["n--1"], 0.0)
    sending.expire(16.0)
    assert (len(sending), lost) == (0, {})
    sending.add_snapshot([f"{number}--1" for number in range(BODY // 4)], 16.0)
    sent_names = len(sending.next(A, 16.0))
    sending.taken()
    sending.expire(32.0)
    assert lost == {"too old": BODY // 4 + 2 - sent_names}
    assert sending.number == BODY // 4 + 2


def test_names_are_dropped_first_when_they_are_the_oldest(
    sending: Sending, lost: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING_LINES", 1)
    sending.add_snapshot(["n--1"], 0.0)
    add(sending, b"one")
    assert (lost, sent(sending.next(A, 0.0))) == ({}, [(0, b"one")])


def test_the_next_process_goes_on(sending: Sending) -> None:
    add(sending, b"one", b"two")
    sending.next(A, 0.0)
    sending.taken()
    add(sending, b"three")
    sending.next(A, 0.0)
    sending.add_snapshot(["n--1"], 0.0)
    add(sending, b"four")
    assert sending.waiting() == [Waiting(0.0, b"four")]
    after = Sending(15.0, Counter())
    add(after, b"five", now=1.0)
    after.restore(sending.number, sending.waiting(), sending.unsure(), sending.kept)
    assert sent(after.next(A, 1.0)) == [(2, b"three"), (3, b"four"), (4, b"five")]
    after.not_taken()
    after.repeat_kept()
    assert sent(after.next(A, 1.0))[:2] == [(0, b"one"), (1, b"two")]
