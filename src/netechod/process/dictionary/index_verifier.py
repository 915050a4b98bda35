"""Verifies an index by reading its file. It is not mapped: LMDB may abort the process at damaged pages."""

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
    """What `verify` finds out about an index."""

    WHOLE = auto()
    DAMAGED = auto()  # its pages are not those that were written
    OTHER_SOURCE = auto()  # it was made of another file than the one that looks like its source


def verify(source: Path, index: Path) -> Verdict:
    """Verify an index, and the file that looks like its source. Removes an index that is not right.

    Look-ups find in memory what was read. Raises UnusableIndexError, DictionaryError and OSError.
    """
    with opened_file(index) as file:
        verdict = _verdict(source, file)
        if verdict is not Verdict.WHOLE and os.path.samestat(os.fstat(file.fileno()), index.lstat()):
            index.unlink()
    return verdict


def is_whole(index: Path) -> bool:
    """Whether the pages of an index are those that were written. Raises UnusableIndexError and OSError."""
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
