"""The loop, over every selector: the order, the time and the number of its calls."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from support.looping import FakeClock, run_until, turn, waiting_turn

from netechod.reactor.loop import Loop
from netechod.reactor.selectors import SELECTORS, SelectorName

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def calls() -> list[str]:
    """The calls, in order."""
    return []


@pytest.fixture
def pairs() -> Iterator[tuple[Pair, Pair]]:
    """Two pairs of connected sockets."""
    first, second = socket.socketpair(), socket.socketpair()
    for sock in (*first, *second):
        sock.setblocking(False)
    yield first, second
    for sock in (*first, *second):
        sock.close()


@pytest.fixture
def pair(pairs: tuple[Pair, Pair]) -> Pair:
    return pairs[0]


def fill(fd: int) -> None:
    """Write to the non-blocking `fd` until it takes no more."""
    with suppress(BlockingIOError):
        while True:
            os.write(fd, bytes(65536))
    with suppress(BlockingIOError):
        while True:  # a pipe takes what is shorter than a page where it refuses more (pipe(7))
            os.write(fd, b"\0")


def test_a_reader_is_called_for_as_long_as_there_is_something_to_read(
    loop: Loop, pair: Pair, calls: list[str]
) -> None:
    loop.watch(pair[0].fileno(), lambda: calls.append("read"))
    turn(loop)
    assert calls == []
    pair[1].send(b"x")
    run_until(loop, lambda: calls)
    turn(loop)
    assert calls == ["read", "read"]
    pair[0].recv(1)
    turn(loop)
    assert calls == ["read", "read"]


def test_a_writer_is_called_while_there_is_room(loop: Loop, pair: Pair, calls: list[str]) -> None:
    loop.watch(pair[0].fileno(), None, lambda: calls.append("write"))
    turn(loop)
    assert calls == ["write"]
    fill(pair[0].fileno())
    turn(loop)
    assert calls == ["write"]


def test_the_reader_comes_before_the_writer(loop: Loop, pair: Pair, calls: list[str]) -> None:
    loop.watch(pair[0].fileno(), lambda: calls.append("read"), lambda: calls.append("write"))
    pair[1].send(b"x")
    run_until(loop, lambda: "read" in calls)
    assert calls[-2:] == ["read", "write"]


def test_a_reader_that_unwatches_keeps_the_writer_of_the_same_turn_from_being_called(
    loop: Loop, pair: Pair, calls: list[str]
) -> None:
    fd = pair[0].fileno()
    pair[1].send(b"x")

    def read() -> None:
        calls.append("read")
        loop.unwatch(fd)

    loop.watch(fd, read)
    loop.watch(fd, read, lambda: calls.append("write"))
    run_until(loop, lambda: "read" in calls)
    turn(loop)
    assert calls[-1] == "read"


def test_watching_again_replaces_the_handlers(loop: Loop, pair: Pair, calls: list[str]) -> None:
    fd = pair[0].fileno()
    pair[1].send(b"x")
    loop.watch(fd, lambda: calls.append("first"))
    loop.watch(fd, lambda: calls.append("second"))
    run_until(loop, lambda: calls)
    assert calls == ["second"]
    loop.watch(fd, None, lambda: calls.append("write"))
    turn(loop)
    assert calls == ["second", "write"]


def test_watching_for_nothing_forgets_the_descriptor(loop: Loop, pair: Pair, calls: list[str]) -> None:
    fd = pair[0].fileno()
    pair[1].send(b"x")
    loop.watch(fd, lambda: calls.append("read"), lambda: calls.append("write"))
    loop.watch(fd, None, None)
    turn(loop, 3)
    assert calls == []


def test_unwatching_what_is_not_watched_is_harmless(loop: Loop, pair: Pair) -> None:
    loop.unwatch(pair[0].fileno())
    loop.watch(pair[0].fileno(), None)
    loop.unwatch(10**6)


def test_a_handler_that_an_earlier_one_of_the_same_turn_removed_is_not_called(
    loop: Loop, pairs: tuple[Pair, Pair], calls: list[str]
) -> None:
    first, second = (pair[0].fileno() for pair in pairs)

    def read(name: str, other: int) -> Callable[[], None]:
        def read_once() -> None:
            calls.append(name)
            loop.unwatch(other)

        return read_once

    for pair in pairs:
        pair[1].send(b"x")
    loop.watch(first, read("first", second))
    loop.watch(second, read("second", first))
    run_until(loop, lambda: calls)
    turn(loop, 3)
    assert len(set(calls)) == 1


def test_a_hang_up_reaches_the_writer_when_there_is_no_reader(loop: Loop, calls: list[str]) -> None:
    reader, writer = os.pipe()
    try:
        os.set_blocking(writer, False)
        fill(writer)
        loop.watch(writer, None, lambda: calls.append("write"))
        turn(loop)
        assert calls == []
    finally:
        os.close(reader)
    run_until(loop, lambda: calls)
    assert set(calls) == {"write"}
    loop.unwatch(writer)
    os.close(writer)


def test_a_hang_up_reaches_the_reader(loop: Loop, calls: list[str]) -> None:
    reader, writer = os.pipe()
    loop.watch(reader, lambda: calls.append("read"))
    os.close(writer)
    run_until(loop, lambda: calls)
    assert calls == ["read"]
    loop.unwatch(reader)
    os.close(reader)


def test_timers_are_called_in_order_of_time_and_then_of_asking(
    loop: Loop, clock: FakeClock, calls: list[str]
) -> None:
    for seconds, name in ((30.0, "late"), (10.0, "early"), (20.0, "one"), (20.0, "two")):
        loop.call_at(clock.now + seconds, lambda name=name: calls.append(name))  # type: ignore[misc]
    clock.advance(9.9)
    turn(loop)
    assert calls == []
    clock.advance(0.1)
    turn(loop)
    assert calls == ["early"]
    clock.advance(600.0)
    turn(loop)
    assert calls == ["early", "one", "two", "late"]
    turn(loop)
    assert len(calls) == 4


def test_a_due_timer_ends_the_wait(loop: Loop, clock: FakeClock, calls: list[str]) -> None:
    loop.call_at(clock.now + 60.0, lambda: calls.append("minute"))
    clock.advance(60.0)
    waiting_turn(loop)
    assert calls == ["minute"]


def test_a_cancelled_timer_is_not_called(loop: Loop, clock: FakeClock, calls: list[str]) -> None:
    timer = loop.call_at(clock.now + 1.0, lambda: calls.append("cancelled"))
    loop.call_at(clock.now + 2.0, lambda: calls.append("kept"))
    timer.cancel()
    clock.advance(2.0)
    waiting_turn(loop)
    assert calls == ["kept"]


def test_a_timer_cancelled_by_another_of_the_same_turn_is_not_called(
    loop: Loop, clock: FakeClock, calls: list[str]
) -> None:
    loop.call_at(clock.now, lambda: second.cancel())
    second = loop.call_at(clock.now, lambda: calls.append("second"))
    turn(loop)
    assert calls == []


def test_cancelling_too_late_is_harmless(loop: Loop, clock: FakeClock, calls: list[str]) -> None:
    timer = loop.call_at(clock.now, lambda: calls.append("called"))
    turn(loop)
    timer.cancel()
    turn(loop)
    assert calls == ["called"]


def test_a_timer_that_asks_for_now_again_waits_for_the_next_turn(loop: Loop, calls: list[str]) -> None:
    def again() -> None:
        calls.append("again")
        loop.call_at(loop.now, again)

    loop.call_at(loop.now, again)
    turn(loop)
    assert calls == ["again"]
    turn(loop)
    assert calls == ["again", "again"]


def test_the_real_clock_never_calls_a_timer_too_soon(selector_name: SelectorName) -> None:
    loop = Loop(SELECTORS[selector_name]())
    asked = time.monotonic()
    loop.call_at(loop.now + 0.0123, loop.stop)
    loop.run()
    assert time.monotonic() - asked >= 0.0123
    loop.close()


def test_a_timer_may_be_months_away(loop: Loop, clock: FakeClock, pair: Pair, calls: list[str]) -> None:
    year = 365 * 86400.0
    loop.call_at(clock.now + year, lambda: calls.append("timer"))
    loop.watch(pair[0].fileno(), lambda: calls.append("read"))
    pair[1].send(b"x")
    waiting_turn(loop)
    assert calls == ["read"]
    clock.advance(year)
    turn(loop)
    assert "timer" in calls


def test_the_clock_is_read_once_for_all_handlers_of_a_turn(
    loop: Loop, clock: FakeClock, calls: list[str]
) -> None:
    def check() -> None:
        assert loop.now == 1005.0
        calls.append("checked")
        clock.advance(1.0)

    clock.advance(5.0)
    loop.call_at(1001.0, check)
    loop.call_at(1002.0, check)
    turn(loop)
    assert calls == ["checked", "checked"]


def test_a_flush_is_called_once_at_the_end_of_the_turn_that_asked(
    loop: Loop, clock: FakeClock, pair: Pair, calls: list[str]
) -> None:
    def read() -> None:
        calls.append("read")
        pair[0].recv(1)
        loop.call_before_sleep(lambda: calls.append("flush"))

    loop.watch(pair[0].fileno(), read)
    pair[1].send(b"x")
    loop.call_at(clock.now, lambda: calls.append("timer"))
    run_until(loop, lambda: "read" in calls)
    turn(loop, 2)
    assert calls[-1] == "flush"
    assert sorted(calls) == ["flush", "read", "timer"]


def test_what_a_flush_asks_for_is_flushed_in_the_same_turn(loop: Loop, calls: list[str]) -> None:
    loop.call_before_sleep(lambda: loop.call_before_sleep(lambda: calls.append("second")))
    turn(loop)
    assert calls == ["second"]


def test_what_is_asked_for_soon_is_called_in_order_by_a_turn_that_does_not_wait(
    loop: Loop, calls: list[str]
) -> None:
    loop.call_soon(lambda: calls.append("one"))
    loop.call_soon(lambda: calls.append("two"))
    waiting_turn(loop)
    assert calls == ["one", "two"]


def test_what_asks_for_itself_soon_gets_one_call_per_turn_like_everybody_else(
    loop: Loop, pair: Pair, calls: list[str]
) -> None:
    def greedy() -> None:
        calls.append("greedy")
        loop.call_soon(greedy)

    loop.call_soon(greedy)
    loop.watch(pair[0].fileno(), None, lambda: calls.append("write"))
    for _ in range(3):
        waiting_turn(loop)
    assert calls == ["write", "greedy"] * 3


def test_a_call_from_another_thread_ends_the_wait(loop: Loop, calls: list[str]) -> None:
    """Again and again, so that some of the calls find the loop asleep."""
    asleep = threading.Semaphore(0)

    def called() -> None:
        calls.append(threading.current_thread().name)
        loop.call_before_sleep(asleep.release)

    def call() -> None:
        for _ in range(200):
            asleep.acquire()
            loop.call_soon_threadsafe(called)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    asleep.release()
    run_until(loop, lambda: len(calls) == 200)
    thread.join()
    assert set(calls) == {threading.current_thread().name}


def test_calls_from_many_threads_all_arrive(loop: Loop, calls: list[str]) -> None:
    def ask(name: str) -> None:
        for _ in range(500):
            loop.call_soon_threadsafe(lambda: calls.append(name))

    threads = [threading.Thread(target=ask, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    run_until(loop, lambda: len(calls) == 2000)
    for thread in threads:
        thread.join()
    assert {name: calls.count(name) for name in "abcd"} == dict.fromkeys("abcd", 500)


def test_a_full_bell_loses_no_call(loop: Loop, calls: list[str]) -> None:
    fill(loop.bell)
    for name in ("one", "two", "three"):
        loop.call_soon_threadsafe(lambda name=name: calls.append(name))  # type: ignore[misc]
    waiting_turn(loop)
    assert calls == ["one", "two", "three"]


def test_an_exception_out_of_a_handler_ends_the_loop(loop: Loop) -> None:
    def broken() -> None:
        raise ZeroDivisionError

    loop.call_soon(broken)
    with pytest.raises(ZeroDivisionError):
        loop.run()


def test_only_select_has_a_limit_on_descriptors(loop: Loop, selector_name: SelectorName) -> None:
    assert loop.descriptor_limit == (1024 if selector_name == "select" else None)


def test_the_default_is_epoll_and_the_monotonic_clock() -> None:
    before = time.monotonic()
    loop = Loop()
    assert loop.descriptor_limit is None
    assert before <= loop.now <= time.monotonic()
    loop.close()


def test_closing_gives_every_descriptor_back(selector_name: SelectorName) -> None:
    def open_descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 (a Path would not be shorter)

    before = open_descriptors()
    loop = Loop(SELECTORS[selector_name]())
    assert open_descriptors() > before
    turn(loop)
    loop.close()
    assert open_descriptors() == before


def test_a_closed_loop_rings_nobody_elses_descriptor() -> None:
    loop = Loop()
    loop.close()
    reader, writer = os.pipe2(os.O_NONBLOCK)
    successors = [os.dup(writer) for _ in range(4)]  # they have the numbers that the bell had
    loop.call_soon_threadsafe(lambda: None)
    with pytest.raises(BlockingIOError):
        os.read(reader, 1)
    for fd in (reader, writer, *successors):
        os.close(fd)
