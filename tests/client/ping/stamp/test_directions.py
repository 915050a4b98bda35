"""Delays by direction, and how far clocks are believed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netechod.client.ping.stamp.directions import Directions, Passage
from netechod.client.ping.tally import Crossing
from netechod.services.stamp.timestamps import PTP, error_estimate

MS = 1_000_000


SYNCHRONIZED = error_estimate(0.00001)


def passage(
    number: int, forward: float, backward: float, error: int = SYNCHRONIZED, hops: int | None = 9
) -> Passage:
    """A passage with delays in milliseconds."""
    return Passage(
        *(number, round(forward * MS), round(backward * MS), round(0.1 * MS), number - 1),
        reflector_error=error,
        hops_forward=hops,
        hops_backward=11,
    )


def measured(*passages: Passage, our_error: float | None = 0.00001) -> tuple[Directions, list[Crossing]]:
    """The figures of a run, and what was shown of each probe."""
    directions = Directions(our_error)
    return directions, [directions.note(one) for one in passages]


def test_delays_are_absolute_when_both_clocks_deserve_it() -> None:
    directions, shown = measured(passage(1, 1.0, 1.2), passage(2, 1.5, 1.1))
    clocks = directions.clocks()
    assert clocks.is_absolute
    assert directions.forward.delays.in_ms()["max"] == 1.5
    assert shown[1].shown == pytest.approx((0.0015, 0.0011))
    assert directions.uncertainty == pytest.approx(0.00002, rel=0.02)


@pytest.mark.parametrize(
    ("error", "our_error"),
    [
        (error_estimate(None), 0.00001),
        (error_estimate(0.00001), None),
        (error_estimate(0.00001) | PTP, 0.00001),
    ],
    ids=["theirs", "ours", "ptp"],
)
def test_delays_are_relative_when_a_clock_does_not(error: int, our_error: float | None) -> None:
    probes = [passage(1, 93.0, -91.0, error=error), passage(2, 93.5, -91.0, error=error)]
    directions, shown = measured(*probes, our_error=our_error)
    assert not directions.clocks().is_absolute
    assert shown[1].shown == pytest.approx((0.0005, 0.0), abs=1e-9)
    assert directions.forward.variation.in_ms()["max"] == 0.5
    assert directions.clocks().offset == pytest.approx((0.091, 0.093))


def test_delays_below_the_errors_contradict_the_clocks() -> None:
    directions, _ = measured(passage(1, 93.0, -91.0), passage(2, 1.0, 1.0))
    clocks = directions.clocks()
    assert (clocks.is_contradictory, clocks.is_absolute, directions.early) == (True, False, 1)


def test_errors_above_half_a_round_trip_say_nothing() -> None:
    directions, _ = measured(passage(1, 1.0, 1.0, error=error_estimate(0.0015)))
    clocks = directions.clocks()
    assert (clocks.is_vague, clocks.is_absolute) == (True, False)


def test_delays_are_never_clamped() -> None:
    directions, shown = measured(passage(1, -0.005, 2.0))
    assert directions.clocks().is_absolute
    assert shown[0].shown[0] == pytest.approx(-0.000005)
    assert directions.forward.delays.in_ms()["min"] == -0.005


def test_clocks_that_drift_have_no_constant_offset() -> None:
    directions, _ = measured(passage(1, 1.0, 1.0), passage(2, -9.0, 11.0), passage(3, 11.0, -9.0))
    assert directions.clocks().offset is None


def test_jitter_is_of_neighbours_that_both_came_in_whatever_order() -> None:
    directions, _ = measured(
        passage(1, 1.0, 1.0), passage(3, 1.3, 1.0), passage(2, 1.1, 1.0), passage(9, 5.0, 1.0)
    )
    assert directions.forward.jitter.count == 2
    assert directions.forward.jitter.in_ms()["max"] == 0.2


def test_a_duplicate_has_no_figures() -> None:
    directions, _ = measured(passage(1, 1.0, 1.0), passage(1, 4.0, 1.0))
    assert directions.forward.delays.count == 1


def test_another_number_of_hops_is_told() -> None:
    third = passage(3, 1.0, 1.0, hops=None)._replace(hops_backward=12)
    _, shown = measured(passage(1, 1.0, 1.0), passage(2, 1.0, 1.0, hops=10), third)
    assert [one.reroutings for one in shown] == [(None, None), ((9, 10), None), (None, (11, 12))]


@given(
    st.lists(st.tuples(st.integers(0, 10**7), st.integers(0, 10**7)), min_size=1, max_size=20),
    st.integers(-(10**18), 10**18),
)
def test_the_offset_is_within_its_bounds_and_changes_no_variation(
    delays: list[tuple[int, int]], offset: int
) -> None:
    directions, at_once = Directions(None), Directions(None)
    for number, (forward, backward) in enumerate(delays, 1):
        for run, shift in ((directions, offset), (at_once, 0)):
            run.note(Passage(number, forward + shift, backward - shift, 0, 0, 0x1D80, None, None))
    bounds = directions.clocks().offset
    slack = 1e-6 + abs(offset) / 1e9 * 1e-15
    assert bounds is None or bounds[0] - slack <= offset / 1e9 <= bounds[1] + slack
    assert (
        bounds is not None or min(forward for forward, _ in delays) + min(back for _, back in delays) < 1000
    )
    for one, other in ((directions.forward, at_once.forward), (directions.backward, at_once.backward)):
        assert one.variation.percentiles((50,)) == pytest.approx(other.variation.percentiles((50,)), abs=2e-6)
