"""The index of a large dictionary: an LMDB file. A separate process builds it, and the daemon maps it.

It holds three tables, of words, of folded words and of headwords, and the facts about them. After an index
has got its name, nobody writes to it. A process that has it open can use it even after a new one has taken
its name.
"""

import io
import logging
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from netechod.process.dictionary.index_facts import IndexFacts, UnusableIndexError, facts_of
from netechod.process.dictionary.index_rows import MAX_KEY, Row, numbered, short_key, unpacked
from netechod.services.dictionary.headwords import chunks_from
from netechod.services.dictionary.service import Dictionary, Lookup

if TYPE_CHECKING:
    import lmdb

EXACT, FOLDED, HEADS = b"exact", b"folded", b"heads"  # the tables
LEAST_ROOM = 16 * 1024 * 1024  # bytes of address space for an index, however small

MISSING = "lmdb is not installed: apt install python3-lmdb, or pip install 'netechod[index]'"

log = logging.getLogger(__name__)


class TouchedIndexError(UnusableIndexError):
    """The index was changed or copied after it was made. It must be verified before use."""


class IndexedDictionary(Dictionary):
    """An edition in an index. `close` unmaps and closes the file."""

    def __init__(self, file: io.FileIO, environment: "lmdb.Environment", facts: IndexFacts) -> None:
        self.facts = facts
        self.proven = False  # whether the load that opened it has verified index and source
        self.damaged = False
        self.on_damage: Callable[[], object] = lambda: None  # called once, at the first damage
        self.longest, self.sha256 = facts.longest, facts.sha256
        self.skipped = facts.skipped
        self.doubt = facts.doubted / facts.lines
        self.warnings = facts.warnings
        self.title, self.information = facts.title, facts.information
        self._file = file
        self._changed_ns = os.fstat(file.fileno()).st_ctime_ns
        self._environment = environment
        self._table = environment.open_db(EXACT, create=False)
        exact = environment.begin(db=self._table)
        folded = environment.begin(db=environment.open_db(FOLDED, create=False))
        if exact.stat(self._table)["entries"] != facts.entries:
            raise UnusableIndexError("is damaged")
        self.exact = _lookup_in(exact, facts.longest, self.note_damage)
        self.folded = _lookup_in(folded, facts.longest, self.note_damage)
        heads = environment.open_db(HEADS, create=False)
        self._heads = environment.begin(db=heads)
        self._transactions = (exact, folded, self._heads)
        self._chunks = self._heads.stat(heads)["entries"]
        self._readers = 0  # contexts of `held` that are not at their end
        self._closed = False

    def __len__(self) -> int:
        return self.facts.entries

    def is_touched(self) -> bool:
        """Whether somebody has written to the file. The caller may have to wait for its disk."""
        try:
            return not self._closed and _is_touched(self._file.fileno(), self.facts)
        except (OSError, ValueError):  # the server of the file has lost it; it has been closed just now
            return True

    def was_changed(self) -> bool:
        """Return whether the file has changed in any way since the last call, and still has its name.

        Somebody may have written to it and set its time back: only a verification can tell. The caller may
        have to wait for its disk.
        """
        try:
            status = os.fstat(self._file.fileno())
        except (OSError, ValueError):
            return False
        before, self._changed_ns = self._changed_ns, status.st_ctime_ns
        return before != self._changed_ns and status.st_nlink > 0

    def note_damage(self, reason: str) -> None:
        """Report that the index is damaged, once."""
        if not self.damaged:
            self.damaged = True
            log.error("dictionary index is damaged and is put aside: %s", reason)
            self.on_damage()

    def is_at(self, path: Path) -> bool:
        """Whether `path` still names this index. The caller may have to wait for its disk."""
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), path.stat(follow_symlinks=False))
        except (OSError, ValueError):  # the latter: it has been closed just now
            return False

    def items(self) -> Iterator[Row]:
        """See Dictionary. The words come in the order of their bytes."""
        for key, value in self.rows():
            yield unpacked(key, value)

    def rows(self) -> Iterator[Row]:
        """Yield the rows of the table of words, also after `close`. Stops early if the index is damaged."""
        import lmdb

        if self._closed or self.damaged or self.is_touched():  # LMDB may abort at damaged pages
            return
        with self.held():
            try:
                with self._environment.begin(db=self._table) as transaction, transaction.cursor() as cursor:
                    yield from cursor
            except lmdb.Error as error:
                self.note_damage(str(error))

    def heads(self, start: bytes = b"") -> Iterator[bytes]:
        """See Dictionary; none at all when the index is damaged."""
        return chunks_from(start, self._chunk, 0 if self.damaged else self._chunks)

    def _chunk(self, number: int) -> bytes:
        import lmdb

        try:
            return self._heads.get(numbered(number), b"")
        except lmdb.Error as error:
            self.note_damage(str(error))
            return b""

    @contextmanager
    def held(self) -> Iterator[None]:
        """See Dictionary."""
        self._readers += 1
        try:
            yield
        finally:
            self._readers -= 1
            self._give_back()

    def close(self) -> None:
        """See Dictionary. Contexts of `held` that have begun keep the file open to their end."""
        if not self._closed:
            self._closed = True
            self.exact = self.folded = _no_word
            self._chunks = 0
            self._give_back()

    def _give_back(self) -> None:
        """Unmap the file if nobody reads it. A thread does it: it takes longer than a datagram may wait."""
        if self._closed and not self._readers and not sys.is_finalizing():  # then no thread starts
            # The thread gets the last references: LMDB's binding must not free anything here meanwhile.
            owned = [self._file, self._environment, self._table, *self._transactions]
            del self._environment, self._table, self._heads, self._transactions
            try:
                Thread(target=_unmap, args=(owned, True), name="index").start()
            except RuntimeError:  # there can be no more threads
                _unmap(owned)


def _no_word(word: bytes) -> None:
    """Find nothing: the look-up of a closed edition."""


def _lookup_in(
    transaction: "lmdb.Transaction[bytes]", longest: int, on_damage: Callable[[str], object]
) -> Lookup:
    """Return the look-up in a table. A word that cannot be read or cannot be a key is a miss."""
    import lmdb

    get = transaction.get

    def lookup(word: bytes) -> bytes | None:
        try:
            if 0 < len(word) <= MAX_KEY:
                return get(word)
            if not word or len(word) > longest:
                return None
            found, _, meaning = get(short_key(word), b"").partition(b"\0")
        except lmdb.Error as error:
            on_damage(str(error))
            return None
        return meaning if found == word else None

    return lookup


def open_index(path: Path, *, verified: bool = False) -> IndexedDictionary:
    """Open an index. Raises UnusableIndexError; its text is a reason to put after the name of the file.

    Unless `verified`, an index that was changed after it was made raises TouchedIndexError.
    """
    try:
        import lmdb  # on demand: most dictionaries are small
    except ImportError:
        raise UnusableIndexError(MISSING) from None
    with ExitStack() as undo:
        try:
            file = undo.enter_context(opened_file(path))
            facts = facts_of(file.fileno())
            if not verified and _is_touched(file.fileno(), facts):
                raise TouchedIndexError("was written to after it was made")
            environment = opened(file.fileno(), readonly=True)
            undo.callback(environment.close)
            if facts.size < (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]:
                raise UnusableIndexError("is damaged")  # to read behind the end of the file is fatal (SIGBUS)
            edition = IndexedDictionary(file, environment, facts)
        except OSError as error:
            raise UnusableIndexError(error.strerror) from None
        except lmdb.Error as error:
            raise UnusableIndexError(str(error).removeprefix(f"{path_of(file.fileno())}: ")) from None
        undo.pop_all()
        return edition


def opened_file(path: Path) -> io.FileIO:
    """Open the file of an index to read it.

    Raises OSError, and UnusableIndexError for a file that others can write to.
    """

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK)

    with ExitStack() as undo:
        try:
            file = undo.enter_context(io.FileIO(str(path), opener=opener))
        except IsADirectoryError:
            raise UnusableIndexError("not a regular file") from None
        _check_owner(os.fstat(file.fileno()))
        undo.pop_all()
        return file


def path_of(fd: int) -> str:
    """Return a path to the open file `fd`, also if its name is gone (proc(5))."""
    return f"/proc/self/fd/{fd}"


def opened(fd: int, *, readonly: bool = False, room: int = LEAST_ROOM) -> "lmdb.Environment":
    """Open the file `fd` with LMDB. It can grow to `room` bytes.

    LMDB does not sync by itself. It takes no locks, because nobody reads a file while it is written.
    """
    import lmdb

    return lmdb.open(
        path_of(fd),
        map_size=room,
        subdir=False,
        readonly=readonly,
        metasync=False,
        sync=False,
        lock=False,
        max_dbs=3,
    )


def _is_touched(fd: int, facts: IndexFacts) -> bool:
    """Return whether somebody has written to the file after it was made. Only that changes its time."""
    return os.fstat(fd).st_mtime_ns != facts.made_ns


def _check_owner(status: os.stat_result) -> None:
    """Refuse a file that others can write to, because LMDB trusts its content."""
    if not stat.S_ISREG(status.st_mode):
        raise UnusableIndexError("not a regular file")
    if status.st_uid not in (0, os.geteuid()) or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UnusableIndexError("others can write to it")


def _unmap(owned: list[Any], on_thread: bool = False) -> None:
    """Unmap and close: the file, the environment, and what belongs to that."""
    if on_thread:
        with suppress(OSError):  # a sandbox may forbid it
            os.setpriority(os.PRIO_PROCESS, 0, 19)  # of this thread alone (setpriority(2), BUGS)
    file, environment, *_ = owned
    environment.close()
    file.close()  # this frees the memory of a file without a name
    owned.clear()
