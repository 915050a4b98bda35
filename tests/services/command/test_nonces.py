"""Which requests are taken: each once, and only in its time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netechod.services.command import nonces
from netechod.services.command.nonces import NonceCache

START = 1000.5
NOW = 2000.0


@pytest.fixture
def cache() -> NonceCache:
    return NonceCache(START)


@pytest.mark.parametrize(
    ("seconds", "refusal"),
    [
        (1969, "stale"),
        (1970, None),
        (2000, None),
        (2030, None),
        (2031, "stale"),
        (0, "stale"),
        (10**12, "stale"),
    ],
)
def test_the_clocks_may_differ_by_the_window(cache: NonceCache, seconds: int, refusal: str | None) -> None:
    assert cache.refusal("a", seconds, NOW) == refusal
    assert cache.refusal("b", seconds, NOW + 0.9) == refusal


def test_what_was_made_before_the_start_is_refused(cache: NonceCache) -> None:
    assert cache.refusal("a", 999, 1001.0) == "before-start"
    assert cache.refusal("b", 1000, 1001.0) is None


def test_a_nonce_is_good_once_whatever_comes_with_it(cache: NonceCache) -> None:
    assert cache.refusal("a", 2000, NOW) is None
    assert cache.refusal("a", 2000, NOW) == "replayed"
    assert cache.refusal("a", 2001, NOW + 5) == "replayed"


def test_what_is_refused_is_not_remembered(cache: NonceCache) -> None:
    assert cache.refusal("a", 3000, NOW) == "stale"
    assert len(cache) == 0
    assert cache.refusal("a", 2000, NOW) is None


def test_a_request_ahead_of_its_time_is_remembered_until_its_window_ends(cache: NonceCache) -> None:
    assert cache.refusal("a", 2030, NOW) is None
    assert cache.refusal("a", 2030, NOW + 60.9) == "replayed"
    assert cache.refusal("a", 2030, NOW + 61) == "stale"


def test_what_its_time_refuses_is_forgotten(cache: NonceCache) -> None:
    for second in range(100):
        assert cache.refusal(f"{second}", 2000 + second, NOW + second) is None
    assert len(cache) == 31


def test_a_clock_that_is_put_back_brings_nothing_back(cache: NonceCache) -> None:
    assert cache.refusal("a", 2000, NOW) is None
    assert cache.refusal("b", 2100, NOW + 100) is None
    assert cache.refusal("a", 2000, NOW) == "stale"
    assert cache.refusal("c", 1999, NOW) == "stale"
    assert cache.refusal("d", 2001, NOW) is None


def test_a_longer_window_brings_nothing_back(cache: NonceCache) -> None:
    assert cache.refusal("a", 2000, NOW) is None
    assert cache.refusal("b", 2031, NOW + 31) is None
    cache.window = 60
    assert cache.refusal("a", 2000, NOW + 31) == "stale"


def test_without_room_nothing_is_taken(cache: NonceCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nonces, "MAX_NONCES", 2)
    assert cache.refusal("a", 2000, NOW) is None
    assert cache.refusal("b", 2001, NOW) is None
    assert cache.refusal("c", 2000, NOW) == "nonces-full"
    assert cache.refusal("a", 2000, NOW) == "replayed"
    assert cache.refusal("c", 2020, NOW + 31) is None


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(950, 1150), st.floats(950, 1150)),
        max_size=40,
    )
)
def test_no_request_is_ever_taken_twice(asked: list[tuple[str, int, float]]) -> None:
    """The clock may jump. A request is its nonce and its time, which are signed together."""
    cache = NonceCache(1000)
    taken = [
        (nonce, seconds) for nonce, seconds, wall in asked if cache.refusal(nonce, seconds, wall) is None
    ]
    assert len(taken) == len(set(taken))


def test_a_clock_that_is_set_back_leaves_times_that_are_refused_as_a_whole(cache: NonceCache) -> None:
    assert cache.refused_before == 1000
    assert cache.refusal("a", 2000, NOW) is None
    assert cache.refusal("b", 2100, NOW + 100) is None
    assert cache.refused_before == 2001
    assert cache.refusal("c", 2000, NOW) == "stale"
