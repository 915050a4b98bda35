"""Losses, duplicates and reordering by direction, out of the numbers of both sides."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netechod.client.ping.stamp import numbers as module
from netechod.client.ping.stamp.numbers import Doubles, Losses, Numbers


def heard(pairs: Iterable[tuple[int, int]]) -> Numbers:
    """Answers to probes (from 1), with the reflector's numbers (from 0), in order of arrival."""
    numbers = Numbers()
    for probe, number in pairs:
        numbers.note(probe, number)
    return numbers


def test_a_number_that_never_came_was_lost_backward_and_a_probe_without_one_forward() -> None:
    numbers = heard([(1, 0), (3, 1), (5, 3)])  # 2 lost forward; 4 was number 2, lost backward
    assert numbers.counts is True
    assert numbers.losses(2) == Losses(1, 1, 0)


def test_what_is_lost_at_the_end_has_no_direction() -> None:
    assert heard([(1, 0), (3, 1)]).losses(4) == Losses(1, 0, 3)


def test_without_losses_nothing_is_unknown() -> None:
    assert heard([(1, 0), (2, 1)]).losses(0) == Losses(0, 0, 0)


def test_copies_of_our_numbers_tell_no_direction_until_it_is_known_that_the_reflector_counts() -> None:
    numbers = heard([(1, 0), (4, 3)])
    assert (numbers.counts, numbers.losses(2)) == (None, Losses(None, None, 2))
    numbers.is_revealed = False
    assert numbers.losses(2) == Losses(None, None, 2)
    numbers.is_revealed = True
    assert numbers.losses(2) == Losses(0, 2, 0)


def test_a_reflector_that_began_before_us_is_counted_from_its_first_number() -> None:
    assert heard([(1, 500), (2, 501), (4, 503)]).losses(1) == Losses(0, 1, 0)


def test_a_reflector_that_restarts_counts_from_0_again() -> None:
    before = [(probe, probe - 1) for probe in range(1, 9) if probe != 4]  # number 3 lost backward
    after = [(probe, probe - 12) for probe in range(12, 20) if probe != 15]  # probes 9 to 11 lost forward
    assert heard(before + after).losses(5) == Losses(3, 2, 0)


def test_doubles_have_a_direction() -> None:
    numbers = heard([(1, 0), (2, 1), (2, 2), (3, 3), (3, 3)])  # 2 doubled forward, 3 backward
    assert numbers.duplicates() == Doubles(1, 1)
    assert numbers.losses(0) == Losses(0, 0, 0)
    assert heard([(1, 0), (1, 0)]).duplicates() == Doubles(None, None)
    assert heard([(1, 0), (2, 1)]).duplicates() == Doubles(0, 0)


def test_reordering_has_a_direction() -> None:
    assert heard([(1, 0), (3, 1), (2, 2)]).reordered() == Doubles(1, 0)
    swapped_back = heard([(1, 0), (3, 2), (2, 1), (5, 3)])
    assert swapped_back.reordered() == Doubles(0, 1)
    assert heard([(1, 0), (3, 2), (2, 1)]).reordered() == Doubles(None, None)
    assert heard([(1, 0), (2, 1)]).reordered() == Doubles(0, 0)


def test_a_restart_is_no_reordering() -> None:
    assert heard([(1, 0), (2, 1), (4, 0), (5, 1)]).reordered() == Doubles(0, 0)


def test_only_the_latest_numbers_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 3)
    numbers = heard([(probe, probe) for probe in range(1, 9)])
    numbers.note(8, 8)
    assert numbers.duplicates() == Doubles(0, 1)
    assert numbers.losses(0) == Losses(0, 0, 0)


@given(st.lists(st.sampled_from(["both", "forward", "backward"]), min_size=1, max_size=60))
def test_losses_up_to_the_last_answer_are_exact(fates: list[str]) -> None:
    pairs, number = [(1, 0)], 1
    for probe, fate in enumerate(fates, 2):
        if fate == "both":
            pairs.append((probe, number))
        number += fate != "forward"
    numbers = heard(pairs)
    numbers.is_revealed = True
    last = pairs[-1][0]
    told = numbers.losses(len(fates) + 1 - len(pairs))
    before = fates[: last - 1]
    assert told[:2] == (before.count("forward"), before.count("backward"))
    assert told.unknown == len(fates) + 1 - last
