"""Run jobs in a process of their own, the worker.

To start a process takes a fraction of a millisecond, and to match an argument may take longer. Meanwhile the
daemon's loop could not answer. A process that escapes from its job becomes the worker's child. The worker
recognises it, because it has no other children. The Runner is the daemon's side, the Worker is the other.
The worker's memory holds no data of the daemon. When the daemon ends, in whatever way, the worker kills its
jobs and ends.
"""

import signal
import socket
import subprocess
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import count
from typing import Any

from netechod.reactor.jobs.channel import Channel
from netechod.reactor.jobs.children import ENVIRONMENT, NOT_EXECUTABLE, SIGNALLED, Children, Finished
from netechod.reactor.jobs.matching import first_mismatch
from netechod.reactor.jobs.orphans import Orphans
from netechod.reactor.loop import Callback, Loop, Timer
from netechod.reactor.process_control import started
from netechod.services.api import Check, Ending, Job

INTERVAL = 0.04  # seconds between two starts, in the long run: a flood leaves CPU time to others
BURST = 8  # jobs that may start at once after a pause
PATIENCE = 2.0  # seconds that the worker gets to kill its jobs


class Runner:
    """Has a worker run jobs, at most `max_running` at once.

    `worker` is the command line of a program that runs a Worker on its standard input. If it dies, its jobs
    count as killed, and `on_lost` is called with the reason. The next job starts another worker.
    """

    def __init__(
        self, loop: Loop, worker: Sequence[str], *, on_lost: Callable[[str], object] = lambda why: None
    ) -> None:
        self.max_running = 8
        self._loop = loop
        self._worker = worker
        self._on_lost = on_lost
        self._numbers = count()
        # By number. None: the job's end is reported, but its process is not reaped yet.
        self._jobs: dict[int, Finished | None] = {}
        self._on_idle: Callback = lambda: None
        self._start()

    @property
    def running(self) -> int:
        """Return the number of jobs."""
        return len(self._jobs)

    def spawn(self, job: Job, finished: Finished) -> bool:
        """Have `job` run, and `finished` called at its end. Return False if too many jobs run already."""
        if len(self._jobs) >= self.max_running:
            return False
        if self._process is None and not self._start():
            return False
        number = next(self._numbers)
        self._jobs[number] = finished
        self._channel.send([number, job])
        return True

    def drain(self, on_idle: Callback) -> None:
        """Start no more jobs. Call `on_idle` as soon as none is running."""
        self.max_running = 0
        self._on_idle = on_idle
        if not self._jobs:
            on_idle()

    def close(self) -> None:
        """Kill all jobs and call their `finished`. Block until that is done, PATIENCE at most."""
        self.max_running = 0
        self._on_idle = lambda: None
        if self._process is not None:
            self._channel.finish(PATIENCE)
            self._lose()

    def _start(self) -> bool:
        """Start a worker. Return False if that fails."""
        self._process: subprocess.Popen[bytes] | None = None
        try:
            with ExitStack() as undo:
                ours, theirs = map(undo.enter_context, socket.socketpair())
                self._channel = Channel(self._loop, ours, self._on_message, self._on_end)
                undo.callback(self._channel.close)
                self._process = subprocess.Popen(  # noqa: S603 (the program is ours)
                    self._worker,
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    cwd="/",
                    env=ENVIRONMENT,
                    start_new_session=True,
                )
                started.add(self._process.pid)
                undo.pop_all()
                theirs.close()
        except OSError as error:
            self._on_lost(f"cannot start {self._worker[0]}: {error.strerror}")
        return self._process is not None

    def _on_message(self, message: list[Any], output: bytes) -> None:
        number, *ending = message
        if ending:
            status, *rest = ending
            finished, self._jobs[number] = self._jobs[number], None
            if finished is not None:
                finished(Ending(status, output, *rest))
        else:
            del self._jobs[number]
            if not self._jobs:
                self._on_idle()

    def _on_end(self) -> None:
        """Handle the death of the worker."""
        self._channel.finish(0.0)
        was_idle = not self._jobs
        self._on_lost(f"died with status {self._lose()}")
        if not was_idle:
            self._on_idle()

    def _lose(self) -> int:
        """Reap the worker, and return its status. Jobs that it has not reported count as killed."""
        assert self._process is not None  # noqa: S101 (for the type checker)
        self._process.kill()
        status = self._process.wait()
        started.discard(self._process.pid)
        self._process = None
        jobs, self._jobs = self._jobs, {}
        for finished in filter(None, jobs.values()):
            finished(Ending(SIGNALLED + signal.SIGKILL, b"", 0.0))
        return status


class Worker:
    """The worker's side: it runs the jobs that arrive. When the daemon ends, it kills them all."""

    def __init__(self, loop: Loop, sock: socket.socket) -> None:
        self._loop = loop
        self._waiting: deque[tuple[int, Job]] = deque()
        self._next_start = 0.0  # the time from which another job may start
        self._timer: Timer | None = None
        self._ending = False
        self._children = Children(loop)
        self._orphans = Orphans(self._children, self._leave_if_idle)
        self._channel = Channel(loop, sock, self._on_message, self._on_end)

    def run(self) -> None:
        """Run jobs until the daemon has closed its end."""
        self._loop.run()
        self._channel.finish(PATIENCE)

    def reap(self) -> None:
        """Handle SIGCHLD, on a system without pidfds."""
        self._children.reap()
        self._orphans.reap()

    def _on_message(self, message: list[Any], body: bytes) -> None:
        number, fields = message
        job = Job(*fields)
        self._waiting.append((number, job._replace(checks=[Check(*check) for check in job.checks])))
        if self._timer is None:
            self._start_due()

    def _start_due(self) -> None:
        """Start the jobs that are due, and set a timer for the next one."""
        now, self._timer = self._loop.now, None
        while self._waiting and self._next_start <= now:
            self._next_start = max(self._next_start, now - (BURST - 1) * INTERVAL) + INTERVAL
            number, job = self._waiting.popleft()
            if failed := first_mismatch(job.checks):
                self._finished(number, Ending(NOT_EXECUTABLE, b"", 0.0, failed_check=failed))
                self._exited(number)
            else:
                self._children.spawn(job, partial(self._finished, number), partial(self._exited, number))
        if self._waiting:
            self._timer = self._loop.call_at(self._next_start, self._start_due)

    def _finished(self, number: int, ending: Ending) -> None:
        status, output, *rest = ending
        self._channel.send([number, status, *rest], output)

    def _exited(self, number: int) -> None:
        self._channel.send([number])
        self._orphans.sweep()
        self._leave_if_idle()

    def _on_end(self) -> None:
        self._ending = True
        self._waiting.clear()
        self._loop.call_at(self._loop.now + PATIENCE, self._loop.stop)
        self._children.kill_all()
        self._orphans.sweep()
        self._leave_if_idle()

    def _leave_if_idle(self) -> None:
        if self._ending and not self._children.running and not self._orphans.dying:
            self._loop.stop()
