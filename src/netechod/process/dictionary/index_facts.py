"""The facts about an index, at the end of its file: they tell whether the file is whole before it is mapped.

The file begins with the pages of LMDB. Behind them are the facts as JSON, and the footer: a magic number, the
length of the facts, and their SHA-256. A file that was cut short has no footer.
"""

import hashlib
import json
import os
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from struct import Struct
from typing import Any

from netechod.process.dictionary.file import Stamp

FORMAT = 4
MAGIC = b"netechod"
FOOTER = Struct(">8sQ32s")  # MAGIC, bytes of the facts, their SHA-256
MAX_FACTS = 16 * 1024 * 1024  # bytes; facts are never that long, so that a longer length is damage
BLOCK = 1024 * 1024  # bytes of the pages that are read at a time


class UnusableIndexError(Exception):
    """There is no index that could be used; the text says why."""


@dataclass(frozen=True, kw_only=True)
class IndexFacts:
    """The facts about an index, the file that it was made of, and its words."""

    stamp: Stamp
    sha256: str
    longest: int  # bytes of the longest word, as it is spelled or folded
    entries: int
    skipped: int
    lines: int  # of the file, without comments and empty ones; more than none
    doubted: int  # of these lines, how many speak against the file as a whole
    max_reply: int  # bytes: the warnings count the meanings that are longer
    warnings: Sequence[str]
    source_format: str  # of the file: lines or tsv
    title: str
    information: str
    since: str = ""  # the sha256 of the edition before, to which the following numbers compare this one
    added: int = 0
    removed: int = 0
    changed: int = 0
    size: int = 0  # bytes of the pages
    digest: str = ""  # the SHA-256 of the pages, in hex
    made_ns: int = 0  # the index's own time of modification: at any other one, somebody has written to it
    format: int = FORMAT
    unicode: str = unicodedata.unidata_version  # by which words were folded

    def dump(self) -> bytes:
        """The facts as JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def load(cls, data: bytes) -> "IndexFacts":
        """The facts out of JSON. Raises UnusableIndexError when this program would not write such facts."""
        try:
            values = json.loads(data)
            current = (values["format"], values["unicode"]) == (FORMAT, unicodedata.unidata_version)
        except (ValueError, TypeError, KeyError, RecursionError):
            current = False
        if not current or not _are_sound(values):
            raise UnusableIndexError("was made by another version")
        return cls(**values | {"stamp": Stamp(*values["stamp"])})


def _are_sound(values: dict[str, Any]) -> bool:
    """Whether every fact is there, no other one, and each of its type."""
    if values.keys() != {field.name for field in fields(IndexFacts)}:
        return False
    numbers = [values[field.name] for field in fields(IndexFacts) if field.type is int]
    texts = [values[field.name] for field in fields(IndexFacts) if field.type is str]
    stamp, warnings = values["stamp"], values["warnings"]
    return (
        all(type(number) is int and number >= 0 for number in numbers)
        and values["lines"] > 0
        and all(type(text) is str for text in texts)
        and type(stamp) is list
        and [type(each) for each in stamp] == [int] * len(Stamp._fields)
        and type(warnings) is list
        and all(type(warning) is str for warning in warnings)
    )


def seal(fd: int, facts: IndexFacts) -> IndexFacts:
    """Write the facts behind the pages, and all to the disk. Returns the facts as they were written."""
    os.utime(fd)
    status = os.fstat(fd)  # its time is as exact as the file system keeps it
    facts = replace(
        facts,
        size=status.st_size,
        digest=digest_of(fd, status.st_size),
        made_ns=status.st_mtime_ns,
    )
    data = facts.dump()
    footer = FOOTER.pack(MAGIC, len(data), hashlib.sha256(data).digest())
    with os.fdopen(fd, "r+b", closefd=False) as file:
        file.seek(0, os.SEEK_END)
        file.write(data + footer)
    os.utime(fd, ns=(status.st_mtime_ns, status.st_mtime_ns))
    os.fsync(fd)
    return facts


def facts_of(fd: int) -> IndexFacts:
    """The facts of the index that is open as `fd`. Raises UnusableIndexError when they are not whole."""
    end = os.fstat(fd).st_size - FOOTER.size
    footer = os.pread(fd, FOOTER.size, max(0, end))
    magic, length, digest = FOOTER.unpack(footer) if len(footer) == FOOTER.size else (b"", 0, b"")
    if magic != MAGIC or length > min(end, MAX_FACTS):
        raise UnusableIndexError("is no index, is cut short, or was made by another version")
    data = os.pread(fd, length, end - length)
    if hashlib.sha256(data).digest() != digest:
        raise UnusableIndexError("is damaged")
    facts = IndexFacts.load(data)
    if facts.size != end - length:
        raise UnusableIndexError("is damaged")
    return facts


def has_footer(fd: int) -> bool:
    """Whether the file that is open as `fd` ends like an index."""
    return os.pread(fd, len(MAGIC), max(0, os.fstat(fd).st_size - FOOTER.size)) == MAGIC


def digest_of(fd: int, size: int) -> str:
    """The SHA-256 of the first `size` bytes of the file, in hex."""
    digest = hashlib.sha256()
    for start in range(0, size, BLOCK):
        digest.update(os.pread(fd, min(BLOCK, size - start), start))
    return digest.hexdigest()
