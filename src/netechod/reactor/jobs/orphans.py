"""End processes that have left their job's process group, when the job has ended.

A kill of the group does not reach a process that has made a session of its own (setsid(2)). But when its
parent ends it becomes our child, because we are a subreaper (prctl(2)). So a child that we did not start has
escaped from a job.
"""

import os
import signal
from contextlib import suppress
from pathlib import Path

from netechod.reactor.jobs.children import Children
from netechod.reactor.loop import Callback
from netechod.reactor.process_control import SET_CHILD_SUBREAPER, prctl

MAX_DYING = 64  # killed at once; the others follow when these are gone


class Orphans:
    """End what jobs leave behind, in a process that from now on starts nothing but jobs."""

    def __init__(self, children: Children, on_exited: Callback) -> None:
        """`on_gone` is called whenever some of them have ended."""
        prctl(SET_CHILD_SUBREAPER, 1)
        self.dying: dict[int, int] = {}  # pidfds, -1 where there is no such thing, by process id
        self._children = children
        self._others = _children_of_ours()
        self._on_exited = on_exited

    def sweep(self) -> None:
        """Kill escaped processes whose job has ended.

        The kernel does not say which job started a process; but a process older than every running job cannot
        belong to one.
        """
        running = self._children.running
        strangers = _children_of_ours() - running.keys() - self.dying.keys() - self._others
        if not strangers:
            return
        oldest = min(map(_started, running), default=None)
        for pid in sorted(strangers)[: MAX_DYING - len(self.dying)]:
            if oldest is None or _started(pid) < oldest:
                self._kill(pid)

    def reap(self) -> None:
        """Reap those that have died. Their children are ours from then on, and are killed next."""
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
        """Kill a process. It is our child, so nobody else can get its number until we reap it."""
        loop = self._children.loop
        if self._children.use_pidfd:
            self.dying[pid] = os.pidfd_open(pid)
            loop.watch(self.dying[pid], self.reap)
        else:
            self.dying[pid] = -1
            loop.call_soon(self.reap)  # it may have died already, and its SIGCHLD was seen then
        with suppress(PermissionError):  # a set-user-ID program: it belongs to another user now
            os.kill(pid, signal.SIGKILL)


def _children_of_ours() -> set[int]:
    """Return the children of this process, which has one thread; none where the kernel does not list them."""
    try:
        listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
    except OSError:
        return set()
    return set(map(int, listed.split()))


def _started(pid: int) -> int:
    """Return when our child began, in clock ticks since the boot: field 22 of its stat (proc(5))."""
    stat = Path(f"/proc/{pid}/stat").read_bytes()
    return int(stat.rpartition(b")")[2].split()[19])
