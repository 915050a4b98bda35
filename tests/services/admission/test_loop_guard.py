"""The loop guard drops one of many repeated datagrams, which ends a loop."""

from collections.abc import Callable
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.bouncing import Watcher

from netechod.services.admission.loop_guard import LONGEST_SKIP, MAX_REPEATED, MIN_SAMPLES
from netechod.services.api import Datagram

LIMIT = 5
PICKS = 16 * 16 * 8  # datagrams until a partner is picked, with all but certainty


def carried(forged: list[Datagram]) -> int:
    """Return the number of datagrams until the last one is dropped. All in flight come in one batch."""
    watcher, flying, carried = Watcher(LIMIT), forged, 0
    while flying:
        carried += len(flying)
        found = watcher.find(flying)
        flying = [datagram for place, datagram in enumerate(flying) if place not in found]
    return carried


@pytest.mark.parametrize("loops", [1, 2, 3, 64])
def test_however_many_are_forged_each_ends(loops: int) -> None:
    forged: list[Datagram] = [(b"%d" % number, "echo") for number in range(loops)]
    assert carried(forged) <= loops * LIMIT * (loops + LONGEST_SKIP)


@pytest.mark.parametrize("period", [2, 3, 100])
def test_a_loop_in_which_every_answer_brings_another_question_ends(period: int) -> None:
    watcher = Watcher(LIMIT)
    last = next(n for n in count() if watcher.find([(b"%d" % (n % period), "peer")]))
    assert last <= period * LIMIT * (LONGEST_SKIP + 1)


def test_nothing_is_dropped_before_it_has_come_so_often() -> None:
    watcher = Watcher(LIMIT)
    for number in range(3 * (LIMIT - 1)):
        assert not watcher.find([(b"%d" % (number % 3), "client")])


def test_a_client_that_numbers_its_questions_and_has_several_in_flight_loses_none() -> None:
    watcher = Watcher(LIMIT)
    for number in range(10 * MAX_REPEATED):
        assert not watcher.find([(b"%d" % number, "client"), (b"%d." % number, "client")])


def test_a_client_that_numbers_its_questions_and_rests_between_them_loses_none() -> None:
    watcher = Watcher(LIMIT, 32)
    for second in range(10 * MAX_REPEATED):
        assert not watcher.find([(b"%d" % second, "client")], float(second))


def test_a_client_that_never_rests_and_asks_one_at_a_time_loses_at_most_one_in_the_limit() -> None:
    watcher, passed, lost = Watcher(LIMIT), 0, 0
    for number in range(10 * MAX_REPEATED):
        found = watcher.find([(b"%d" % number, "client")], number / 1000)
        assert not found or passed + 1 >= LIMIT
        passed = 0 if found else passed + 1
        lost += len(found)
    assert lost > 0


def exchange(text: Callable[[int], bytes], others: int = 0) -> int:
    """Return how many rounds there are between us and a partner who says that, amid others' datagrams."""
    watcher = Watcher(100, MIN_SAMPLES)
    for number in count():
        batch: list[Datagram] = [(text(number), "partner")]
        batch += [(b"%d" % number, (number, other)) for other in range(others)]
        if 0 in watcher.find(batch, number * 0.001):
            return number
    raise AssertionError


def test_an_exchange_is_followed_while_others_ask_in_between() -> None:
    watcher, dropped = Watcher(100, MIN_SAMPLES), 0
    for number in range(40_000):
        for peer in ("partner", "client"):
            dropped += len(watcher.find([(b"%d" % number, peer)], number * 0.001))
    assert dropped >= 2


TEXTS: dict[str, Callable[[int], bytes]] = {
    "counter": lambda number: b"%d" % number,
    "time": lambda number: b"%.3f" % (1.7e9 + number / 1000),
    "growing": lambda number: b"x" * number,
    "three by turns": lambda number: b"%d" % (number % 3),
    "a few by chance": lambda number: b"%d" % (hash(number * 0.1) % 7),
    "alternately new": lambda number: b"%d" % (number if number % 2 else 0),
}


@pytest.mark.parametrize("others", [0, 1, 30])
@pytest.mark.parametrize("name", TEXTS)
def test_a_partner_that_answers_everything_is_dropped_in_the_end_whatever_it_says(
    name: str, others: int
) -> None:
    assert 100 <= exchange(TEXTS[name], others) <= 100 * (LONGEST_SKIP + 1) * 2 + 16 * PICKS


def test_two_loops_amid_many_others_end() -> None:
    watcher = Watcher(LIMIT)
    flying: list[Datagram] = [(b"one", "echo"), (b"two", "echo")]
    forged = count()
    while flying:
        others: list[Datagram] = [(b"", next(forged)) for _ in range(30)]
        found = watcher.find(flying + others)
        flying = [datagram for place, datagram in enumerate(flying) if place not in found]


def test_no_datagrams_are_no_bounce() -> None:
    assert not Watcher(LIMIT).find([])


@pytest.mark.parametrize("size", [1, 7, 64])
def test_of_what_is_all_the_same_exactly_one_in_so_many_is_dropped(size: int) -> None:
    watcher = Watcher(LIMIT)
    batch: list[Datagram] = [(b"same", "client")] * size
    dropped = [turn * size + place + 1 for turn in range(2000) for place in sorted(watcher.find(batch))]
    assert dropped == list(range(LIMIT, 2000 * size + 1, LIMIT))


@settings(deadline=None)
@given(st.lists(st.lists(st.tuples(st.sampled_from([b"a", b"b"]), st.sampled_from("xy")), min_size=1)))
def test_a_row_is_what_one_peer_says_without_anything_else_in_between(batches: list[list[Datagram]]) -> None:
    watcher = Watcher(3, MIN_SAMPLES)
    rows: dict[object, tuple[bytes, int]] = {}
    for batch in batches:
        found = watcher.find(batch)
        for place, (payload, peer) in enumerate(batch):
            last, length = rows.get(peer, (b"", 0))
            rows[peer] = payload, length + 1 if last == payload else 1
            assert (place in found) == (rows[peer][1] % 3 == 0)


def test_a_client_that_asks_by_turns_is_left_alone_for_long_however_small_the_limit() -> None:
    watcher = Watcher(2, MIN_SAMPLES)
    for _ in range(MIN_SAMPLES):
        assert not watcher.find([(b"one", "client")])
        assert not watcher.find([(b"two", "client")])
