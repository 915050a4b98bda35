"""The index of a large dictionary: an LMDB file that a process of its own builds and the daemon only maps.

It holds two tables, of words and of folded words, and the facts about the file that it was made of. It is
never written to after it has got its name; who has it open keeps what it had when another takes its place.
"""

import hashlib
import json
import os
import stat
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from netechod.process.dictionary_file import Stamp
from netechod.services.dictionary import Dictionary, Lookup

if TYPE_CHECKING:
    import lmdb

FORMAT = 1
EXACT, FOLDED, FACTS = b"exact", b"folded", b"facts"  # the tables, the last of which has one row of this name

LEAST_ROOM = 16 * 1024 * 1024  # bytes of address space for an index, however small
MAX_KEY = 510  # bytes of a word that is its own key; LMDB has room for 511
DIGEST = 64  # hex digits of SHA-256, the end of the key of a longer word

MISSING = "lmdb is not installed: apt install python3-lmdb, or pip install 'netechod[index]'"


class UnusableIndexError(Exception):
    """There is no index that could be used; the text says why."""


@dataclass(frozen=True, kw_only=True)
class IndexFacts:
    """What an index knows about the file that it was made of, and about its words."""

    stamp: Stamp
    sha256: str
    entries: int
    skipped: int
    warnings: Sequence[str]
    longest: int  # bytes of the longest word that is not its own key; 0: there is none
    since: str = ""  # the sha256 of the edition before, which these are the differences from
    added: int = 0
    removed: int = 0
    changed: int = 0
    format: int = FORMAT
    unicode: str = unicodedata.unidata_version  # by which words were folded

    def dump(self) -> bytes:
        """As bytes for the index."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def load(cls, data: bytes) -> "IndexFacts":
        """The facts in an index. Raises UnusableIndexError when its tables are not what we would make."""
        try:
            values = json.loads(data)
            current = (values["format"], values["unicode"]) == (FORMAT, unicodedata.unidata_version)
        except (ValueError, TypeError, KeyError):
            current = False
        if not current or set(values) != {field.name for field in fields(cls)}:
            raise UnusableIndexError("was made by another version")
        return cls(**values | {"stamp": Stamp(*values["stamp"])})


def packed(word: bytes, meaning: bytes) -> tuple[bytes, bytes]:
    """The entry of a long word as the tables have it: by start and digest, the word itself in the value."""
    return _short(word), word + b"\0" + meaning


def unpacked(key: bytes, value: bytes) -> tuple[bytes, bytes]:
    """The entry out of a table; no text has a NUL in it."""
    if len(key) <= MAX_KEY:
        return key, value
    word, _, meaning = value.partition(b"\0")
    return word, meaning


def _short(word: bytes) -> bytes:
    """The key of a long word: longer than every word that is its own key."""
    return word[: MAX_KEY + 1 - DIGEST] + hashlib.sha256(word).hexdigest().encode()


class IndexedDictionary(Dictionary):
    """An edition in an index. The file is given back when nobody has the edition any more."""

    def __init__(self, fd: int, environment: "lmdb.Environment", facts: IndexFacts) -> None:
        self.facts = facts
        self.proven = False  # whether its digest was compared with the file's in this very load
        self.sha256 = facts.sha256
        self.skipped = facts.skipped
        self.warnings = facts.warnings
        self._environment = environment
        self._table = environment.open_db(EXACT, create=False)
        folded = environment.open_db(FOLDED, create=False)
        self.exact = _lookup_in(environment.begin(db=self._table), facts.longest)
        self.folded = _lookup_in(environment.begin(db=folded), facts.longest)
        self._fd = fd

    def __del__(self) -> None:
        """Give it back in a thread: for a large file that takes longer than a datagram should wait."""
        if hasattr(self, "_fd"):  # else it has not come that far, and nothing is ours
            fd, environment = self._fd, self._environment
            self.__dict__.clear()  # what belongs to the environment first: it is not made for two threads
            Thread(target=_give_back, args=(fd, environment), name="index", daemon=True).start()

    def __len__(self) -> int:
        return self.facts.entries

    def is_at(self, path: Path) -> bool:
        """Whether `path` still names this index."""
        try:
            return os.path.samestat(os.fstat(self._fd), path.stat(follow_symlinks=False))
        except OSError:
            return False

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """See Dictionary: in the order of their bytes."""
        for key, value in self.rows():
            yield unpacked(key, value)

    def rows(self) -> Iterator[tuple[bytes, bytes]]:
        """The table itself."""
        yield from _rows(
            self._environment, self._table
        )  # which ends, whatever happens, before the edition does


def _rows(environment: "lmdb.Environment", table: "lmdb._Database") -> Iterator[tuple[bytes, bytes]]:
    with environment.begin(db=table) as transaction, transaction.cursor() as cursor:
        yield from cursor


def _lookup_in(transaction: "lmdb.Transaction[bytes]", longest: int) -> Lookup:
    """Look-ups in a table: what no key can be is a miss."""
    get = transaction.get

    def lookup(word: bytes) -> bytes | None:
        if 0 < len(word) <= MAX_KEY:
            return get(word)
        if not word or len(word) > longest:
            return None
        found, _, meaning = get(_short(word), b"").partition(b"\0")
        return meaning if found == word else None

    return lookup


def open_index(path: Path) -> IndexedDictionary:
    """Open an index. Raises UnusableIndexError with the reason, which goes behind the name of the file."""
    try:
        import lmdb  # on demand: most dictionaries are small
    except ImportError:
        raise UnusableIndexError(MISSING) from None
    with ExitStack() as undo:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            undo.callback(os.close, fd)
            status = os.fstat(fd)
            _check_owner(status)
            environment = opened(fd, readonly=True)
            undo.callback(environment.close)
            if status.st_size < (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]:
                raise UnusableIndexError("is cut short")  # to read behind its end would be the end of us
            with environment.begin(db=environment.open_db(FACTS, create=False)) as transaction:
                facts = IndexFacts.load(transaction.get(FACTS, b""))
            edition = IndexedDictionary(fd, environment, facts)
        except OSError as error:
            raise UnusableIndexError(error.strerror) from None
        except lmdb.Error as error:
            raise UnusableIndexError(str(error).removeprefix(f"{path_of(fd)}: ")) from None
        undo.pop_all()
        return edition


def path_of(fd: int) -> str:
    """The file that is open as `fd`, whatever has got its name meanwhile (proc(5))."""
    return f"/proc/self/fd/{fd}"


def opened(fd: int, *, readonly: bool = False, room: int = LEAST_ROOM) -> "lmdb.Environment":
    """LMDB on the file that is open as `fd`.

    `room` is how far it can grow. Nothing is synced unasked, nothing locked: readers and writer never meet.
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


def _check_owner(status: os.stat_result) -> None:
    """Refuse what others can write to: LMDB believes what it reads."""
    if not stat.S_ISREG(status.st_mode):
        raise UnusableIndexError("not a regular file")
    if status.st_uid not in (0, os.geteuid()) or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UnusableIndexError("others can write to it")


def _give_back(fd: int, environment: "lmdb.Environment") -> None:
    """Unmap the file. Its memory is freed with the last descriptor, if another file has got its name."""
    with suppress(OSError):  # a sandbox forbids it
        os.setpriority(os.PRIO_PROCESS, 0, 19)  # of this thread alone (setpriority(2), BUGS)
    environment.close()
    os.close(fd)
