"""Builds the index of a dictionary file in little memory. The index gets its name when it is complete."""

import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from netechod.errors import DictionaryFormatError
from netechod.process.dictionary.external_sort import SortedRuns
from netechod.process.dictionary.file import Stamp, read_file
from netechod.process.dictionary.foreign.advice import explained
from netechod.process.dictionary.index import (
    EXACT,
    FOLDED,
    HEADS,
    LEAST_ROOM,
    MISSING,
    IndexedDictionary,
    open_index,
    opened,
    path_of,
)
from netechod.process.dictionary.index_facts import IndexFacts, UnusableIndexError, has_footer, seal
from netechod.process.dictionary.index_rows import (
    LINE_END,
    MAX_KEY,
    Row,
    folded_rows,
    head_rows,
    joined_rows,
    packed,
    unpacked,
)
from netechod.process.dictionary.index_verifier import is_whole
from netechod.services.dictionary.parser import DEFAULT_RULES, Facts, Parser, Rules

if TYPE_CHECKING:
    import lmdb

BLOCK = 256 * 1024  # bytes of the source that are parsed at a time
ROOM = 16  # bytes of address space for each byte of the source; `A:b` takes seven, and pages have free space
MAGIC = bytes.fromhex("dec0efbe"), bytes.fromhex("beefc0de")  # of LMDB, behind a page's header of 16 bytes
END = b"\xff"  # sorts behind all keys: no UTF-8 begins with it


class NoPlaceError(Exception):
    """No index can be made by this program or in this directory. The text gives the reason."""


class IndexParser(Parser):
    """Sorts the entries of a file by their keys. Its temporary files are in `directory`."""

    def __init__(self, name: str, rules: Rules, directory: Path | None = None) -> None:
        super().__init__(name, rules)
        self._exact = SortedRuns(directory)
        self._folded = SortedRuns(directory)
        self._heads = SortedRuns(directory)

    def keep(self, number: int, word: bytes, meaning: bytes, folded: bytes) -> None:
        """See Parser."""
        self._exact.add(_sortable(number, word, meaning.replace(b"\n", LINE_END)))
        self._heads.add(folded)
        if folded != word:
            self._folded.add(_sortable(number, folded, word))

    def exact(self) -> Iterator[list[Row]]:
        """Yield the table of words in batches. Warns of duplicates."""
        if self._rules.format == "tsv":
            return joined_rows(self._exact, self.joined)

        def warn(number: int, key: bytes, value: bytes) -> None:
            self.warn_of_duplicate(number, unpacked(key, value)[0])

        return _first_of_each(self._exact, warn)

    def folded(self) -> Iterator[list[Row]]:
        """Yield the table of folded words in batches."""
        return folded_rows(self._folded)

    def heads(self) -> Iterator[list[Row]]:
        """Yield the table of headwords in batches."""
        return head_rows(self._heads)

    def close(self) -> None:
        """Close the files."""
        for runs in (self._exact, self._folded, self._heads):
            runs.close()


def _sortable(number: int, word: bytes, meaning: bytes) -> bytes:
    """Return a row as a line. Lines sort by key, then by the number of their line in the dictionary."""
    if len(word) > MAX_KEY:
        word, meaning = packed(word, meaning)
    return b"%b\0%09x%b" % (word, number, meaning)


def _first_of_each(runs: SortedRuns, repeated: Callable[[int, bytes, bytes], object]) -> Iterator[list[Row]]:
    """Yield the first row of each key, in batches. Calls `repeated` for each other row."""
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
    """Counts the differences between two tables. The rows of both come in the order of their keys."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self.added = self.removed = self.changed = 0
        self._rows = rows
        self._row = next(rows, (END, b""))

    def see(self, rows: list[Row]) -> None:
        """Count the next rows of the table."""
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
        """Count the rows of the other table that are left."""
        while self._row[0] != END:
            self.removed += 1
            self._row = next(self._rows, (END, b""))


def build(source: Path, index: Path, *, max_size: int, rules: Rules = DEFAULT_RULES) -> IndexFacts:
    """Build the index of a file and put it in its place.

    Raises DictionaryError if the file is at fault, NoPlaceError if no index can be made here, and OSError if
    something else fails.
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
            parser = IndexParser(str(source), rules, index.parent)
            undo.callback(parser.close)
            stamp = _parse(source, parser, max_size)
            before = _edition_before(index)
            if before is not None:
                undo.callback(before.close)
            facts = seal(fd, _write(fd, parser, stamp, before))
            _publish(fd, directory, index.name)
            return facts
    except lmdb.Error as error:  # LMDB reports a full disk in several ways
        free = shutil.disk_usage(index.parent).free
        reason = str(error).removeprefix(f"{path_of(fd)}: ")
        raise OSError(f"{index}: {reason}; {free >> 20} MiB are free there") from None


def survey(source: Path, *, max_size: int, rules: Rules = DEFAULT_RULES) -> tuple[int, Facts]:
    """Parse a file in little memory. Returns the number of its entries, and the facts."""
    with closing(IndexParser(str(source), rules)) as parser:
        _parse(source, parser, max_size)
        return sum(map(len, parser.exact())), parser.facts


def _parse(source: Path, parser: IndexParser, max_size: int) -> Stamp:
    """Have the whole file parsed. Returns its stamp."""
    try:
        stamp = read_file(source, parser.feed, max_size=max_size, size=BLOCK)
        parser.end()
    except DictionaryFormatError as error:
        raise explained(error, source) from None
    return stamp


def _unnamed_file(index: Path) -> tuple[int, int]:
    """Open the directory of the index, and a new file in it without a name (open(2), O_TMPFILE)."""
    with ExitStack() as undo:
        try:
            directory = os.open(index.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            undo.callback(os.close, directory)
            _check_replaceable(index.name, directory)
            fd = os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, dir_fd=directory)
            undo.callback(os.close, fd)
            os.fchmod(fd, 0o644)  # the words are public
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise NoPlaceError(f"{index.parent}: {error.strerror}") from None
        undo.pop_all()
        return directory, fd


def _check_replaceable(name: str, directory: int) -> None:
    """Raise NoPlaceError if a file that is no index has the name. A damaged index may be replaced."""
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode) or not _was_index(fd):
            raise NoPlaceError(f"{name} is no index; remove it, or have dictionary.index name another file")
    finally:
        os.close(fd)


def _was_index(fd: int) -> bool:
    """Return whether a file is an index, or the rest of a truncated or damaged one."""
    head = os.pread(fd, 20, 0)
    return head[16:] in MAGIC or not head.strip(b"\0\x08") or has_footer(fd)


def _edition_before(index: Path) -> IndexedDictionary | None:
    """Open the edition that the new one replaces, if it is whole. LMDB may abort at a damaged one."""
    try:
        return open_index(index) if is_whole(index) else None
    except (UnusableIndexError, OSError):
        return None


def _write(fd: int, parser: IndexParser, stamp: Stamp, before: IndexedDictionary | None) -> IndexFacts:
    """Write the tables in the order of their keys. Returns the facts."""
    tally = Tally(before.rows() if before else iter(()))
    with opened(fd, room=stamp.size * ROOM + LEAST_ROOM) as environment:
        entries = 0
        for rows in parser.exact():
            _append(environment, EXACT, rows)
            tally.see(rows)
            entries += len(rows)
        tally.end()
        for table, batches in ((FOLDED, parser.folded()), (HEADS, parser.heads())):
            _append(environment, table, [])  # a table may have no rows
            for rows in batches:
                _append(environment, table, rows)
    found = parser.facts  # after the tables: sorting has found the duplicates
    return IndexFacts(
        stamp=stamp,
        sha256=found.sha256,
        longest=found.longest,
        entries=entries,
        skipped=found.skipped,
        lines=found.lines,
        doubted=found.doubted,
        max_reply=found.max_reply,
        warnings=found.warnings,
        source_format=parser.format,
        title=found.title,
        information=found.information,
        since=before.sha256 if before and not before.damaged else "",
        added=tally.added,
        removed=tally.removed,
        changed=tally.changed,
    )


def _append(environment: "lmdb.Environment", table: bytes, rows: list[Row]) -> None:
    """Append rows to a table. The first rows create it."""
    handle = environment.open_db(table)
    with environment.begin(write=True, db=handle) as transaction, transaction.cursor() as cursor:
        cursor.putmulti(rows, append=True)


def _publish(fd: int, directory: int, name: str) -> None:
    """Give the file its name in one step. A process that has the old file open keeps it.

    The file gets another name first, because link(2) does not replace a file.
    """
    another = f"{name}.new"

    def link() -> None:
        os.link(path_of(fd), another, dst_dir_fd=directory)

    try:
        try:
            link()
        except FileExistsError:  # a killed builder has left it, or another one runs now
            os.unlink(another, dir_fd=directory)
            link()
        with suppress(FileNotFoundError):  # the other builder has renamed it: its index has the name
            os.rename(another, name, src_dir_fd=directory, dst_dir_fd=directory)
    except PermissionError as error:  # the directory is sticky and another user owns the file
        raise NoPlaceError(f"{name}: {error.strerror}") from None
    os.fsync(directory)
