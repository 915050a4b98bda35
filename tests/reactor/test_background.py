"""Work on a thread: the loop turns meanwhile, and a caller does not wait beyond the limit."""

import threading
from collections.abc import Iterator

import pytest
from support.looping import run_until

from netechod.errors import NetechodError
from netechod.reactor.background import Background, TooLongError
from netechod.reactor.loop import Loop
from netechod.reactor.selectors import SELECTORS, SelectorName
from netechod.reactor.tasks import Task, Work


@pytest.fixture
def loop(selector_name: SelectorName) -> Iterator[Loop]:
    """A loop on real time: a thread does not know a fake clock."""
    loop = Loop(SELECTORS[selector_name]())
    yield loop
    loop.close()


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """The event that the work waits for. It is set at the end, so that no thread is left."""
    gate = threading.Event()
    yield gate
    gate.set()
    for thread in threading.enumerate():
        if thread.name == "the work":
            thread.join()


class Answers:
    """The results of calls."""

    def __init__(self, loop: Loop, background: Background) -> None:
        self.told: list[str] = []
        self._loop = loop
        self._background = background

    def call(self, work: threading.Event | Exception | str) -> Task[None]:
        return Task(self._loop, self._steps(work), lambda _: None)

    def wait(self, count: int) -> list[str]:
        run_until(self._loop, lambda: len(self.told) >= count)
        return self.told

    def _steps(self, work: threading.Event | Exception | str) -> Work[None]:
        def function() -> str:
            if isinstance(work, Exception):
                raise work
            if isinstance(work, threading.Event):
                work.wait()
            return str(work)

        try:
            self.told.append((yield from self._background.call(function)))
        except NetechodError as error:
            self.told.append(f"{type(error).__name__}: {error}")


def answers(loop: Loop, limit: float = 20.0) -> Answers:
    return Answers(loop, Background(loop, "the work", limit))


def test_a_value_comes_back(loop: Loop) -> None:
    assert answers(loop).wait(0) == []
    calls = answers(loop)
    for number in range(3):
        calls.call("done")
        assert calls.wait(number + 1) == ["done"] * (number + 1)


def test_what_it_raises_is_raised_where_somebody_waits(loop: Loop) -> None:
    calls = answers(loop)
    calls.call(NetechodError("broken"))
    assert calls.wait(1) == ["NetechodError: broken"]


def test_the_loop_turns_while_the_work_waits(loop: Loop, gate: threading.Event) -> None:
    calls = answers(loop)
    calls.call(gate)
    turns = 0

    def turn() -> None:
        nonlocal turns
        turns += 1
        loop.call_soon(turn)

    turn()
    run_until(loop, lambda: turns > 100)
    assert calls.told == []
    gate.set()
    assert len(calls.wait(1)) == 1


def test_nobody_waits_longer_than_the_limit_and_no_second_thread_waits_too(
    loop: Loop, gate: threading.Event
) -> None:
    calls = answers(loop, limit=0.01)
    calls.call(gate)
    assert calls.wait(1) == ["TooLongError: the work takes longer than 0.01 s"]
    calls.call("done")
    assert calls.wait(2)[1] == "TooLongError: the work still waits since an earlier request"


def test_work_that_is_given_up_rings_nobody(loop: Loop, gate: threading.Event) -> None:
    calls = answers(loop)
    slices = calls.call(gate)
    run_until(loop, lambda: any(thread.name == "the work" for thread in threading.enumerate()))
    slices.cancel()
    gate.set()
    other = answers(loop)
    other.call("done")
    assert other.wait(1) == ["done"]
    assert calls.told == []


def test_without_a_thread_to_be_had_the_reason_is_told(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    calls = answers(loop)
    calls.call("done")
    assert calls.wait(1) == ["NetechodError: the work: can't start new thread"]


def test_too_long_is_an_error_of_ours() -> None:
    assert issubclass(TooLongError, NetechodError)
