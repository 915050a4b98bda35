"""The loop under test, over each of the three selectors, and a bench of sockets around it."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from support.looping import FakeClock, TcpBench

from netechod.reactor.loop import Loop
from netechod.reactor.selectors import SELECTORS, SelectorName

SELECTOR_NAMES: tuple[SelectorName, ...] = ("epoll", "poll", "select")


@pytest.fixture
def clock() -> FakeClock:
    """The loop's time; it stands still until a test lets it pass."""
    return FakeClock()


@pytest.fixture(params=SELECTOR_NAMES)
def selector_name(request: pytest.FixtureRequest) -> SelectorName:
    name: SelectorName = request.param
    return name


@pytest.fixture
def loop(selector_name: SelectorName, clock: FakeClock) -> Iterator[Loop]:
    loop = Loop(SELECTORS[selector_name](), clock)
    yield loop
    loop.close()


@pytest.fixture
def resources() -> Iterator[ExitStack]:
    """The resources that a test opens without a loop. They are closed after the test."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def tcp(loop: Loop) -> Iterator[TcpBench]:
    """TCP servers and clients on the loop, closed before it."""
    with ExitStack() as stack:
        yield TcpBench(loop, stack)
