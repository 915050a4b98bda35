"""Work in slices: the loop has its turns meanwhile, and a wait lasts until its callback is called."""

from collections.abc import Callable
from functools import partial

import pytest
from support.looping import FakeClock, run_until, turn

from netechod.reactor.loop import Loop
from netechod.reactor.tasks import Task, Wait, Work, finished, within


class CountedWork:
    """Steps that are counted, with a wait in the middle, which `go_on` ends."""

    def __init__(self) -> None:
        self.steps = 0
        self.go_on: Callable[[], None] | None = None
        self.given_up = False

    def __call__(self) -> Work[str]:
        try:
            for wait in (None, None, self._wait, None):
                self.steps += 1
                yield wait
        except GeneratorExit:
            self.given_up = True
            raise
        return "done"

    def _wait(self, go_on: Callable[[], None]) -> None:
        self.go_on = go_on


@pytest.fixture
def work() -> CountedWork:
    return CountedWork()


def test_work_waits_for_what_it_waits_for(loop: Loop, work: CountedWork) -> None:
    results: list[str] = []
    Task(loop, work(), results.append)
    run_until(loop, lambda: work.go_on)
    turn(loop, 3)
    assert (work.steps, results) == (3, [])
    assert work.go_on is not None
    work.go_on()
    assert work.steps == 3, "not inside of whoever calls it"
    turn(loop, 1)
    assert (work.steps, results) == (4, ["done"])


def test_work_that_takes_long_leaves_the_loop_its_turns(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netechod.reactor.tasks.SLICE", 0.0)
    events: list[object] = []

    def steps() -> Work[None]:
        for number in range(3):
            events.append(number)
            yield None

    Task(loop, steps(), lambda result: events.append("done"))
    for name in "abc":
        loop.call_soon(partial(events.append, name))
        turn(loop)
    turn(loop)
    assert events == [0, "a", 1, "b", 2, "c", "done"]


def test_cancelled_work_is_told_and_goes_on_no_more(loop: Loop, work: CountedWork) -> None:
    results: list[str] = []
    task = Task(loop, work(), results.append)
    run_until(loop, lambda: work.go_on)
    task.cancel()
    assert work.given_up
    assert work.go_on is not None
    work.go_on()
    turn(loop)
    assert (work.steps, results) == (3, [])
    task.cancel()


def test_what_it_waited_for_may_come_while_it_is_cancelled(loop: Loop) -> None:
    waits: list[Callable[[], None]] = []

    def steps() -> Work[None]:
        try:
            yield waits.append
        finally:
            waits[0]()

    task = Task(loop, steps(), lambda result: pytest.fail("it was cancelled"))
    run_until(loop, lambda: waits)
    task.cancel()
    turn(loop)


def test_a_loop_can_be_run_for_the_work_alone(loop: Loop) -> None:
    def steps() -> Work[int]:
        wait: Wait = loop.call_soon
        yield wait
        return 42

    assert finished(loop, steps()) == 42


def test_a_loop_that_is_stopped_leaves_the_work_undone(loop: Loop, work: CountedWork) -> None:
    loop.call_at(loop.now, loop.stop)
    assert finished(loop, work()) is None
    assert work.given_up


def test_what_the_work_raises_is_raised_by_the_loop(loop: Loop) -> None:
    def steps() -> Work[int]:
        yield None
        raise LookupError

    with pytest.raises(LookupError):
        finished(loop, steps())


def test_work_gets_the_value_of_its_wait(loop: Loop) -> None:
    def answer(resume: Callable[[int], object]) -> None:
        resume(42)

    def steps() -> Work[list[object]]:
        values: list[object] = [(yield answer), (yield None), (yield loop.call_soon)]
        return values

    assert finished(loop, steps()) == [42, None, None]


def test_a_wait_may_have_a_limit(loop: Loop, clock: FakeClock) -> None:
    begun: list[Callable[[object], None]] = []
    results: list[object] = []

    def steps() -> Work[None]:
        for _ in range(2):
            results.append((yield within(loop, 5.0, begun.append, "too late")))

    Task(loop, steps(), lambda _: results.append("done"))
    run_until(loop, lambda: begun)
    begun[0]("in time")
    run_until(loop, lambda: len(begun) == 2)
    clock.advance(5.0)
    run_until(loop, lambda: len(results) == 3)
    begun[1]("much later")
    turn(loop, 2)
    assert results == ["in time", "too late", "done"]
