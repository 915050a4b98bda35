"""Work in slices: the loop has its turns meanwhile, and a pause lasts until what was waited for has come."""

from collections.abc import Callable
from functools import partial

import pytest
from support.looping import run_until, turn

from netechod.process.slices import Pause, Slices, Steps, finished
from netechod.reactor.loop import Loop


class Work:
    """Steps that are counted, with a pause in the middle; `go_on` ends it."""

    def __init__(self) -> None:
        self.steps = 0
        self.go_on: Callable[[], None] | None = None
        self.given_up = False

    def __call__(self) -> Steps[str]:
        try:
            for pause in (None, None, self._wait, None):
                self.steps += 1
                yield pause
        except GeneratorExit:
            self.given_up = True
            raise
        return "done"

    def _wait(self, go_on: Callable[[], None]) -> None:
        self.go_on = go_on


@pytest.fixture
def work() -> Work:
    return Work()


def test_work_waits_for_what_it_waits_for(loop: Loop, work: Work) -> None:
    results: list[str] = []
    Slices(loop, work(), results.append)
    run_until(loop, lambda: work.go_on)
    turn(loop, 3)
    assert (work.steps, results) == (3, [])
    assert work.go_on is not None
    work.go_on()
    assert work.steps == 3, "not inside of whoever calls it"
    turn(loop, 1)
    assert (work.steps, results) == (4, ["done"])


def test_work_that_takes_long_leaves_the_loop_its_turns(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netechod.process.slices.SLICE", 0.0)
    events: list[object] = []

    def steps() -> Steps[None]:
        for number in range(3):
            events.append(number)
            yield None

    Slices(loop, steps(), lambda result: events.append("done"))
    for name in "abc":
        loop.call_soon(partial(events.append, name))
        turn(loop)
    turn(loop)
    assert events == [0, "a", 1, "b", 2, "c", "done"]


def test_cancelled_work_is_told_and_goes_on_no_more(loop: Loop, work: Work) -> None:
    results: list[str] = []
    slices = Slices(loop, work(), results.append)
    run_until(loop, lambda: work.go_on)
    slices.cancel()
    assert work.given_up
    assert work.go_on is not None
    work.go_on()
    turn(loop)
    assert (work.steps, results) == (3, [])
    slices.cancel()


def test_what_it_waited_for_may_come_while_it_is_cancelled(loop: Loop) -> None:
    pauses: list[Callable[[], None]] = []

    def steps() -> Steps[None]:
        try:
            yield pauses.append
        finally:
            pauses[0]()

    slices = Slices(loop, steps(), lambda result: pytest.fail("it was cancelled"))
    run_until(loop, lambda: pauses)
    slices.cancel()
    turn(loop)


def test_a_loop_can_be_run_for_the_work_alone(loop: Loop) -> None:
    def steps() -> Steps[int]:
        pause: Pause = loop.call_soon
        yield pause
        return 42

    assert finished(loop, steps()) == 42


def test_a_loop_that_is_stopped_leaves_the_work_undone(loop: Loop, work: Work) -> None:
    loop.call_at(loop.now, loop.stop)
    assert finished(loop, work()) is None
    assert work.given_up


def test_what_the_work_raises_is_raised_by_the_loop(loop: Loop) -> None:
    def steps() -> Steps[int]:
        yield None
        raise LookupError

    with pytest.raises(LookupError):
        finished(loop, steps())
