"""Child processes on the loop. A pipe carries their output, a pidfd reports their end, a timer limits them.

If pidfd_open(2) fails (an old kernel, or a sandbox), a timer checks which children have ended.

A child leads a session and process group of its own. When it ends, its group is killed. So a process that a
job has started does not outlive it, unless it has left the group. No code here blocks for the death of a
process, or for the end of a pipe, which a stray grandchild can hold open for ever.
"""

import errno
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple, TypeAlias

from netechod.reactor.loop import Callback, Loop
from netechod.reactor.process_control import has_pidfd, hear_of_children, started
from netechod.services.api import Ending, Job

NOT_FOUND, NOT_EXECUTABLE = 127, 126  # exit statuses of shells (POSIX, Shell Command Language, 2.8.2)
SIGNALLED = 128  # plus the number of the signal: the exit status of a killed program, likewise
PIECE = 65536  # bytes of output read at once: all that a pipe holds (pipe(7))
GLANCE = 0.05  # seconds between two checks of all children, without pidfds
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}

Finished: TypeAlias = Callable[[Ending], object]


class _Order(NamedTuple):
    """A job, and the callbacks for its end."""

    job: Job
    finished: Finished
    exited: Callback


class Children:
    """Starts jobs and reports their ends."""

    def __init__(self, loop: Loop, *, use_pidfd: bool | None = None) -> None:
        self.loop = loop
        self.running: dict[int, Child] = {}  # by process id, until they are reaped
        self.use_pidfd = has_pidfd() if use_pidfd is None else use_pidfd
        self._glancing = False
        hear_of_children()

    def spawn(self, job: Job, finished: Finished, exited: Callback = lambda: None) -> None:
        """Start `job`. `finished` is called once, in a later turn, also if the job could not be started.

        `exited` is called after that, when the process has been reaped. The kernel may need a while to end a
        killed one. The job runs in `/`, with /dev/null as its input, ENVIRONMENT, and no descriptor of ours.
        """
        try:
            child = self._started(_Order(job, finished, exited))
        except (OSError, ValueError) as error:  # ValueError: a NUL in an argument
            failure = _not_started(job, error)
            self.loop.call_soon(lambda: (finished(failure), exited()))
        else:
            self.running[child.pid] = child
            started.add(child.pid)
            self._glance_later()

    def reap(self) -> None:
        """Check which children have ended. A handler of SIGCHLD may call this, ahead of the timer."""
        for child in tuple(self.running.values()):
            child.look()

    def _glance_later(self) -> None:
        """Without pidfds, check the children soon, as long as any run."""
        if self.running and not self.use_pidfd and not self._glancing:
            self._glancing = True
            self.loop.call_at(self.loop.now + GLANCE, self._glance)

    def _glance(self) -> None:
        self._glancing = False
        self.reap()
        self._glance_later()

    def kill_all(self) -> None:
        """Kill every job, and report its end now."""
        for child in tuple(self.running.values()):
            child.kill()

    def _started(self, order: _Order) -> "Child":
        reader, writer = os.pipe()
        try:
            process = self._process(order.job, writer)
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        descriptors = [reader]
        try:
            if self.use_pidfd:  # its number is not above that of `writer`, which is closed by now
                descriptors.append(os.pidfd_open(process.pid))
            return Child(self, process, descriptors, order)
        except OSError:  # we would not notice the job's end, so it must not run
            for fd in descriptors:
                self.loop.unwatch(fd)
                os.close(fd)
            process.kill()
            process.wait()  # it does not take long: the child has only begun to load its program
            raise

    def _process(self, job: Job, output: int) -> "subprocess.Popen[bytes]":
        limit = self.loop.descriptor_limit
        if limit is not None and output >= limit:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        process = subprocess.Popen(  # noqa: S603 (no shell; who may run what is decided above)
            job.argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env=ENVIRONMENT,
            start_new_session=not job.nice,
            process_group=0 if job.nice else None,  # a session has its own group anyway
        )
        if job.nice:
            # It has ended, or a sandbox forbids the call: the job goes on all the same.
            with suppress(OSError):
                ours = os.getpriority(os.PRIO_PROCESS, 0)
                os.setpriority(os.PRIO_PROCESS, process.pid, ours + job.nice)
        return process


class Child:
    """One running job. If it is killed, its end is reported before the kernel has ended the process."""

    def __init__(
        self,
        children: Children,
        process: "subprocess.Popen[bytes]",
        descriptors: Sequence[int],
        order: _Order,
    ) -> None:
        """`descriptors`: the reader of the output, and the pidfd if there is one. Raises OSError."""
        loop = children.loop
        self.pid = process.pid
        self._children = children
        self._process = process
        self._reader, *pidfd = descriptors
        self._pidfd = pidfd[0] if pidfd else -1
        self._max_output = order.job.max_output
        self._finished: Finished | None = order.finished
        self._exited = order.exited
        self._output = bytearray()
        self._truncated = False
        self._begun = loop.now
        os.set_blocking(self._reader, False)
        loop.watch(self._reader, self._on_output)
        if self._pidfd >= 0:
            loop.watch(self._pidfd, self.look)
        self._timer = loop.call_at(self._begun + order.job.timeout, self._on_deadline)

    def look(self) -> None:
        """Reap the process and report the job's end, if it has ended."""
        if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return
        self._kill_group()  # before the reaping: afterwards another process could get its number
        status = self._process.wait()
        self._finish(status if status >= 0 else SIGNALLED - status)
        del self._children.running[self.pid]
        started.discard(self.pid)
        if self._pidfd >= 0:
            self._children.loop.unwatch(self._pidfd)
            os.close(self._pidfd)
        self._exited()

    def kill(self, *, timed_out: bool = False) -> None:
        """Kill the process and its group, and report the job's end now."""
        self._kill_group()
        self._finish(SIGNALLED + signal.SIGKILL, timed_out=timed_out)

    def _on_deadline(self) -> None:
        self.kill(timed_out=True)

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError, PermissionError):  # it has ended, or it belongs to another user
            os.killpg(self.pid, signal.SIGKILL)

    def _on_output(self) -> None:
        """Read a piece of output. The end of the pipe is not the end of the job."""
        if self._read() == b"":
            self._children.loop.unwatch(self._reader)

    def _read(self) -> bytes | None:
        """Read a piece, and keep it within the limit. Return b"" at the end, None if the pipe is empty."""
        try:
            piece = os.read(self._reader, PIECE)
        except BlockingIOError:
            return None
        room = self._max_output - len(self._output)
        self._output += piece[:room]
        self._truncated = self._truncated or len(piece) > room
        return piece

    def _finish(self, status: int, *, timed_out: bool = False) -> None:
        """Report the job's end, once."""
        if self._finished is None:
            return
        loop = self._children.loop
        while not self._truncated and self._read():
            pass  # read the rest of the output, but not beyond the limit: a grandchild could write for ever
        loop.unwatch(self._reader)
        os.close(self._reader)
        self._timer.cancel()
        finished, self._finished = self._finished, None
        finished(
            Ending(
                status,
                bytes(self._output),
                loop.now - self._begun,
                truncated=self._truncated,
                timed_out=timed_out,
            )
        )


def _not_started(job: Job, error: Exception) -> Ending:
    """Return the ending of a job that could not be started, as shells report it."""
    reason = error.strerror if isinstance(error, OSError) else str(error)
    status = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
    return Ending(status, f"{job.argv[0]}: {reason}\n".encode(errors="backslashreplace"), 0.0)
