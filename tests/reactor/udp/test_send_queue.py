"""The send queue loses, doubles and reorders nothing, whatever the portions are."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netechod.reactor.udp.budget import BATCH
from netechod.reactor.udp.datagram_io import FanOut
from netechod.reactor.udp.send_queue import SendQueue
from netechod.services.api import Datagram


def drained(queue: SendQueue) -> list[Datagram]:
    """Everything, portion by portion."""
    datagrams: list[Datagram] = []
    while queue.size:
        portion = queue.first()
        assert 0 < len(portion) <= BATCH
        datagrams += portion
        queue.drop(len(portion))
    return datagrams


@pytest.fixture
def queue() -> SendQueue:
    return SendQueue()


def test_single_datagrams_gather_in_full_portions(queue: SendQueue) -> None:
    for number in range(2 * BATCH + 1):
        queue.add(b"hi", number)
    sizes = []
    while queue.size:
        sizes.append(len(queue.first()))
        queue.drop(sizes[-1])
    assert sizes == [BATCH, BATCH, 1]


def test_what_came_as_one_portion_leaves_as_it_is(queue: SendQueue) -> None:
    batch: list[Datagram] = [(b"hi", "ann"), (b"ho", "bob")]
    queue.add_all(batch)
    queue.add(b"more", "cat")
    assert queue.first() is batch
    assert drained(queue) == [*batch, (b"more", "cat")]
    assert len(batch) == 2


def test_nothing_is_no_portion(queue: SendQueue) -> None:
    queue.add_all([])
    queue.add_all(FanOut(b"news", ()))
    queue.add(b"hi", "ann")
    assert drained(queue) == [(b"hi", "ann")]


def test_what_is_queued_after_a_part_has_left_is_not_lost(queue: SendQueue) -> None:
    for number in range(3):
        queue.add(b"hi", number)
    queue.drop(1)
    queue.add(b"hi", 3)
    queue.drop(3)
    queue.add(b"hi", 4)
    assert drained(queue) == [(b"hi", 4)]


def test_a_fan_out_reads_as_its_datagrams() -> None:
    news = FanOut(b"news", ("ann", "bob", "cat"))
    assert list(news) == [(b"news", "ann"), (b"news", "bob"), (b"news", "cat")]
    assert list(news[1:]) == [(b"news", "bob"), (b"news", "cat")]
    assert (news[0], news[-1], len(news)) == ((b"news", "ann"), (b"news", "cat"), 3)


PORTIONS = st.one_of(
    st.integers(0, 3 * BATCH).map(lambda count: [(b"%d" % number, number) for number in range(count)]),
    st.integers(0, 3 * BATCH).map(lambda count: FanOut(b"news", tuple(range(count)))),
    st.tuples(st.binary(max_size=3), st.integers()),
)


def test_what_was_marked_is_told_from_what_has_come_since(queue: SendQueue) -> None:
    queue.add_all(FanOut(b"old", tuple(range(100))))
    queue.mark()
    queue.add_all(FanOut(b"new", tuple(range(100))))
    queue.drop(30)
    assert queue.marked == 70
    queue.drop(queue.marked)
    assert drained(queue) == list(FanOut(b"new", tuple(range(100))))
    assert queue.marked <= 0


def test_no_more_is_taken_from_a_portion_than_was_asked_for(queue: SendQueue) -> None:
    queue.add_all(FanOut(b"news", tuple(range(10))))
    assert list(queue.first(3)) == list(FanOut(b"news", (0, 1, 2)))
    queue.drop(3)
    assert list(queue.first(4)) == list(FanOut(b"news", (3, 4, 5, 6)))


@given(st.lists(st.one_of(PORTIONS, st.integers(1, 2 * BATCH))))
def test_any_mixture_leaves_in_the_order_in_which_it_came(
    steps: list[Sequence[Datagram] | Datagram | int],
) -> None:
    """An integer drops so many; the rest is queued. A plain list is the model."""
    queue, model = SendQueue(), list[Datagram]()
    for step in steps:
        if isinstance(step, int):
            count = min(step, queue.size)
            queue.drop(count)
            del model[:count]
        elif isinstance(step, tuple) and isinstance(step[0], bytes):
            queue.add(step[0], step[1])
            model.append((step[0], step[1]))
        else:
            queue.add_all(step)  # type: ignore[arg-type]  # mypy cannot tell a datagram from a sequence
            model += step  # type: ignore[arg-type]
        assert queue.size == len(model)
    assert drained(queue) == model
