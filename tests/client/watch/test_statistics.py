"""What is counted of a target."""

import math
import random

import pytest

from netechod.client.watch.bands import banded
from netechod.client.watch.statistics import BUCKETS, SAMPLES, Histogram, Minute, Statistics


def test_percentiles_are_within_a_percent() -> None:
    times, drawn = Histogram(), random.Random(7)
    values = sorted(drawn.lognormvariate(-6, 1.5) for _ in range(5000))
    for value in values:
        times.add(value)
    for percent, found in zip((50, 95, 99), times.percentiles((50, 95, 99)), strict=True):
        exact = values[math.ceil(percent / 100 * len(values)) - 1]
        assert found == pytest.approx(exact, rel=0.01)
    assert times.mean == pytest.approx(sum(values) / len(values))


def test_without_answers_there_are_no_percentiles() -> None:
    assert Histogram().percentiles((50, 95)) == []
    assert Histogram().mean is None


def test_the_last_minute_forgets() -> None:
    minute = Minute()
    for second in range(100, 200):
        minute.add(second + 0.5, 0.01 if second % 2 else None)
    assert (minute.answered, minute.lost, minute.loss) == (30, 30, 50.0)
    minute.forget(230.0)
    assert minute.answered + minute.lost == 29  # of the seconds 171 to 199
    minute.forget(1000.0)
    assert (minute.answered, minute.lost, minute.loss, minute.mean) == (0, 0, 0.0, None)


def test_an_outage_lasts_from_the_first_lost_probe_to_the_first_answered_one() -> None:
    counted = Statistics()
    for at, seconds in enumerate([0.01, None, None, None, 0.01, None, 0.01]):
        number = counted.send(float(at))
        if seconds is None:
            counted.lose(number, "timeout", at + 2.0)
        else:
            counted.answer(number, seconds, float(at))
    assert counted.longest == (1.0, 3.0)
    assert counted.outage_began is None
    counted.lose(counted.send(7.0), "refused", 7.0)
    assert counted.longest_outage(9.0) == (1.0, 3.0)
    assert counted.longest_outage(17.0) == (7.0, 10.0)  # it still goes on
    assert counted.reasons == {"timeout": 4, "refused": 1}
    assert (counted.loss, counted.last) == (62.5, None)


def test_a_late_answer_and_a_copy_are_told_apart() -> None:
    counted = Statistics()
    first, second = counted.send(0.0), counted.send(1.0)
    counted.lose(first, "timeout", 2.0)
    counted.answer(second, 0.1, 1.1)
    assert [counted.answer_again(it) for it in (first, first, second)] == ["late", "duplicate", "duplicate"]
    assert (counted.answered, counted.lost, counted.late, counted.duplicates) == (1, 1, 1, 2)


def test_only_the_latest_samples_are_kept_in_their_order() -> None:
    counted = Statistics()
    for at in range(SAMPLES + 50):
        counted.answer(counted.send(float(at)), at / 1000, float(at))
    under_way = counted.send(1e6)
    samples = list(counted.samples())
    assert len(samples) == SAMPLES - 1
    assert samples[0][0] == 51.0
    assert [at for at, _ in samples] == sorted(at for at, _ in samples)
    assert not counted.is_recent(50)
    assert counted.is_recent(under_way)


def test_each_time_is_in_one_bucket() -> None:
    counted = Statistics()
    for seconds in (0.0, 0.0001, 0.00011, 10.0, 11.0):
        counted.answer(counted.send(0.0), seconds, 0.0)
    assert (counted.buckets[0], counted.buckets[1], counted.buckets[-2], counted.buckets[-1]) == (2, 1, 1, 1)
    assert sum(counted.buckets) == 5
    assert len(counted.buckets) == len(BUCKETS) + 1


def test_jitter_is_smoothed_as_in_rfc_3550() -> None:
    counted = Statistics()
    for seconds in (0.010, 0.026, 0.010):
        counted.answer(counted.send(0.0), seconds, 0.0)
    assert counted.jitter == pytest.approx(0.001 + (0.016 - 0.001) / 16)


def test_samples_are_put_together_by_time() -> None:
    samples = [(float(at), None if at in (4, 5) else at / 1000) for at in range(10)]
    first, second, third, *_ = banded(samples, 5)
    assert first is not None
    assert (first.p50, first.p99, first.least, first.sent, first.lost) == (0.0, 0.001, 0.0, 2, 0)
    assert second is not None
    assert third is not None
    assert (third.p50, third.lost) == (None, 2)
    assert banded([(0.0, 0.1), (100.0, 0.1)], 5) == [
        (0.0, 0.1, 0.1, 0.1, 1, 0),
        (100.0, 0.1, 0.1, 0.1, 1, 0),
    ]
    assert banded([(float(at**4), 0.1) for at in range(5)], 5)[2] is None
