"""Builds the index of a dictionary file: in little memory, and never half, as it gets its name when whole."""

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from netechod.process.dictionary_file import Stamp, completed, read_file
from netechod.process.dictionary_index import (
    EXACT,
    FACTS,
    FOLDED,
    LEAST_ROOM,
    MAX_KEY,
    MISSING,
    IndexedDictionary,
    IndexFacts,
    UnusableIndexError,
    open_index,
    opened,
    packed,
    path_of,
    unpacked,
)
from netechod.process.sorted_runs import SortedRuns
from netechod.services.dictionary_parser import Facts, Parser

if TYPE_CHECKING:
    import lmdb

BLOCK = 256 * 1024  # bytes of the source that are parsed at a time
ROOM = 16  # bytes of address space for each byte of the source: `A:b` takes seven, and a page is never full
MAGIC = bytes.fromhex("dec0efbe"), bytes.fromhex("beefc0de")  # of LMDB, behind a page's header of 16 bytes
END = b"\xff"  # behind all keys: no UTF-8 begins like this

Row: TypeAlias = tuple[bytes, bytes]
"""A key and its value, as in a table."""


class NoPlaceError(Exception):
    """No index can be made by this program, or where it should be; the text says why."""


class IndexParser(Parser):
    """Sorts the entries of a file by their keys, by way of files without a name in `directory`."""

    def __init__(self, name: str, *, strict: bool, directory: Path | None = None) -> None:
        super().__init__(name, strict=strict)
        self.longest = 0  # bytes of the longest word, folded or not, if there is one that is not its own key
        self._exact = SortedRuns(directory)
        self._folded = SortedRuns(directory)

    def keep(self, number: int, key: str, meaning: bytes, folded: str) -> None:
        """See Parser."""
        self._exact.add(self._sortable(number, key, meaning))
        if folded != key:
            self._folded.add(self._sortable(number, folded, meaning))

    def exact(self) -> Iterator[list[Row]]:
        """The table of words, some rows at a time; on the way, duplicates are warned of."""

        def warn(number: int, key: bytes, value: bytes) -> None:
            self.warn_of_duplicate(number, unpacked(key, value)[0].decode())

        return _first_of_each(self._exact, warn)

    def folded(self) -> Iterator[list[Row]]:
        """The table of folded words; that several fold alike is no news."""
        return _first_of_each(self._folded, lambda number, key, value: None)

    def close(self) -> None:
        """Give the files back."""
        self._exact.close()
        self._folded.close()

    def _sortable(self, number: int, key: str, meaning: bytes) -> bytes:
        """A row in a form in which rows sort by their keys, and those of one key by their lines."""
        word = key.encode()
        if len(word) > MAX_KEY:
            self.longest = max(self.longest, len(word))
            word, meaning = packed(word, meaning)
        return b"%b\0%09x%b" % (word, number, meaning)


def _first_of_each(runs: SortedRuns, repeated: Callable[[int, bytes, bytes], object]) -> Iterator[list[Row]]:
    """The first row of each key; `repeated` is told of the others, with their lines."""
    last = b""
    for batch in runs.batches():
        rows = []
        for line in batch:
            key, _, value = line.partition(b"\0")
            if key == last:
                repeated(int(value[:9], 16), key, value[9:])
            else:
                rows.append((key, value[9:]))
                last = key
        yield rows


class Tally:
    """Counts in what the rows of a table, which come in order, differ from those of another one."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self.added = self.removed = self.changed = 0
        self._rows = rows
        self._row = next(rows, (END, b""))

    def see(self, rows: list[Row]) -> None:
        """Count some rows, the next ones."""
        theirs, their_value = self._row
        for key, value in rows:
            while theirs < key:
                self.removed += 1
                theirs, their_value = next(self._rows, (END, b""))
            if theirs == key:
                self.changed += their_value != value
                theirs, their_value = next(self._rows, (END, b""))
            else:
                self.added += 1
        self._row = theirs, their_value

    def end(self) -> None:
        """Count what has not come."""
        while self._row[0] != END:
            self.removed += 1
            self._row = next(self._rows, (END, b""))


def build(source: Path, index: Path, *, max_size: int, strict: bool) -> IndexFacts:
    """Build the index of a file and put it in its place.

    Raises DictionaryError when the file is at fault, NoPlaceError when there is no way to have an index here,
    and OSError when it fails.
    """
    try:
        import lmdb
    except ImportError:
        raise NoPlaceError(MISSING) from None
    try:
        with ExitStack() as undo:
            directory, fd = _unnamed_file(index)
            undo.callback(os.close, directory)
            undo.callback(os.close, fd)
            parser = IndexParser(str(source), strict=strict, directory=index.parent)
            undo.callback(parser.close)
            stamp = completed(read_file(source, parser.feed, max_size=max_size, size=BLOCK))
            parser.end()
            facts = _write(fd, parser, stamp, _edition_before(index))
            _publish(fd, directory, index.name)
            return facts
    except lmdb.Error as error:  # for a full disk it has several words
        free = shutil.disk_usage(index.parent).free
        raise OSError(f"{index}: {error}; {free >> 20} MiB are free there") from None


def survey(source: Path, *, max_size: int, strict: bool) -> tuple[int, Facts]:
    """Parse a file as for an index, in little memory; returns the number of its entries, and the facts."""
    with closing(IndexParser(str(source), strict=strict)) as parser:
        completed(read_file(source, parser.feed, max_size=max_size, size=BLOCK))
        parser.end()
        return sum(map(len, parser.exact())), parser.facts


def verify(source: Path, index: Path) -> bool:
    """Read a file that looks like the source of the index, and remove the index when it was made of another.

    False, then. The index itself is read ahead, so that look-ups find it in memory.
    """
    edition = open_index(index)
    with index.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
    digest = hashlib.sha256()
    stamp = completed(read_file(source, digest.update, max_size=edition.facts.stamp.size, size=BLOCK))
    if stamp != edition.facts.stamp or digest.hexdigest() == edition.sha256:
        return True
    index.unlink()
    return False


def _unnamed_file(index: Path) -> tuple[int, int]:
    """The directory of the index, and a new file in it: without a name, it goes with whoever has it open."""
    with ExitStack() as undo:
        try:
            directory = os.open(index.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            undo.callback(os.close, directory)
            _check_replaceable(index.name, directory)
            fd = os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, dir_fd=directory)
            undo.callback(os.close, fd)
            os.fchmod(fd, 0o644)  # whoever asks is told what is in it
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise NoPlaceError(f"{index.parent}: {error.strerror}") from None
        undo.pop_all()
        return directory, fd


def _check_replaceable(name: str, directory: int) -> None:
    """Refuse to put an index in the place of anything but an index."""
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    except FileNotFoundError:
        return
    try:
        status = os.fstat(fd)
        replaceable = stat.S_ISREG(status.st_mode) and (not status.st_size or os.pread(fd, 4, 16) in MAGIC)
        if not replaceable:
            raise NoPlaceError(f"{name} is no index; remove it, or have dictionary.index name another file")
    finally:
        os.close(fd)


def _edition_before(index: Path) -> IndexedDictionary | None:
    """The edition whose place the new one takes, if there is one that can be read."""
    try:
        return open_index(index)
    except UnusableIndexError:
        return None


def _write(fd: int, parser: IndexParser, stamp: Stamp, before: IndexedDictionary | None) -> IndexFacts:
    """Write the tables, in order, and then the facts."""
    tally = Tally(before.rows() if before else iter(()))
    with opened(fd, room=stamp.size * ROOM + LEAST_ROOM) as environment:
        entries = 0
        for rows in parser.exact():
            _append(environment, EXACT, rows)
            tally.see(rows)
            entries += len(rows)
        tally.end()
        for rows in parser.folded():
            _append(environment, FOLDED, rows)
        found = parser.facts  # only now: duplicates are known late
        facts = IndexFacts(
            stamp=stamp,
            sha256=found.sha256,
            entries=entries,
            skipped=found.skipped,
            warnings=found.warnings,
            longest=parser.longest,
            since=before.sha256 if before else "",
            added=tally.added,
            removed=tally.removed,
            changed=tally.changed,
        )
        _append(environment, FACTS, [(FACTS, facts.dump())])
        environment.sync(True)
    return facts


def _append(environment: "lmdb.Environment", table: bytes, rows: list[Row]) -> None:
    """Append rows to a table that begins with the first ones."""
    handle = environment.open_db(table)
    with environment.begin(write=True, db=handle) as transaction, transaction.cursor() as cursor:
        cursor.putmulti(rows, append=True)


def _publish(fd: int, directory: int, name: str) -> None:
    """Give the file its name, in one step; who has the file open that had it before, keeps that.

    By way of another name: link(2) replaces nothing.
    """
    another = f"{name}.new"

    def link() -> None:
        os.link(path_of(fd), another, dst_dir_fd=directory)

    try:
        try:
            link()
        except FileExistsError:  # left by one that was killed, or of one that has come this far just now
            os.unlink(another, dir_fd=directory)
            link()
        with suppress(FileNotFoundError):  # such a one has taken it further, or away: there is an index
            os.rename(another, name, src_dir_fd=directory, dst_dir_fd=directory)
    except PermissionError as error:  # the directory is a sticky one, and the file another's
        raise NoPlaceError(f"{name}: {error.strerror}") from None
    os.fsync(directory)
