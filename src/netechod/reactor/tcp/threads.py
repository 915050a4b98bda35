"""Threads that serve one connection each at a time: a new one for every connection, or a fixed pool.

The interpreter runs one thread at a time. So all threads together use one processor, as the loop does alone.
Each thread costs a stack, and each message a switch between threads.
"""

import errno
import os
from queue import SimpleQueue
from threading import Event, Thread
from weakref import WeakSet

from netechod.reactor.tcp.api import PendingConnection, Server, Waker
from netechod.reactor.tcp.blocking import TransferCounters, drive
from netechod.reactor.tcp.worker import WorkerConnection


class ThreadConnection(WorkerConnection):
    """A connection driven by a thread."""

    __slots__ = ("_defect", "_done", "_session", "_unsent")

    def __init__(self, server: Server, pending: PendingConnection) -> None:
        super().__init__(
            server, pending, TransferCounters(server.loop.clock, bytearray(TransferCounters.SIZE))
        )
        self._session = server.service.new_session(Waker(pending))
        self._unsent = pending.unsent
        self._defect: BaseException | None = None
        self._done = Event()

    def run(self) -> None:
        """Drive the connection, on its thread. After `_done` is set, the thread does not touch the loop."""
        try:
            self._outcome = drive(self._sock, self._session, self._counters, self._unsent)
        except BaseException as defect:  # a defect of ours: the loop raises it, and so the daemon ends
            self._defect = defect
        self._server.loop.call_soon_threadsafe(self._ended)
        self._done.set()

    def wait(self) -> None:
        """See Connection."""
        self._done.wait()
        self._ended()

    def _ended(self) -> None:
        super()._ended()
        if self._defect is not None:
            raise self._defect


class Threads:
    """Serves every connection by a thread of its own."""

    def __init__(self) -> None:
        self._threads: WeakSet[Thread] = WeakSet()  # an ended thread leaves the set

    def serve(self, server: Server, pending: PendingConnection) -> ThreadConnection:
        """See Driver."""
        connection = ThreadConnection(server, pending)
        thread = Thread(target=connection.run, name=f"{server.service.name} {pending.name}", daemon=True)
        _start(thread)
        self._threads.add(thread)
        return connection

    def close(self) -> None:
        """See Driver."""
        for thread in tuple(self._threads):
            thread.join()


class Pool:
    """Serves connections by a fixed number of threads. Each takes one connection after another."""

    def __init__(self, service: str, size: int) -> None:
        self._jobs: SimpleQueue[ThreadConnection | None] = SimpleQueue()
        names = [f"{service}-{number}" for number in range(1, size + 1)]
        self._threads = [Thread(target=self._work, name=name, daemon=True) for name in names]
        for thread in self._threads:
            _start(thread)

    def serve(self, server: Server, pending: PendingConnection) -> ThreadConnection:
        """See Driver."""
        connection = ThreadConnection(server, pending)
        self._jobs.put(connection)
        return connection

    def close(self) -> None:
        """See Driver."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        """Drive one connection after the other. This is the main function of each thread of the pool."""
        while (connection := self._jobs.get()) is not None:
            connection.run()


def _start(thread: Thread) -> None:
    """Start a thread. Raises BlockingIOError, as fork(2) does, if the system allows no further thread."""
    try:
        thread.start()
    except RuntimeError as error:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from error
