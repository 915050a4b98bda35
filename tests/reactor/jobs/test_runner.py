"""Jobs in another process: the daemon's side with a real worker, the worker's with a hand-made daemon."""

import os
import re
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.looping import FakeClock, run_until, turn
from support.processes import alive, until_gone
from support.signalling import signals_restored

from netechod.reactor.jobs import children
from netechod.reactor.jobs import runner as module
from netechod.reactor.jobs.channel import Channel
from netechod.reactor.jobs.runner import Runner, Worker
from netechod.reactor.loop import Loop
from netechod.reactor.process_control import SET_CHILD_SUBREAPER, prctl
from netechod.reactor.signals import SignalSource
from netechod.services.api import Check, Ending, Job

WORKER = (
    sys.executable,
    "-c",
    "import socket; from netechod.reactor.loop import Loop; from netechod.reactor.jobs.runner import Worker;"
    "Worker(Loop(), socket.socket(fileno=0)).run()",
)


class Site:
    """A runner, and what it tells."""

    def __init__(self, loop: Loop) -> None:
        self.lost: list[str] = []
        self.loop = loop
        self.runner = Runner(loop, WORKER, on_lost=self.lost.append)

    def spawn(self, script: str, timeout: float = 60.0, max_output: int = 65536) -> list[Ending]:
        endings: list[Ending] = []
        assert self.runner.spawn(Job(("/bin/sh", "-c", script), timeout, max_output), endings.append)
        return endings

    def run(self, script: str, timeout: float = 60.0, max_output: int = 65536) -> Ending:
        endings = self.spawn(script, timeout, max_output)
        run_until(self.loop, lambda: endings)
        return endings[0]

    def settle(self) -> None:
        run_until(self.loop, lambda: not self.runner.running)

    @property
    def worker(self) -> int:
        process = self.runner._process
        assert process is not None
        return process.pid


@pytest.fixture
def mouth(tmp_path: Path) -> Path:
    """A pipe with a name, through which a job can say something before it ends."""
    os.mkfifo(tmp_path / "mouth")
    return tmp_path / "mouth"


def _said(mouth: Path) -> int:
    """The number that a job says. Its worker is a process of its own and needs no turns of our loop."""
    return int(mouth.read_text(encoding="ascii"))


@pytest.fixture
def site(loop: Loop) -> Iterator[Site]:
    site = Site(loop)
    yield site
    site.runner.close()


def test_a_job_runs_elsewhere_and_its_ending_comes_back(site: Site) -> None:
    ending = site.run("printf 'out\\0'; exit 3")
    assert ending == Ending(3, b"out\0", ending.seconds)
    assert int(site.run("echo $PPID").output) == site.worker
    ending = site.run("head -c 200000 /dev/zero", max_output=150000)
    assert (len(ending.output), ending.truncated) == (150000, True)


def test_a_deadline_is_kept_there(site: Site) -> None:
    ending = site.run("echo begun; exec sleep 1000", timeout=0.05)
    assert (ending.status, ending.output, ending.timed_out) == (137, b"begun\n", True)


def test_there_is_room_for_so_many_and_no_more(site: Site) -> None:
    site.runner.max_running = 2
    first, second = site.spawn("sleep 1000"), site.spawn("echo 1")
    assert not site.runner.spawn(Job(("/bin/true",), 1.0), lambda ending: None)
    run_until(site.loop, lambda: site.runner.running == 1)
    assert second
    site.spawn("echo 2")
    assert not first


def test_when_it_drains_nothing_new_runs_and_the_last_end_is_told(site: Site) -> None:
    idle: list[bool] = []
    endings = site.spawn("read x < /dev/null; exit 4")
    site.runner.drain(lambda: idle.append(True))
    assert not site.runner.spawn(Job(("/bin/true",), 1.0), lambda ending: None)
    assert not idle
    run_until(site.loop, lambda: idle)
    assert endings[0].status == 4
    site.runner.drain(lambda: idle.append(True))
    assert idle == [True, True]


def test_close_ends_everything_and_hears_what_there_was(site: Site, mouth: Path) -> None:
    endings = site.spawn(f"echo begun; echo $$ >{mouth}; exec sleep 1000")
    pid = _said(mouth)
    deaf = site.spawn(f"trap '' TERM HUP INT; setsid sleep 1000 & echo $! >{mouth}; sleep 1000; sleep 1000")
    stray, worker = _said(mouth), site.worker
    assert alive(pid)
    assert alive(stray)
    site.runner.close()
    assert [(ending.status, ending.output) for ending in (*endings, *deaf)] == [(137, b"begun\n"), (137, b"")]
    assert (site.runner.running, alive(pid), alive(stray), alive(worker)) == (0, False, False, False)
    site.runner.close()


def test_a_worker_that_does_not_answer_holds_up_nobody_for_long(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    site.run("echo ready")
    worker = site.worker
    os.kill(worker, signal.SIGSTOP)
    endings = site.spawn("echo 1")
    site.runner.close()
    assert endings == [Ending(137, b"", 0.0)]
    assert not alive(worker)


def test_a_worker_that_dies_takes_its_jobs_along_and_has_a_successor(site: Site) -> None:
    site.run("echo ready")
    site.settle()
    endings = site.spawn("sleep 1000 & wait")
    os.kill(site.worker, signal.SIGKILL)
    run_until(site.loop, lambda: endings)
    assert endings == [Ending(137, b"", 0.0)]
    assert site.lost == ["died with status -9"]
    assert site.runner.running == 0
    assert site.run("echo again").output == b"again\n"


def test_a_worker_that_dies_ends_the_waiting_too(site: Site) -> None:
    idle: list[bool] = []
    site.run("echo ready")
    site.settle()
    site.spawn("sleep 1000")
    site.runner.drain(lambda: idle.append(True))
    os.kill(site.worker, signal.SIGKILL)
    run_until(site.loop, lambda: idle)
    assert idle == [True]


def test_what_has_been_told_is_not_told_again_when_it_ends_with_the_rest(site: Site) -> None:
    endings = site.spawn("sleep 60")
    [number] = site.runner._jobs
    site.runner._on_message([number, 0, 0.0], b"")  # before the worker does: it is done, and not gone
    site.runner.close()
    assert [ending.status for ending in endings] == [0]


def test_an_idle_worker_that_dies_ends_no_waiting(site: Site) -> None:
    idle: list[bool] = []
    site.run("echo ready")
    site.settle()
    site.runner.drain(lambda: idle.append(True))
    os.kill(site.worker, signal.SIGKILL)
    run_until(site.loop, lambda: site.lost)
    assert idle == [True]


def test_without_a_worker_there_is_no_room(loop: Loop) -> None:
    lost: list[str] = []
    runner = Runner(loop, ("/nonexistent/worker",), on_lost=lost.append)
    assert not runner.spawn(Job(("/bin/true",), 1.0), lambda ending: None)
    assert lost == ["cannot start /nonexistent/worker: No such file or directory"] * 2
    assert runner.running == 0
    runner.close()


# The worker's side, in this process.


class Daemon:
    """The daemon's end of a worker's socket, on the same loop."""

    def __init__(self, loop: Loop) -> None:
        ours, theirs = socket.socketpair()
        self.heard: list[tuple[list[Any], bytes]] = []
        self.loop = loop
        self.channel = Channel(loop, ours, lambda *message: self.heard.append(message), lambda: None)
        self.worker = Worker(loop, theirs)

    def order(self, number: int, script: str) -> None:
        self.channel.send([number, Job(("/bin/sh", "-c", script), 60.0)])

    def hears(self, number: int) -> None:
        """Let them work until so many messages have come."""
        run_until(self.loop, lambda: len(self.heard) >= number)


@pytest.fixture(params=[True, False], ids=["pidfd", "SIGCHLD"])
def daemon(request: pytest.FixtureRequest, loop: Loop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    monkeypatch.setattr(children, "has_pidfd", lambda: request.param)
    daemon = Daemon(loop)
    with signals_restored():
        signals = SignalSource(*([] if request.param else [signal.SIGCHLD]))
        signals.deliver_to(loop, {signal.SIGCHLD: daemon.worker.reap})
        yield daemon
    prctl(SET_CHILD_SUBREAPER, 0)


def _leave(daemon: Daemon) -> None:
    """Say the last word, as a daemon does that ends in whatever way, and let the worker come to its end."""
    daemon.channel._sock.shutdown(socket.SHUT_WR)
    daemon.worker.run()
    daemon.channel.finish(0.0)


def test_a_worker_tells_what_became_of_a_job_and_when_it_is_gone(daemon: Daemon) -> None:
    daemon.order(7, "echo done; exit 3")
    daemon.hears(2)
    [(ended, output), exited] = daemon.heard
    assert (ended[:2], output) == ([7, 3], b"done\n")
    assert exited == ([7], b"")
    _leave(daemon)


def test_a_worker_starts_some_jobs_at_once_and_then_one_after_the_other(
    daemon: Daemon, clock: FakeClock
) -> None:
    at_once = range(module.BURST)
    for number in (*at_once, 100, 101, 102):
        daemon.order(number, "exit 0")
    daemon.hears(2 * module.BURST)
    turn(daemon.loop, 3)
    assert {message[0] for message, _ in daemon.heard} == set(at_once)
    daemon.heard.clear()
    clock.advance(module.INTERVAL)
    daemon.hears(2)
    assert [message[0] for message, _ in daemon.heard] == [100, 100]
    clock.advance(module.INTERVAL)
    daemon.hears(4)
    assert [message[0] for message, _ in daemon.heard[2:]] == [101, 101]
    _leave(daemon)  # the last one has not begun, and never will
    assert len(daemon.heard) == 4


def test_a_worker_runs_nothing_whose_arguments_do_not_match(daemon: Daemon) -> None:
    checks = (Check("a", re.ASCII, "a"), Check("(a+)+$", re.ASCII, "a" * 1000 + "!"))
    daemon.channel.send([7, Job(("/nonexistent",), 60.0, checks=checks)])
    daemon.channel.send([8, Job(("/bin/true",), 60.0, checks=checks[:1])])
    daemon.hears(4)
    assert [message for message, _ in daemon.heard[:2]] == [[7, 126, 0.0, False, False, 2], [7]]
    assert daemon.heard[2][0][:2] == [8, 0]
    _leave(daemon)


def test_a_worker_ends_what_it_has_started_before_it_goes(daemon: Daemon, mouth: Path) -> None:
    daemon.order(1, f"setsid sleep 1000 & echo $! >{mouth}; wait")
    turn(daemon.loop, 2)
    stray = _said(mouth)
    _leave(daemon)
    until_gone(stray)
    assert not alive(stray)
    assert [message[0] for message, _ in daemon.heard] == [1, 1]


def test_a_worker_goes_in_any_case(daemon: Daemon, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    daemon.order(1, "exec sleep 1000")
    turn(daemon.loop, 2)
    [pid] = daemon.worker._children.running
    with monkeypatch.context() as patch:
        patch.setattr(os, "killpg", lambda pid, number: clock.advance(module.PATIENCE))  # it does not die
        _leave(daemon)
    os.killpg(pid, signal.SIGKILL)
    run_until(daemon.loop, lambda: not daemon.worker._children.running)
