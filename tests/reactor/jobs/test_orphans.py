"""Processes that have escaped from their job, with real ones that try."""

import errno
import os
import signal
import subprocess
from collections.abc import Iterator

import pytest
from support.looping import FakeClock, run_until
from support.processes import alive
from support.signalling import signals_restored

from netechod.reactor.jobs import orphans as module
from netechod.reactor.jobs.children import GLANCE, Children
from netechod.reactor.jobs.orphans import Orphans, keep_reaping
from netechod.reactor.loop import Callback, Loop
from netechod.reactor.process_control import SET_CHILD_SUBREAPER, prctl
from netechod.reactor.signals import SignalSource
from netechod.services.api import Ending, Job

DAEMON = "setsid sh -c 'setsid sleep 1000 & echo $!' | { read pid; echo $pid; }"
"""Prints the number of a process in a session of its own, whose parents have all ended."""


class Watched(Orphans):
    """Orphans of which it is noted who was killed: when one looks, they may be gone already."""

    def __init__(self, children: Children, on_exited: Callback) -> None:
        self.killed: list[int] = []
        super().__init__(children, on_exited)

    def _kill(self, pid: int) -> None:
        self.killed.append(pid)
        super()._kill(pid)


class Site:
    """Children and their orphans, in this very process."""

    def __init__(self, loop: Loop, use_pidfd: bool) -> None:
        self.loop = loop
        self.exited = 0
        self.children = Children(loop, use_pidfd=use_pidfd)
        self.orphans = Watched(self.children, self._exited)

    def _exited(self) -> None:
        self.exited += 1

    def reap(self) -> None:
        self.children.reap()
        self.orphans.reap()

    def spawn(self, script: str) -> list[Ending]:
        endings: list[Ending] = []
        self.children.spawn(Job(("/bin/sh", "-c", script), 60.0), endings.append, self.orphans.sweep)
        return endings

    def run(self, script: str) -> int:
        """Run it to its end, and the number that it has printed."""
        endings = self.spawn(script)
        run_until(self.loop, lambda: endings)
        return int(endings[0].output)

    def settle(self) -> None:
        run_until(self.loop, lambda: not self.children.running and not self.orphans.dying)

    def settle_in(self, clock: FakeClock) -> None:
        """The same, while time goes on."""

        def settled() -> bool:
            clock.advance(GLANCE)
            return not self.children.running and not self.orphans.dying

        run_until(self.loop, settled)


@pytest.fixture
def bystander() -> Iterator[int]:
    """A child of ours that is no job's."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process.pid
        process.kill()


@pytest.fixture(params=[True, False], ids=["pidfd", "SIGCHLD"])
def site(request: pytest.FixtureRequest, loop: Loop) -> Iterator[Site]:
    site = Site(loop, request.param)
    with signals_restored():
        signals = SignalSource(*([] if request.param else [signal.SIGCHLD]))
        signals.deliver_to(loop, {signal.SIGCHLD: site.reap})
        yield site
        site.children.kill_all()
        site.settle()
        site.orphans.sweep()
        site.settle()
    prctl(SET_CHILD_SUBREAPER, 0)


def test_a_daemon_that_a_job_leaves_behind_ends_with_it(site: Site) -> None:
    daemon = site.run(DAEMON)
    site.settle()
    assert daemon in site.orphans.killed
    assert not alive(daemon)
    assert site.exited >= 1


def test_what_an_orphan_has_started_ends_too(site: Site) -> None:
    child = site.run(
        "(setsid sh -c 'setsid sleep 1000 & echo $!; exec sleep 1000' &) | { read pid; echo $pid; }"
    )
    site.settle()
    assert child in site.orphans.killed
    assert not alive(child)


def test_however_many_there_are_they_all_end(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_DYING", 2)
    before = module._children_of_ours()
    last = site.run("for i in 1 2 3 4 5 6 7; do setsid sleep 1000 & done; echo $!")
    site.settle()
    assert not alive(last)
    assert module._children_of_ours() == before


def test_the_orphan_of_a_job_that_may_still_run_is_spared(site: Site) -> None:
    runs = site.spawn("sleep 1000")
    daemon = site.run(DAEMON)
    run_until(site.loop, lambda: len(site.children.running) == 1)
    assert site.orphans.dying == {}  # it is younger than both jobs: nobody can tell whose it is
    assert alive(daemon)
    site.children.kill_all()
    assert runs
    site.settle()
    assert not alive(daemon)


def test_an_orphan_that_is_older_than_all_jobs_is_not_spared(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.spawn("sleep 1000")
    daemon = site.run(DAEMON)
    run_until(site.loop, lambda: len(site.children.running) == 1)
    [older] = site.children.running
    site.spawn("sleep 1000")
    [younger] = site.children.running.keys() - {older}
    ages = {older: 1, younger: 3}  # and the orphan between: the clock's ticks are too long to tell
    monkeypatch.setattr(module, "_started", lambda pid: ages.get(pid, 2))
    os.kill(older, signal.SIGKILL)
    run_until(site.loop, lambda: not alive(daemon))
    assert list(site.children.running) == [younger]


def test_children_from_before_are_none_of_its_business(bystander: int, site: Site) -> None:
    site.run("echo 1")
    site.settle()
    assert alive(bystander)


def test_a_kernel_that_does_not_tell_has_nothing_swept(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 0)
    assert module._children_of_ours() == set()


def test_a_stranger_is_reaped_and_the_status_of_our_own_child_is_kept(loop: Loop) -> None:
    children = Children(loop)
    endings: list[Ending] = []
    stranger, living = (subprocess.Popen(["sleep", seconds]) for seconds in ("0", "1000"))
    children.spawn(Job(("/bin/sh", "-c", "exit 7"), 60.0), endings.append)
    [own] = children.running
    for pid in (stranger.pid, own):
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    keep_reaping(loop)
    with pytest.raises(ChildProcessError):
        os.waitpid(stranger.pid, 0)
    assert living.poll() is None
    run_until(loop, lambda: endings)
    assert endings[0].status == 7
    stranger.wait()
    living.kill()
    living.wait()


def test_without_descriptors_orphans_end_all_the_same(
    site: Site, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(pid: int) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    endings = site.spawn(f"{DAEMON}; setsid sleep 1000 &")
    monkeypatch.setattr(os, "pidfd_open", exhausted)
    run_until(site.loop, lambda: endings)
    site.settle_in(clock)
    assert len(site.orphans.killed) >= 2
    assert not any(map(alive, site.orphans.killed))


def test_an_orphan_that_cannot_be_watched_ends_all_the_same(
    site: Site, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    endings = site.spawn(DAEMON)
    watch = site.loop.watch

    def reluctant(fd: int, readable: Callback | None, writable: Callback | None = None) -> None:
        if readable == site.orphans.reap:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        watch(fd, readable, writable)

    monkeypatch.setattr(site.loop, "watch", reluctant)
    run_until(site.loop, lambda: endings)
    site.settle_in(clock)
    assert not any(map(alive, site.orphans.killed))


def test_a_sweep_that_may_not_look_is_for_the_next_job(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.spawn("sleep 1000")
    monkeypatch.setattr(module, "_children_of_ours", lambda: {1})

    def exhausted(pid: int) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(module, "_started", exhausted)
    site.orphans.sweep()
    assert site.orphans.killed == []
    monkeypatch.undo()
