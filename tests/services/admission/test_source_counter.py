"""Places by source and by site."""

import pytest

from netechod.services.admission.source_counter import SourceCounter

LIMITS = {"per_source": 2, "places": 16}


@pytest.fixture
def counter() -> SourceCounter:
    return SourceCounter()


def test_a_source_gets_no_more_than_its_share(counter: SourceCounter) -> None:
    counter.add("192.0.2.1")
    assert counter.has_place("192.0.2.1", **LIMITS)
    counter.add("::ffff:192.0.2.1")
    assert not counter.has_place("192.0.2.1", **LIMITS)
    assert counter.has_place("192.0.2.2", **LIMITS)


def test_a_place_that_is_left_can_be_taken_again(counter: SourceCounter) -> None:
    for _ in range(2):
        counter.add("2001:db8::1")
    counter.remove("2001:db8::2")
    assert counter.has_place("2001:db8::3", **LIMITS)


def test_a_site_holds_at_most_a_quarter_of_all_places(counter: SourceCounter) -> None:
    for network in range(4):
        assert counter.has_place(f"2001:db8:0:{network}::1", **LIMITS)
        counter.add(f"2001:db8:0:{network}::1")
    assert not counter.has_place("2001:db8:0:4::1", **LIMITS)
    assert counter.has_place("2001:db8:1:4::1", **LIMITS)
    counter.remove("2001:db8:0:3::7")
    assert counter.has_place("2001:db8:0:4::1", **LIMITS)


def test_a_site_always_gets_what_one_source_may_have(counter: SourceCounter) -> None:
    counter.add("2001:db8::1")
    assert counter.has_place("2001:db8:0:1::1", per_source=2, places=2)


def test_nothing_is_remembered_of_sources_that_have_left(counter: SourceCounter) -> None:
    counter.add("2001:db8::1")
    counter.remove("2001:db8::1")
    assert not counter._held
