"""A process for every connection, by fork(2) without exec. A child runs `drive` and no part of the loop.

fork copies all memory, but only the thread that calls it. A lock that the log's writer holds in that moment
stays locked in the child for ever. So a child takes no lock: it only runs `drive`. It writes no log lines
(the parent does), imports no module, and leaves by _exit(2). The interpreter, logging and malloc(3) handle
their own locks (os.register_at_fork, pthread_atfork(3)).
"""

import errno
import gc
import logging
import os
import select
import signal
import traceback
import warnings
from collections.abc import Set
from mmap import mmap
from typing import NoReturn, get_args

from netechod.reactor.loop import Loop
from netechod.reactor.process_control import SET_PDEATHSIG, has_pidfd, hear_of_children, prctl, started
from netechod.reactor.tcp.api import PendingConnection, Server, Waker
from netechod.reactor.tcp.blocking import Outcome, TransferCounters, drive
from netechod.reactor.tcp.worker import WorkerConnection
from netechod.services.api import StreamSession

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)  # a child's exit status is the index of its outcome here
DEFECT = 70  # the exit status of a child after an exception that is a defect (EX_SOFTWARE)

_OURS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)

log = logging.getLogger(__name__)


class ProcessConnection(WorkerConnection):
    """A connection driven by a process."""

    __slots__ = ("_pidfd", "pid")

    def __init__(self, server: Server, pending: PendingConnection) -> None:
        super().__init__(
            server, pending, TransferCounters(server.loop.clock, mmap(-1, TransferCounters.SIZE))
        )
        # Reserve a descriptor for the pidfd. After the fork it must not fail with EMFILE, because the child
        # is already reading from the client.
        spare = os.open(os.devnull, os.O_RDONLY)
        try:
            self.pid = _fork(pending, server.service.new_session(Waker(pending)), self._counters)
        finally:
            os.close(spare)
        started.add(self.pid)
        self._pidfd = -1

    def watch(self, ends: select.epoll) -> int:
        """Have `ends` report the end of the process. Return the descriptor that it reports, the pidfd."""
        try:
            self._pidfd = os.pidfd_open(self.pid)
            ends.register(self._pidfd, select.EPOLLIN)
        except OSError:  # we would not notice the child's end, so it must not run
            self.abandon()
            self.wait()
            raise
        return self._pidfd

    def abandon(self) -> None:
        """See Connection. The kernel does not reuse the process id before we have reaped the child."""
        self._reason = "drain"
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> None:
        """See Connection. This reaps the child."""
        self._note(os.waitid(os.P_PID, self.pid, os.WEXITED))
        started.discard(self.pid)
        if self._pidfd >= 0:
            os.close(self._pidfd)
        self._ended()

    def _note(self, end: os.waitid_result | None) -> None:
        assert end is not None  # noqa: S101 (for the type checker: only WNOHANG has no result)
        if end.si_code == os.CLD_EXITED and end.si_status < len(OUTCOMES):
            self._outcome = OUTCOMES[end.si_status]
        elif not self._reason:
            exited = end.si_code == os.CLD_EXITED
            how = f"status {end.si_status}" if exited else signal.Signals(end.si_status).name
            fields = {"event": "child-died", "service": self._server.service.name, "peer": self.name}
            log.error("process %d died, which served %s: %s", self.pid, self.name, how, extra=fields)


class Forks:
    """Serves every connection by a process of its own."""

    def __init__(self, loop: Loop) -> None:
        if not has_pidfd():
            raise OSError(errno.ENOSYS, "the system lacks pidfd_open(2)")
        hear_of_children()
        self._loop = loop
        self._connections: dict[int, ProcessConnection] = {}  # by pidfd
        # The loop watches one descriptor for all children: select(2) could not watch one each.
        self._ends = select.epoll()
        loop.watch(self._ends.fileno(), self._on_ended)

    def serve(self, server: Server, pending: PendingConnection) -> ProcessConnection:
        """See Driver."""
        connection = ProcessConnection(server, pending)
        self._connections[connection.watch(self._ends)] = connection
        return connection

    def close(self) -> None:
        """See Driver."""
        if not self._ends.closed:
            self._loop.unwatch(self._ends.fileno())
            self._ends.close()

    def _on_ended(self) -> None:
        for pidfd, _ in self._ends.poll(0):
            # To close it is not enough: a child that was just forked still has a copy (epoll(7), Q&A 6).
            self._ends.unregister(pidfd)
            self._connections.pop(pidfd).wait()


def _fork(pending: PendingConnection, session: StreamSession, counters: TransferCounters) -> int:
    """Fork a child that drives the connection, and return its process id.

    Meanwhile all signals are blocked. The child inherits our handlers. Until it has removed them, a signal to
    it would only be noted in its copy of our memory, and lost.
    """
    parent = os.getpid()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of threads: see above
            pid = os.fork()
        if not pid:
            _serve(pending, session, counters, parent, mask)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return pid


def _serve(
    pending: PendingConnection,
    session: StreamSession,
    counters: TransferCounters,
    parent: int,
    mask: Set[int],
) -> NoReturn:
    """Drive the connection in the child, and exit."""
    status = DEFECT
    try:
        _forget(keep=pending.sock.fileno())
        _die_with(parent)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        status = OUTCOMES.index(drive(pending.sock, session, counters, pending.unsent))
    except BaseException:
        os.write(2, traceback.format_exc().encode())  # sys.stderr has a buffer, and so a lock
    finally:
        os._exit(status)  # runs no handler or destructor of the parent, and flushes no buffer of it


def _forget(*, keep: int) -> None:
    """Give up everything that belongs to the parent: signals, and all descriptors but `keep`.

    Through the parent's bell and epoll, the child would take its signals and events. The parent's listeners,
    the lock on its pidfile and its other connections would stay open after its end. Signals to the process
    group are ignored, because the parent handles them: while it drains, this child goes on sending.
    """
    signal.set_wakeup_fd(-1)
    for number in _OURS:
        signal.signal(number, signal.SIG_IGN)
    gc.disable()  # a collection would close descriptors that are not ours, and copy all pages that it visits
    os.closerange(3, keep)
    os.closerange(keep + 1, os.sysconf("SC_OPEN_MAX"))


def _die_with(parent: int) -> None:
    """Have the kernel kill us when the thread that forked us ends. That is the daemon's main thread."""
    if not prctl(SET_PDEATHSIG, signal.SIGKILL):
        raise OSError(errno.EPERM, "nothing would end this process with the daemon: prctl(2)")
    if os.getppid() != parent:  # it ended before prctl was called
        os._exit(DEFECT)
