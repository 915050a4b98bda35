"""End processes that have left their job's process group, when the job has ended.

A kill of the group does not reach a process that has made a session of its own (setsid(2)). But when its
parent ends, it becomes our child, because we are a subreaper (prctl(2)). So a child that we did not start has
escaped from a job.
"""

import os
import signal
from contextlib import suppress
from functools import partial
from pathlib import Path

from netechod.reactor.jobs.children import GLANCE, Children
from netechod.reactor.loop import Callback, Loop
from netechod.reactor.process_control import SET_CHILD_SUBREAPER, prctl, started

REAP_INTERVAL = 1.0  # seconds
MAX_DYING = 64  # processes killed at once; more are killed when these are reaped


class Orphans:
    """Kills processes that jobs have left behind. From now on, this process must start nothing but jobs."""

    def __init__(self, children: Children, on_exited: Callback) -> None:
        """`on_exited` is called whenever some of them have been reaped."""
        prctl(SET_CHILD_SUBREAPER, 1)
        self.dying: dict[int, int] = {}  # pidfds by process id; -1 without pidfds
        self._children = children
        self._others = _children_of_ours()
        self._on_exited = on_exited
        self._looking = False

    def sweep(self) -> None:
        """Kill escaped processes whose job has ended.

        The kernel does not say which job started a process; but a process older than every running job cannot
        belong to one.
        """
        running = self._children.running
        strangers = _children_of_ours() - running.keys() - self.dying.keys() - self._others
        if not strangers:
            return
        with suppress(OSError):  # no descriptor is left to ask /proc; the end of a job sweeps again
            oldest = min(map(_started, running), default=None)
            for pid in sorted(strangers)[: MAX_DYING - len(self.dying)]:
                if oldest is None or _started(pid) < oldest:
                    self._kill(pid)

    def reap(self) -> None:
        """Reap the processes that have died. Their children are ours from then on, and are killed next."""
        died = [pid for pid in self.dying if os.waitpid(pid, os.WNOHANG) != (0, 0)]
        for pid in died:
            pidfd = self.dying.pop(pid)
            if pidfd >= 0:
                self._children.loop.unwatch(pidfd)
                os.close(pidfd)
        if died:
            self.sweep()
            self._on_exited()

    def _kill(self, pid: int) -> None:
        """Kill a process. It is our child, so no other process can get its number until we reap it."""
        if self._children.use_pidfd:
            self.dying[pid] = self._watched_pidfd(pid)
            self._look_later()
        else:
            self.dying[pid] = -1
            self._children.loop.call_soon(self.reap)  # its SIGCHLD may be handled already
        with suppress(PermissionError):  # a set-user-ID program belongs to another user
            os.kill(pid, signal.SIGKILL)

    def _watched_pidfd(self, pid: int) -> int:
        """Return a pidfd that calls `reap` at the end of the process; -1 if there are no more descriptors."""
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            return -1
        try:
            self._children.loop.watch(pidfd, self.reap)
        except OSError:
            os.close(pidfd)
            return -1
        return pidfd

    def _look_later(self) -> None:
        """Reap soon, and again as long as processes without a pidfd are dying."""
        if -1 in self.dying.values() and not self._looking:
            self._looking = True
            loop = self._children.loop
            loop.call_at(loop.now + GLANCE, self._look)

    def _look(self) -> None:
        self._looking = False
        self.reap()
        self._look_later()


def reap_strangers() -> None:
    """Reap dead children that this process has not started, and leave the others to their starters.

    Process 1 of a PID namespace becomes the parent of every process whose parent has ended
    (pid_namespaces(7)).
    """
    for pid in _children_of_ours() - started:
        os.waitpid(pid, os.WNOHANG)


def keep_reaping(loop: Loop) -> None:
    """Reap such children now and every REAP_INTERVAL."""
    reap_strangers()
    loop.call_at(loop.now + REAP_INTERVAL, partial(keep_reaping, loop))


def _children_of_ours() -> set[int]:
    """Return the main thread's children, orphans too. Empty if the kernel does not list them."""
    try:
        listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
    except OSError:
        return set()
    return set(map(int, listed.split()))


def _started(pid: int) -> int:
    """Return the start time of our child, in clock ticks since the boot: field 22 of its stat (proc(5))."""
    stat = Path(f"/proc/{pid}/stat").read_bytes()
    return int(stat.rpartition(b")")[2].split()[19])
