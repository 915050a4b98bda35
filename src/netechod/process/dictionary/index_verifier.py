"""Verifies an index by reading its file. It is not mapped, because LMDB may abort at damaged pages."""

import hashlib
import io
import os
from enum import Enum, auto
from pathlib import Path

from netechod.process.dictionary.file import read_file
from netechod.process.dictionary.index import opened_file
from netechod.process.dictionary.index_facts import IndexFacts, digest_of, facts_of

BLOCK = 256 * 1024  # bytes of the source that are read at a time


class Verdict(Enum):
    """The result of `verify`."""

    WHOLE = auto()
    DAMAGED = auto()  # its pages have changed since they were written
    OTHER_SOURCE = auto()  # it was made from another file, with the size and time of this one


def verify(source: Path, index: Path) -> Verdict:
    """Verify an index against its source file, and remove it if it is not WHOLE.

    Afterwards the index is in the page cache. Raises UnusableIndexError, DictionaryError and OSError.
    """
    with opened_file(index) as file:
        verdict = _verdict(source, file)
        if verdict is not Verdict.WHOLE and os.path.samestat(os.fstat(file.fileno()), index.lstat()):
            index.unlink()
    return verdict


def is_whole(index: Path) -> bool:
    """Return whether the pages of an index are unchanged. Raises UnusableIndexError and OSError."""
    with opened_file(index) as file:
        return _has_its_pages(file, facts_of(file.fileno()))


def _verdict(source: Path, file: io.FileIO) -> Verdict:
    facts = facts_of(file.fileno())
    if not _has_its_pages(file, facts):
        return Verdict.DAMAGED
    digest = hashlib.sha256()
    stamp = read_file(source, digest.update, max_size=facts.stamp.size, size=BLOCK)
    if stamp.resembles(facts.stamp) and digest.hexdigest() != facts.sha256:
        return Verdict.OTHER_SOURCE
    return Verdict.WHOLE


def _has_its_pages(file: io.FileIO, facts: IndexFacts) -> bool:
    return digest_of(file.fileno(), facts.size) == facts.digest
