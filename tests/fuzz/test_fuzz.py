"""Every fuzz target on some inputs; `scripts/fuzz` gives them as many as one likes."""

import pytest
from fuzz.target import Target, all_targets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

TARGETS = list(all_targets().values())


def inputs(target: Target) -> st.SearchStrategy[bytes]:
    """Bytes, and the words that the target is known to care for."""
    pieces = st.binary(max_size=12)
    if known := [*target.words, *target.seeds]:
        pieces |= st.sampled_from(known)
    return st.lists(pieces, max_size=12).map(b"".join)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_what_a_target_asserts_holds_for_any_input(target: Target) -> None:
    for seed in (b"", *target.words, *target.seeds):
        target(seed)

    @settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
    @given(inputs(target))
    def holds(data: bytes) -> None:
        target(data)

    holds()
