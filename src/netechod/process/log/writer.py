"""The daemon's log: `log.txt` for events, `log.error` for errors. Logging never waits.

All code logs through `logging.getLogger("netechod...")`. The handler formats the message and queues it. One
thread writes, because a disk, a pipe or the journal may block.
"""

import logging
import os
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from queue import SimpleQueue
from typing import TypeAlias

from netechod.errors import NetechodError, PermissionRefusedError
from netechod.levels import LEVELS
from netechod.process.log.format import FORMATS, Entry, entry_of
from netechod.process.log.sinks import PASSING, Copy, DescriptorCopy, JournalCopy, LogFile

QUEUE_LIMIT = 10_000
"""Records that wait to be written, also before the files are open. More are lost and counted."""

BATCH = 256
"""Lines after which the names of the files are checked again, to notice a rotation under load."""

_LOGGER = logging.getLogger("netechod")


@dataclass(frozen=True)
class _Reopen:
    """An order to the writer: open the files anew, then call `done`."""

    done: Callable[[str], object] | None


class _Order(Enum):
    """An order to the writer without arguments."""

    STOP = auto()


# A SimpleQueue has no limit, but its `put` never blocks, is reentrant, and survives a fork.
_Item: TypeAlias = "Entry | _Reopen | _Order"
_Queue: TypeAlias = "SimpleQueue[_Item]"


class Logs:
    """The two log files behind the logger `netechod`, from construction to `close`.

    Records made before `open` wait in memory. `open` writes them first, under the pid of the process that
    calls it: sockets are bound and logged before the daemon detaches. Until then there is no file and no
    thread, so the process may fork. A process that is forked later has no writer, and its records are lost.
    """

    def __init__(
        self,
        *,
        directory: Path | None,
        level: str = "NORMAL",
        format: str = "classic",
        copy_to: int | None = None,
        journal: bool = False,
    ) -> None:
        """`copy_to`: a descriptor that also gets each line (2 in the foreground), unless the journal does.

        Without a directory there are no files, and the descriptor or the journal alone gets the lines.
        """
        self._queue: _Queue = SimpleQueue()
        self._handler = _QueueHandler(self._queue)
        self._writer = _Writer(self._handler, directory, copy_to, journal)
        self._thread: threading.Thread | None = None
        self.format = format
        self.level = level
        _LOGGER.addHandler(self._handler)
        _LOGGER.propagate = False

    @property
    def level(self) -> str:
        """The lowest level that is written."""
        return self._level

    @level.setter
    def level(self, name: str) -> None:
        _LOGGER.setLevel(LEVELS[name])
        self._level = name

    @property
    def format(self) -> str:
        """The format of the lines from now on."""
        return self._format

    @format.setter
    def format(self, name: str) -> None:
        self._writer.render = FORMATS[name]
        self._format = name

    @property
    def lost(self) -> int:
        """The number of lines that could not be written."""
        return self._handler.dropped + self._writer.lost

    def open(self, *, copies: bool = True) -> None:
        """Open the files and start writing. Call it in the final process, after the last fork.

        Without `copies` the lines go to the files alone. That is for a failed start, which is reported to the
        starter in another way.
        """
        self._writer.open_files()
        if not copies:
            self._writer.drop_copies()
        thread = threading.Thread(target=self._writer.run, name="log writer", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # clone(2) says EAGAIN
            raise NetechodError("cannot start the log's thread: no process or memory left") from error
        self._thread = thread

    def reopen(self, done: Callable[[str], object] | None = None) -> None:
        """Open the files again, after the lines that are queued already.

        Then the writing thread calls `done` with a sentence about the failures, or with an empty text.
        """
        self._queue.put(_Reopen(done))

    def close(self, timeout: float = 1.0) -> None:
        """Detach from the logger and write the queued lines. Waits at most `timeout` seconds."""
        _LOGGER.removeHandler(self._handler)
        _LOGGER.setLevel(logging.NOTSET)
        _LOGGER.propagate = True
        self._handler.close()
        if self._thread is not None:
            self._queue.put(_Order.STOP)
            self._thread.join(timeout)
            self._thread = None


class _QueueHandler(logging.Handler):
    """The side of the calling threads: formats and queues messages, and counts those that find no room."""

    def __init__(self, queue: _Queue) -> None:
        super().__init__()
        self.queue = queue
        self.dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Queue `record`. Neither blocks nor raises."""
        if self.queue.qsize() < QUEUE_LIMIT:
            self.queue.put(entry_of(record))
        else:
            self.dropped += 1


class _Writer:
    """The side of the writing thread: everything that may wait for a disk."""

    def __init__(
        self, handler: _QueueHandler, directory: Path | None, copy_to: int | None, journal: bool
    ) -> None:
        self.render = FORMATS["classic"]
        self.lost = 0
        self._handler = handler
        self._files = [LogFile(directory / name) for name in ("log.txt", "log.error")] if directory else []
        self._copy_to = copy_to
        self._journal = journal
        self._copy: Copy | None = None
        self._pid = 0
        self._dropped = 0  # number of the handler's losses that are in `_unsaid` or reported
        self._unsaid: Counter[str] = Counter()  # lines lost since the last report in log.txt, by reason

    def open_files(self) -> None:
        """Open both files. Raises PermissionRefusedError with the name of the one that cannot be written."""
        self._pid = os.getpid()
        for file in self._files:
            try:
                file.reopen()
            except OSError as error:
                if error.errno not in PASSING:
                    self.close_files()
                    raise PermissionRefusedError(
                        f"cannot write {file.path}: {error.strerror}\n"
                        "hint: start as root or as the owner of that directory, or set log.directory"
                    ) from error

    def drop_copies(self) -> None:
        """Write to the files alone."""
        self._journal, self._copy_to = False, None

    def close_files(self) -> None:
        """Close both files."""
        for file in self._files:
            file.close()

    def run(self) -> None:
        """Write until STOP. This is the main function of the thread."""
        self._copy = self._open_copy()
        while self._write_batch(self._next_batch()):
            pass
        self._say_losses()
        self.close_files()
        if self._copy is not None:
            self._copy.close()

    def _open_copy(self) -> Copy | None:
        """Return the journal if it is wanted, else the descriptor if there is one."""
        if self._journal:
            return JournalCopy()
        if self._copy_to is not None:
            with suppress(OSError):  # the descriptor is closed
                return DescriptorCopy(self._copy_to)
        return None

    def _next_batch(self) -> list[_Item]:
        """Wait for an item, then take all others that are queued, BATCH at most."""
        queue = self._handler.queue
        batch = [queue.get()]
        while len(batch) < BATCH and not queue.empty():  # only this thread takes items
            batch.append(queue.get())
        return batch

    def _write_batch(self, batch: list[_Item]) -> bool:
        """Write the entries in order. Returns False after STOP."""
        for file in self._files:
            file.follow()
        for item in batch:
            if item is _Order.STOP:
                return False
            if isinstance(item, _Reopen):
                self._reopen(item)
            else:
                self._say_losses()
                self._write(item)
        return True

    def _reopen(self, order: _Reopen) -> None:
        """Open the files that the paths name now. If that fails, keep the open file and log the reason."""
        failures = []
        for file in self._files:
            try:
                file.reopen()
            except OSError as error:
                failures.append(f"cannot open {file.path}: {error.strerror}")
        for failure in failures:
            self._write(entry_of(logging.makeLogRecord({"levelno": logging.ERROR, "msg": failure})))
        if order.done is not None:
            order.done("; ".join(failures))

    def _write(self, entry: Entry) -> None:
        """Write an entry to the file of its level, or count it as lost. The copy gets it in both cases."""
        line = self._line(entry)
        failure = self._append(line, entry.level >= logging.ERROR)
        if not self._show(entry, line) and not self._files:
            failure = "nobody takes them from standard error or the journal"
        if failure:
            self.lost += 1
            self._unsaid[failure] += 1

    def _append(self, line: bytes, number: int) -> str:
        """Write the line to the file with this number, if there are files. Return why it is lost, or ""."""
        try:
            if self._files:
                self._files[number].append(line)
        except OSError as error:
            return f"{self._files[number].path.name}: {error.strerror}"
        return ""

    def _show(self, entry: Entry, line: bytes) -> bool:
        """Give the entry to the copy. Return whether there is one and it has taken the entry."""
        return self._copy is not None and self._copy.write(entry, line)

    def _line(self, entry: Entry) -> bytes:
        """Return the line of the entry, in bytes."""
        return self.render(entry, self._pid).encode() + b"\n"

    def _say_losses(self) -> None:
        """Write one WARNING about the lines lost since the last one, if it can be written."""
        dropped = self._handler.dropped
        if dropped > self._dropped:
            self._unsaid["the queue is full"] += dropped - self._dropped
            self._dropped = dropped
        if not self._unsaid:
            return
        why = ", ".join(self._unsaid)
        notice = entry_of(
            logging.makeLogRecord(
                {"levelno": logging.WARNING, "msg": f"{self._unsaid.total()} log lines lost: {why}"}
            )
        )
        line = self._line(notice)
        if self._append(line, 0):
            return  # the next line tries again
        if self._show(notice, line) or self._files:
            self._unsaid.clear()
