"""Signals, sent for real: to ourselves and from other processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from support.looping import run_until, turn
from support.signalling import signals_restored

from netechod.reactor.loop import Loop
from netechod.reactor.signals import SignalSource

SIGNALS = (signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1)
STORM = 2000

Open = Callable[[], SignalSource]


@pytest.fixture
def heard() -> list[str]:
    """The signals whose handlers were called on the loop, in order."""
    return []


@pytest.fixture
def open_source(loop: Loop) -> Iterator[Open]:
    """Makes the source under test, and puts everything back before the loop goes."""
    with signals_restored():
        yield lambda: SignalSource(*SIGNALS)


@pytest.fixture
def source(open_source: Open, loop: Loop, heard: list[str]) -> SignalSource:
    """A source that delivers to the loop."""
    source = open_source()
    source.deliver_to(loop, {number: _note(heard, number.name) for number in SIGNALS})
    turn(loop)
    return source


def _note(heard: list[str], name: str) -> Callable[[], None]:
    return lambda: heard.append(name)


def send(*numbers: signal.Signals) -> None:
    """Send signals to ourselves."""
    for number in numbers:
        os.kill(os.getpid(), number)


def test_who_has_no_loop_yet_can_look_for_a_signal(open_source: Open, loop: Loop, heard: list[str]) -> None:
    source = open_source()
    assert not source.noted(signal.SIGTERM, signal.SIGHUP)
    send(signal.SIGTERM)
    assert source.noted(signal.SIGHUP, signal.SIGTERM)
    assert not source.noted(signal.SIGHUP)
    source.deliver_to(loop, {number: _note(heard, number.name) for number in SIGNALS})
    turn(loop)
    assert heard == ["SIGTERM"]
    assert not source.noted(signal.SIGTERM)


@pytest.mark.usefixtures("source")
def test_a_signal_from_another_process_ends_the_wait_without_any_traffic(
    loop: Loop, heard: list[str]
) -> None:
    with subprocess.Popen(["sh", "-c", f"kill -HUP {os.getpid()}"]):
        run_until(loop, lambda: heard)
    assert heard == ["SIGHUP"]


@pytest.mark.usefixtures("source")
def test_handlers_run_on_the_loop_and_not_where_the_signal_struck(loop: Loop, heard: list[str]) -> None:
    send(signal.SIGHUP)
    assert heard == []
    run_until(loop, lambda: heard)
    assert heard == ["SIGHUP"]


@pytest.mark.usefixtures("source")
def test_each_signal_is_delivered_once_in_the_order_of_arrival(loop: Loop, heard: list[str]) -> None:
    send(signal.SIGUSR1, signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM, signal.SIGHUP)
    run_until(loop, lambda: heard)
    turn(loop, 3)
    assert heard == ["SIGUSR1", "SIGHUP", "SIGTERM"]


def test_what_comes_before_there_is_a_loop_is_delivered_once_there_is_one(
    open_source: Open, loop: Loop, heard: list[str]
) -> None:
    source = open_source()
    send(signal.SIGTERM, signal.SIGHUP)
    turn(loop)
    assert heard == []
    source.deliver_to(loop, {number: _note(heard, number.name) for number in SIGNALS})
    run_until(loop, lambda: heard)
    assert heard == ["SIGTERM", "SIGHUP"]


def test_a_signal_that_comes_while_others_are_handled_is_delivered_after_them(
    open_source: Open, loop: Loop, heard: list[str]
) -> None:
    def reload() -> None:
        heard.append("reload begins")
        if len(heard) == 1:
            send(signal.SIGHUP, signal.SIGTERM)
        heard.append("reload ends")

    open_source().deliver_to(
        loop, {signal.SIGHUP: reload, signal.SIGTERM: _note(heard, "stop"), signal.SIGUSR1: loop.stop}
    )
    send(signal.SIGHUP)
    run_until(loop, lambda: "stop" in heard)
    assert heard == ["reload begins", "reload ends"] * 2 + ["stop"]


@pytest.mark.usefixtures("source")
def test_a_term_after_a_storm_of_hups_is_delivered(loop: Loop, heard: list[str]) -> None:
    send(*[signal.SIGHUP] * STORM, signal.SIGTERM)
    run_until(loop, lambda: "SIGTERM" in heard)
    assert heard == ["SIGHUP", "SIGTERM"]


@pytest.mark.usefixtures("source")
def test_a_storm_from_another_process_loses_nothing_while_the_loop_runs(loop: Loop, heard: list[str]) -> None:
    storm = f"import os, signal\nfor _ in range({STORM}): os.kill({os.getpid()}, signal.SIGHUP)\n"
    storm += f"os.kill({os.getpid()}, signal.SIGTERM)"
    with subprocess.Popen([sys.executable, "-S", "-c", storm]):
        run_until(loop, lambda: "SIGTERM" in heard)
    turn(loop)
    assert set(heard) == {"SIGHUP", "SIGTERM"}
    assert heard.count("SIGTERM") == 1


@pytest.mark.usefixtures("source")
def test_a_full_bell_loses_no_signal_and_says_nothing(
    loop: Loop, heard: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    with suppress(BlockingIOError):
        while True:
            os.write(loop.bell, b"\0")
    send(*[signal.SIGHUP] * STORM, signal.SIGTERM)
    run_until(loop, lambda: "SIGTERM" in heard)
    assert heard == ["SIGHUP", "SIGTERM"]
    assert capfd.readouterr() == ("", "")


def test_a_broken_pipe_is_an_error_and_not_the_end(open_source: Open) -> None:
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    open_source()
    reader, writer = os.pipe()
    os.close(reader)
    with pytest.raises(BrokenPipeError):
        os.write(writer, b"x")
    os.close(writer)


def test_what_comes_after_the_end_is_ignored(source: SignalSource, loop: Loop, heard: list[str]) -> None:
    source.close()
    send(*SIGNALS)
    turn(loop)
    assert heard == []
    assert signal.set_wakeup_fd(-1) == -1


INHERITED = """
import os, signal, sys
from netechod.reactor.loop import Loop
from netechod.reactor.signals import SignalSource
source = SignalSource(signal.SIGTERM)
print(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())))
print([signal.Signals(number).name for number in signal.valid_signals()
       if signal.getsignal(number) is signal.SIG_IGN])
print(os.waitstatus_to_exitcode(os.waitpid(os.spawnlp(os.P_NOWAIT, "sh", "sh", "-c", "exit 7"), 0)[1]))
os.kill(os.getpid(), signal.SIGTERM)
print(source.noted(signal.SIGTERM))
"""


def deafen() -> None:
    """Block and ignore signals, as a careless parent does before exec(3)."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM, signal.SIGRTMIN):
        signal.signal(number, signal.SIG_IGN)


def test_a_parent_that_blocks_and_ignores_signals_leaves_us_deaf_to_none() -> None:
    told = subprocess.run(
        [sys.executable, "-c", INHERITED], preexec_fn=deafen, capture_output=True, text=True, check=True
    )
    assert told.stdout.splitlines() == ["[]", "['SIGPIPE', 'SIGXFSZ']", "7", "True"]
