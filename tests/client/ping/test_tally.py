"""What became of the probes: dialogues without a network or a clock."""

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netechod.client.ping.tally import REMEMBERED, Event, Kind, Tally, Times

MICROSECONDS = st.integers(1, 10_000_000)


@pytest.fixture
def tally() -> Tally:
    return Tally(wait=2.0)


def kinds(*events: Event | None) -> list[Kind]:
    return [event.kind for event in events if event]


def test_an_answer_is_counted_once_and_then_as_a_duplicate(tally: Tally) -> None:
    assert tally.send(now=1.0) == 1
    assert tally.answered(1, at=1.25, size=56, damaged=0) == Event(Kind.ANSWERED, 1, 0.25, 56)
    assert tally.answered(1, at=1.5, size=56, damaged=0) == Event(Kind.DUPLICATE, 1, None, 56)
    assert (tally.sent, tally.received, tally.lost, tally.duplicates) == (1, 1, 0, 1)


def test_what_is_not_answered_in_time_is_lost_and_then_late_and_then_a_duplicate(tally: Tally) -> None:
    tally.send(now=1.0)
    assert tally.deadline == 3.0
    assert tally.expired(2.9) == []
    assert kinds(*tally.expired(3.0)) == [Kind.LOST]
    assert tally.deadline is None
    assert tally.answered(1, at=3.5, size=56, damaged=0) == Event(Kind.LATE, 1, 2.5, 56)
    assert kinds(tally.answered(1, at=4.0, size=56, damaged=0)) == [Kind.DUPLICATE]
    assert (tally.received, tally.lost, tally.late, tally.duplicates) == (0, 1, 1, 1)
    assert tally.times.count == 0


def test_reordering_is_that_of_rfc_4737(tally: Tally) -> None:
    """What arrives behind a later one is reordered; what has overtaken it is not (section 3.3)."""
    for now in range(10):
        tally.send(float(now))
    order = (1, 2, 3, 7, 8, 4, 5, 6, 9, 10)
    events = [tally.answered(number, 10.0, 56, 0) for number in order]
    assert [event.number for event in events if event and event.is_reordered] == [4, 5, 6]
    assert tally.reordered == 3


def test_a_copy_is_not_reordered(tally: Tally) -> None:
    for now in (1.0, 2.0):
        tally.send(now)
    for number in (1, 2, 1):
        tally.answered(number, 3.0, 56, 0)
    assert (tally.reordered, tally.duplicates) == (0, 1)


def test_damage_is_counted_by_answers_and_by_bytes(tally: Tally) -> None:
    for now in (1.0, 2.0, 3.0):
        tally.send(now)
    for number, damaged in ((1, 2), (2, 0), (3, 5)):
        tally.answered(number, 4.0, 56, damaged)
    assert (tally.damaged, tally.damaged_bytes) == (2, 7)


def test_a_failure_ends_the_waiting_and_keeps_its_reason(tally: Tally) -> None:
    for now in (1.0, 2.0, 3.0, 4.0):
        tally.send(now)
    assert tally.failed(2, "refused", "192.0.2.1") == Event(
        Kind.FAILED, 2, reason="refused", reporter="192.0.2.1"
    )
    assert tally.failed(2, "refused") is None
    assert tally.youngest_waiting() == 4
    assert [event.number for event in tally.all_failed("closed")] == [1, 3, 4]
    assert tally.youngest_waiting() == 0
    assert (tally.lost, tally.pending, dict(tally.reasons)) == (4, 0, {"refused": 1, "closed": 3})


def test_numbers_of_others_are_nobodys(tally: Tally) -> None:
    later = Tally(wait=2.0, first=5)
    assert later.send(1.0) == 5
    for number in (0, 4, 6):
        assert later.answered(number, 2.0, 56, 0) is None
    assert later.received == 0


def test_the_memory_for_the_lost_is_bounded(tally: Tally) -> None:
    for _ in range(REMEMBERED + 1):
        tally.send(1.0)
    tally.expired(3.0)
    assert kinds(tally.answered(1, 4.0, 56, 0), tally.answered(2, 4.0, 56, 0)) == [
        Kind.DUPLICATE,
        Kind.LATE,
    ]


def timed(microseconds: list[int]) -> Times:
    times = Times()
    for value in microseconds:
        times.add(value / 1e6)
    return times


@given(st.lists(MICROSECONDS, min_size=1))
def test_the_statistics_are_those_of_the_definitions(microseconds: list[int]) -> None:
    times, values = timed(microseconds), sorted(microseconds)
    named = times.in_ms()
    assert named["min"] == values[0] / 1000
    assert named["max"] == values[-1] / 1000
    assert named["avg"] == pytest.approx(statistics.fmean(values) / 1000, abs=0.001)
    assert named["mdev"] == pytest.approx(statistics.pstdev(values) / 1000, abs=0.001)
    for percent in (50, 90, 95, 99):
        rank = math.ceil(percent * len(values) / 100)
        assert named[f"p{percent}"] == values[rank - 1] / 1000


@given(st.lists(MICROSECONDS, min_size=1))
def test_a_histogram_holds_everything_in_rows_without_gaps(microseconds: list[int]) -> None:
    rows = timed(microseconds).histogram()
    assert sum(count for _, _, count in rows) == len(microseconds)
    for lower, upper, count in rows:
        assert count == sum(lower < value / 1000 <= upper for value in microseconds)
    assert [lower for lower, _, _ in rows[1:]] == [upper for _, upper, _ in rows[:-1]]
    assert rows[0][2] > 0
    assert rows[-1][2] > 0
    assert len(rows) <= 22  # seven powers of ten in coarse steps


def test_a_histogram_has_bounds_that_look_well() -> None:
    rows = timed([130, 210, 450, 450, 690, 1300]).histogram()
    assert rows == [
        (0.1, 0.2, 1),
        (0.2, 0.3, 1),
        (0.3, 0.4, 0),
        (0.4, 0.5, 2),
        (0.5, 0.7, 1),
        (0.7, 1.0, 0),
        (1.0, 2.0, 1),
    ]
    wide = timed([10, 100_000]).histogram()
    assert [upper for _, upper, _ in wide] == [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100]


def test_nothing_has_no_statistics() -> None:
    times = Times()
    assert (times.in_ms(), times.histogram(), times.deviation) == ({}, [], 0.0)
