"""What comes and comes again: now and then one is dropped, which ends what goes round."""

from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.bouncing import Watcher

from netechod.services.api import Datagram
from netechod.services.bounces import LONGEST_SKIP, MAX_SEEN, MIN_LOOKS

LIMIT = 5


def carried(forged: list[Datagram]) -> int:
    """How many datagrams go round, all those in flight in one batch, until the last of them is dropped."""
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


def test_a_client_that_numbers_its_questions_loses_none() -> None:
    watcher = Watcher(2)
    for number in range(10 * MAX_SEEN):
        assert not watcher.find([(b"%d" % number, "client")])


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
    watcher = Watcher(3, MIN_LOOKS)
    rows: dict[object, tuple[bytes, int]] = {}
    for batch in batches:
        found = watcher.find(batch)
        for place, (payload, peer) in enumerate(batch):
            last, length = rows.get(peer, (b"", 0))
            rows[peer] = payload, length + 1 if last == payload else 1
            assert (place in found) == (rows[peer][1] % 3 == 0)


def test_a_client_that_asks_by_turns_is_left_alone_for_long_however_small_the_limit() -> None:
    watcher = Watcher(2, MIN_LOOKS)
    for _ in range(MIN_LOOKS):
        assert not watcher.find([(b"one", "client")])
        assert not watcher.find([(b"two", "client")])
