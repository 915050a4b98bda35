"""Every fuzz target on some inputs; `scripts/fuzz` gives them as many as one likes."""

import random

import pytest
from fuzz.cost import excess
from fuzz.feed import Feed
from fuzz.growing import FAMILIES, full_sized, grown, repeated
from fuzz.target import DATAGRAM, Target, all_targets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

TARGETS = list(all_targets().values())


def inputs(target: Target) -> st.SearchStrategy[bytes]:
    """Bytes, and the words that the target is known to care for."""
    pieces = st.binary(max_size=12)
    pieces |= st.sampled_from([*FAMILIES, *target.words, *target.seeds])
    return st.lists(pieces, max_size=12).map(b"".join)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_what_a_target_asserts_holds_for_any_input(target: Target) -> None:
    for seed in (b"", *FAMILIES, *target.words, *target.seeds):
        target(seed)

    @settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
    @given(inputs(target))
    def holds(data: bytes) -> None:
        target(data)

    holds()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_no_input_as_large_as_a_datagram_costs_more_than_its_length_explains(target: Target) -> None:
    slow = {}
    for data in full_sized(target):
        assert len(data) <= target.largest
        if cost := excess(target, data):
            slow[data[:20]] = cost
    assert slow == {}


def quadratic(feed: Feed) -> None:
    data = feed.rest()
    assert all(data[::-1][-1:] == data[:1] for _ in data[::8])


def test_work_that_is_not_linear_is_found() -> None:
    assert excess(Target("quadratic", "", quadratic, (), ()), repeated(b"ab", DATAGRAM))


def test_an_input_grows_by_repeating_what_is_in_it() -> None:
    rng = random.Random(1)
    inputs = [grown(b"ab", 1000, rng) for _ in range(200)]
    assert max(map(len, inputs)) > 900
    assert all(len(data) <= 1000 for data in inputs)
    assert any(set(data) == set(b"ab") and len(data) > 100 for data in inputs)
    assert any(FAMILIES[0] * 10 in data for data in inputs)
    assert grown(b"x" * 2000, 1000, rng) == b"x" * 1000
