"""The daemon's log: `log.txt` for events, `log.error` for errors. Logging never waits.

All code logs through `logging.getLogger("netechod...")`. The handler here only fixes the message and queues
it. One thread does all writing, because a disk, a pipe or the journal may make it wait.
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
"""Records waiting to be written, also before the files are open; beyond it new ones are lost and counted."""

BATCH = 256
"""Lines written before the files' names are looked at again, to notice a rotation under load."""

_LOGGER = logging.getLogger("netechod")


def journal_wanted(setting: str) -> bool:
    """Whether the journal gets the messages: `on`, `off`, or `auto` where stderr is the journal's already.

    systemd.exec(5), $JOURNAL_STREAM: the device and inode of what it connected, to be compared because a
    child can inherit the variable and have its stderr elsewhere.
    """
    if setting != "auto":
        return setting == "on"
    try:
        stderr = os.fstat(2)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{stderr.st_dev}:{stderr.st_ino}"


@dataclass(frozen=True)
class _Reopen:
    """An order to the writer: open the files anew, then call `done`."""

    done: Callable[[str], object] | None


class _Order(Enum):
    """An order to the writer without anything to it."""

    STOP = auto()


# It has no limit of its own, but its `put` never blocks, may interrupt itself, and survives any fork.
_Item: TypeAlias = "Entry | _Reopen | _Order"
_Queue: TypeAlias = "SimpleQueue[_Item]"


class Logs:
    """The two log files behind the logger `netechod`, from construction to `close`.

    Records made before `open` wait in memory and are written first, under the pid of the process that opens:
    the sockets are bound, and reported, before the daemon detaches. Nothing but memory exists until then, so
    that any number of forks may come between. A process forked later has no writer: its records go nowhere.
    """

    def __init__(
        self,
        *,
        directory: Path,
        level: str = "NORMAL",
        format: str = "classic",
        copy_to: int | None = None,
        journal: bool = False,
    ) -> None:
        """`copy_to`: a descriptor that shows every line too (2 in the foreground) unless the journal does."""
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
        """The least level that is written."""
        return self._level

    @level.setter
    def level(self, name: str) -> None:
        _LOGGER.setLevel(LEVELS[name])
        self._level = name

    @property
    def format(self) -> str:
        """How lines look that are written from now on."""
        return self._format

    @format.setter
    def format(self, name: str) -> None:
        self._writer.render = FORMATS[name]
        self._format = name

    @property
    def lost(self) -> int:
        """Lines that no file has and none will have."""
        return self._handler.dropped + self._writer.lost

    def open(self, *, copies: bool = True) -> None:
        """Open the files and start writing, in the process that stays; call it after the last fork.

        Without `copies` the lines go to the files alone, for a start that has failed: whoever started it
        is told in another way.
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
        """Open the files anew, after the lines that are queued already.

        Then call `done`, on the writing thread, with a sentence about what failed, or nothing.
        """
        self._queue.put(_Reopen(done))

    def close(self, timeout: float = 1.0) -> None:
        """Write the queued lines, but wait no longer than `timeout` seconds; then let go of the logger."""
        _LOGGER.removeHandler(self._handler)
        _LOGGER.setLevel(logging.NOTSET)
        _LOGGER.propagate = True
        self._handler.close()
        if self._thread is not None:
            self._queue.put(_Order.STOP)
            self._thread.join(timeout)
            self._thread = None


class _QueueHandler(logging.Handler):
    """The calling thread's side: fix the message, queue it, count what the queue cannot take."""

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
    """The writing thread's side: all that may have to wait for a disk, so that the loop never does."""

    def __init__(self, handler: _QueueHandler, directory: Path, copy_to: int | None, journal: bool) -> None:
        self.render = FORMATS["classic"]
        self.lost = 0
        self._handler = handler
        self._text = LogFile(directory / "log.txt")
        self._error = LogFile(directory / "log.error")
        self._copy_to = copy_to
        self._journal = journal
        self._copy: Copy | None = None
        self._pid = 0
        self._dropped = 0  # how many of the handler's losses are in `_unsaid` or said
        self._unsaid: Counter[str] = Counter()  # lines lost, by reason, since log.txt last told it

    def open_files(self) -> None:
        """Make both files, or say which one this process may not write."""
        self._pid = os.getpid()
        for file in (self._text, self._error):
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
        self._text.close()
        self._error.close()

    def run(self) -> None:
        """Write until told to stop: the life of the thread."""
        self._copy = self._open_copy()
        while self._write_batch(self._next_batch()):
            pass
        self._say_losses()
        self.close_files()
        if self._copy is not None:
            self._copy.close()

    def _open_copy(self) -> Copy | None:
        """The journal when it is wanted, else the descriptor when there is one."""
        if self._journal:
            return JournalCopy()
        if self._copy_to is not None:
            with suppress(OSError):  # the descriptor is closed
                return DescriptorCopy(self._copy_to)
        return None

    def _next_batch(self) -> list[_Item]:
        """Wait for an item, and take those that have come meanwhile, too."""
        queue = self._handler.queue
        batch = [queue.get()]
        while len(batch) < BATCH and not queue.empty():  # only this thread takes items
            batch.append(queue.get())
        return batch

    def _write_batch(self, batch: list[_Item]) -> bool:
        """Write the entries in order; False when told to stop."""
        self._text.follow()
        self._error.follow()
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
        """Open the files that the paths name now. Where that fails, keep the open file and tell why."""
        failures = []
        for file in (self._text, self._error):
            try:
                file.reopen()
            except OSError as error:
                failures.append(f"cannot open {file.path}: {error.strerror}")
        for failure in failures:
            self._write(entry_of(logging.makeLogRecord({"levelno": logging.ERROR, "msg": failure})))
        if order.done is not None:
            order.done("; ".join(failures))

    def _write(self, entry: Entry) -> None:
        """Put one entry where its level belongs, or count it; the copy gets it in either case."""
        file = self._error if entry.level >= logging.ERROR else self._text
        line = self._line(entry)
        try:
            file.append(line)
        except OSError as error:
            self.lost += 1
            self._unsaid[f"{file.path.name}: {error.strerror}"] += 1
        self._show(entry, line)

    def _line(self, entry: Entry) -> bytes:
        """The entry as the files take it."""
        return self.render(entry, self._pid).encode() + b"\n"

    def _show(self, entry: Entry, line: bytes) -> None:
        """Give the entry to the copy, if there is one."""
        if self._copy is not None:
            self._copy.write(entry, line)

    def _say_losses(self) -> None:
        """One WARNING in log.txt for the lines lost since the last one, as soon as it can be written."""
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
        with suppress(OSError):  # not yet: the next line tries again
            self._text.append(line)
            self._unsaid.clear()
            self._show(notice, line)
