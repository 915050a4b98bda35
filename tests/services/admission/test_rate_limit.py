"""The rate limit: the number of datagrams of a source that are admitted."""

import tracemalloc
from collections import defaultdict
from collections.abc import Hashable

from hypothesis import given, settings
from hypothesis import strategies as st

from netechod.services.admission.rate_limit import DROPS, LEAK, MAX_SOURCES, Buckets

# Addresses.


def answered(buckets: Buckets, source: Hashable, times: int, now: float) -> int:
    """Return how many of so many datagrams at once are admitted."""
    return sum(buckets.admits(source, now) for _ in range(times))


def test_a_burst_is_admitted_and_then_exactly_one_in_four() -> None:
    buckets = Buckets(rate=50.0, burst=10)
    assert answered(buckets, "ann", 10, 0.0) == 10
    assert [buckets.admits("ann", 0.0) for _ in range(12)] == [False, False, False, True] * 3
    assert LEAK == 4


def test_fifty_a_second_and_a_hundred_at_once_unless_configured() -> None:
    buckets = Buckets()
    assert answered(buckets, "ann", 103, 0.0) == 100
    assert answered(buckets, "ann", 50, 1.0) == 50
    assert answered(buckets, "ann", 1, 1.0) == 1  # the fourth over the rate
    assert answered(buckets, "ann", 3, 1.0) == 0


def test_a_bucket_fills_with_time_to_the_brim_and_not_beyond() -> None:
    buckets = Buckets(rate=2.0, burst=4)
    assert answered(buckets, "ann", 4, 0.0) == 4
    assert [buckets.admits("ann", now) for now in (0.25, 0.5, 0.75, 1.0)] == [False, True, False, True]
    assert answered(buckets, "ann", 4, 1000.0) == 4
    assert answered(buckets, "ann", 3, 1000.0) == 0  # it was full: what was over the rate before is forgotten
    assert answered(buckets, "ann", 1, 1000.0) == 1


def test_one_source_does_not_use_up_what_another_may() -> None:
    buckets = Buckets(rate=1.0, burst=2)
    assert answered(buckets, "ann", 5, 0.0) == 2
    assert answered(buckets, "bob", 2, 0.0) == 2


def test_another_measure_holds_at_once_for_all() -> None:
    buckets = Buckets(rate=1.0, burst=100)
    assert answered(buckets, "ann", 10, 0.0) == 10
    buckets.configure(rate=3.0, burst=5)
    assert answered(buckets, "ann", 8, 0.0) == 5
    assert answered(buckets, "ann", 3, 1.0) == 3


def test_only_so_many_sources_are_remembered_and_the_idlest_starts_anew() -> None:
    buckets = Buckets(rate=0.001, burst=1)
    assert all(buckets.admits(source, 0.0) for source in range(MAX_SOURCES))
    assert not buckets.admits(0, 1.0)  # heard again: 1 is the idlest now
    assert buckets.admits("one more", 1.0)
    assert not buckets.admits(0, 1.0)
    assert not buckets.admits(2, 1.0)
    assert buckets.admits(1, 1.0)


def test_sources_that_send_once_cost_no_memory() -> None:
    buckets = Buckets(rate=50.0, burst=100)
    assert answered(buckets, "talker", 100, 0.0) == 100
    tracemalloc.start()
    for number in range(60_000):
        assert buckets.admits(number, 3.0 + number / 100_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20, "those whose bucket is full again are not kept"


def test_the_first_datagram_after_a_flood_drops_only_some_of_its_buckets() -> None:
    buckets = Buckets(rate=1.0, burst=2)
    for source in range(10 * DROPS):
        buckets.admits(source, 0.0)
    buckets.admits("ann", 100.0)
    assert len(buckets._buckets) == 9 * DROPS + 1
    for _ in range(9):
        buckets.admits("ann", 100.0)
    assert list(buckets._buckets) == ["ann"]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["ann", "bob"]), st.integers(0, 8)), max_size=80),
    st.sampled_from([0.5, 1.0, 4.0]),
    st.integers(1, 8),
)
def test_no_history_beats_the_measure_by_more_than_the_leak(
    history: list[tuple[str, int]], rate: float, burst: int
) -> None:
    buckets = Buckets(rate=rate, burst=burst)
    now = 0.0
    admitted: dict[str, int] = defaultdict(int)
    refused: dict[str, int] = defaultdict(int)
    for source, eighths in history:
        now += eighths / 8
        (admitted if buckets.admits(source, now) else refused)[source] += 1
    for source in ("ann", "bob"):
        # Of all that is over the rate, one in LEAK is admitted: never a whole LEAK of refusals without one.
        assert admitted[source] <= burst + rate * now + (admitted[source] + refused[source]) // LEAK
        assert refused[source] <= (admitted[source] + refused[source]) * (LEAK - 1) / LEAK + LEAK - 1
