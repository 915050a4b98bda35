"""The three ways to wait: the same masks for the same events, whatever the kernel's interface."""

import os
import select
import time
from collections.abc import Iterator

import pytest

from netechod.reactor.selectors import READABLE, SELECTORS, WRITABLE, Selector, SelectorName


@pytest.fixture
def selector(selector_name: SelectorName) -> Iterator[Selector]:
    selector = SELECTORS[selector_name]()
    yield selector
    selector.close()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The ends of a pipe: the one to read, the one to write."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_what_is_ready_comes_with_its_mask(selector: Selector, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    selector.register(reader, READABLE)
    selector.register(writer, WRITABLE)
    assert selector.wait(None) == [(writer, WRITABLE)]
    os.write(writer, b"x")
    assert sorted(selector.wait(None)) == [(reader, READABLE), (writer, WRITABLE)]


def test_what_is_not_dealt_with_is_reported_again(selector: Selector, pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"x")
    selector.register(pipe[0], READABLE)
    assert selector.wait(0.0) == selector.wait(0.0) == [(pipe[0], READABLE)]


def test_one_descriptor_ready_for_both_is_reported_once(selector: Selector) -> None:
    fd = os.eventfd(1)  # one to read, and room for more
    try:
        selector.register(fd, READABLE | WRITABLE)
        assert selector.wait(None) == [(fd, READABLE | WRITABLE)]
        selector.modify(fd, READABLE)
        assert selector.wait(None) == [(fd, READABLE)]
        selector.modify(fd, WRITABLE)
        assert selector.wait(None) == [(fd, WRITABLE)]
        selector.unregister(fd)
        assert selector.wait(0.0) == []
    finally:
        os.close(fd)


def test_a_wait_ends_after_its_time_and_not_before(selector: Selector, pipe: tuple[int, int]) -> None:
    selector.register(pipe[0], READABLE)
    began = time.monotonic()
    assert selector.wait(0.0105) == []
    assert time.monotonic() - began >= 0.0105


def test_a_hang_up_is_reported_to_the_reader(selector: Selector) -> None:
    reader, writer = os.pipe()
    os.close(writer)
    try:
        selector.register(reader, READABLE)
        [(fd, mask)] = selector.wait(None)
        assert fd == reader
        assert mask & (READABLE | select.POLLHUP)
    finally:
        os.close(reader)


def test_only_select_is_limited(selector: Selector, selector_name: SelectorName) -> None:
    assert selector.limit == (1024 if selector_name == "select" else None)


def test_select_itself_refuses_what_the_limit_forbids() -> None:
    """The reason for the limit: one descriptor too high, and no wait works any more (select(2), BUGS)."""
    selector = SELECTORS["select"]()
    assert selector.limit is not None
    selector.register(selector.limit, READABLE)
    with pytest.raises(ValueError, match="out of range"):
        selector.wait(0.0)
