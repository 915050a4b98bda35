"""Editions in an index beside those in memory: no answer, no error and no warning may tell which is which."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import lmdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.indexes import until_given_back
from support.recorder import Recorder

from netechod.errors import DictionaryError
from netechod.process import sorted_runs
from netechod.process.dictionary_changes import compared
from netechod.process.dictionary_file import completed, load_dictionary
from netechod.process.dictionary_index import (
    EXACT,
    FACTS,
    MAX_KEY,
    IndexedDictionary,
    UnusableIndexError,
    open_index,
    opened,
)
from netechod.process.index_builder import build, survey
from netechod.services.dictionary import Dictionary, DictionaryService, fold

GIBIBYTE = 1 << 30
WORDS = "apple:苹果\nBanana:香蕉\n"

LONG = "长" * (MAX_KEY // 3)  # a word that is just short enough to be its own key
words = st.one_of(
    st.text(st.sampled_from("abAB苹éE\u0301ß\u3000\x1c "), max_size=3),
    st.sampled_from([LONG, LONG + "a", LONG + "ab", LONG + "AB", LONG * 3 + "A", LONG * 3 + "a", "ß" * 400]),
)
lines = st.one_of(
    st.builds("{}:{}".format, words, st.sampled_from(["x", "y", "苹果", "z" * 3000, ""])),
    st.text(st.sampled_from("ab:#\r\t：")),
    words,
)
files = st.lists(lines, max_size=25).map(lambda some: "\n".join(some).encode())
spoilt_files = st.builds(bytes.__add__, files, st.sampled_from([b"\xff", b"\0", b"\na:b\xe8"]))
queries = st.lists(st.one_of(words.map(str.encode), st.binary(max_size=8)), max_size=20)


def indexed(file: Path, *, strict: bool = False) -> IndexedDictionary:
    """The edition in a new index of the file, beside it."""
    index = file.with_name("index")
    build(file, index, max_size=GIBIBYTE, strict=strict)
    return open_index(index)


def in_memory(file: Path, *, strict: bool = False) -> Dictionary:
    return completed(load_dictionary(file, max_size=GIBIBYTE, strict=strict))


def outcome(load: Callable[..., Dictionary], file: Path, *, strict: bool) -> Dictionary | str:
    """The edition, or the reason why there is none."""
    try:
        return load(file, strict=strict)
    except DictionaryError as error:
        return f"{type(error)}: {error}"


@contextmanager
def file_of(data: bytes) -> Iterator[Path]:
    """A file, in a directory of its own; sorting has next to no memory."""
    tiny = patch.multiple(sorted_runs, RUN=50, BLOCK=20)
    with tiny, TemporaryDirectory() as directory:
        file = Path(directory, "dict.txt")
        file.write_bytes(data)
        yield file


def answers(edition: Dictionary, asked: list[bytes], **manner: Any) -> Recorder:  # noqa: ANN401 (keywords)
    out = Recorder()
    service = DictionaryService(edition, **manner)
    service.datagrams_received([(query, "ann") for query in asked], 0.0, out)
    return out


@settings(deadline=None, max_examples=300)
@given(st.one_of(files, spoilt_files), queries, st.booleans())
def test_an_edition_is_the_same_in_an_index_and_in_memory(
    data: bytes, asked: list[bytes], strict: bool
) -> None:
    with file_of(data) as file:
        small, large = outcome(in_memory, file, strict=strict), outcome(indexed, file, strict=strict)
        if isinstance(small, str) or isinstance(large, str):
            assert large == small
            return
        assert dict(large.items()) == dict(small.items())
        assert len(large) == len(small)
        assert (large.sha256, large.skipped) == (small.sha256, small.skipped)
        assert list(large.warnings) == list(small.warnings)
        asked += [word for word, _ in small.items()]
        asked += [other.encode() for word in asked for other in variants(word)]
        for word in asked:
            assert large.exact(word) == small.exact(word)
            assert large.folded(word) == small.folded(word)
            assert large.lookup_folded(word) == small.lookup_folded(word)
        for manner in ({}, {"match": "exact"}, {"max_reply": 16, "unknown": "未知"}):
            assert answers(large, asked, **manner) == answers(small, asked, **manner)


def variants(word: bytes) -> list[str]:
    text = word.decode(errors="ignore")
    return [fold(text), text.swapcase(), text.upper(), text + "\n"]


@settings(deadline=None, max_examples=100)
@given(files, st.booleans())
def test_a_check_finds_what_a_load_finds(data: bytes, strict: bool) -> None:
    with file_of(data) as file:
        small = outcome(in_memory, file, strict=strict)
        if isinstance(small, str):
            with pytest.raises(DictionaryError) as caught:
                survey(file, max_size=GIBIBYTE, strict=strict)
            assert small == f"{caught.type}: {caught.value}"
            return
        entries, facts = survey(file, max_size=GIBIBYTE, strict=strict)
        assert (entries, facts.sha256, facts.skipped) == (len(small), small.sha256, small.skipped)
        assert list(facts.warnings) == list(small.warnings)


@settings(deadline=None, max_examples=100)
@given(files, files)
def test_who_builds_an_index_tells_what_has_changed(before: bytes, after: bytes) -> None:
    before, after = before + b"\nfirst:1", after + b"\nlast:2"
    with file_of(before) as file:
        old, old_index = in_memory(file), indexed(file)
        file.write_bytes(after)
        new, new_index = in_memory(file), indexed(file)
        expected = completed(compared(old, new))
        assert (expected.before, expected.after) == (len(old), len(new))
        assert completed(compared(old_index, new_index)) == expected
        assert completed(compared(old, new_index)) == expected
        assert completed(compared(new_index, old)) == replace(
            expected,
            before=expected.after,
            after=expected.before,
            added=expected.removed,
            removed=expected.added,
        )


# The file.


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "dict.txt"
    path.write_text(WORDS, encoding="utf-8")
    return path


def refusal(index: Path) -> str:
    with pytest.raises(UnusableIndexError) as caught:
        open_index(index)
    return str(caught.value)


def test_an_edition_that_nobody_has_any_more_gives_its_file_back(file: Path) -> None:
    edition = indexed(file)
    inode = (file.parent / "index").stat().st_ino
    assert inode in open_files()
    del edition
    until_given_back()
    assert inode not in open_files()
    assert str(file.parent) not in Path("/proc/self/maps").read_text()


def open_files() -> set[int]:
    """The inodes of what this process has open."""
    return {fd.stat().st_ino for fd in Path("/proc/self/fd").iterdir() if fd.exists()}


def test_an_edition_goes_on_while_another_takes_its_place_and_somebody_reads_it(file: Path) -> None:
    old = indexed(file)
    reading = iter(old.items())
    assert next(reading) == (b"Banana", "香蕉".encode())
    file.write_text("cherry:樱桃\n", encoding="utf-8")
    new = indexed(file)
    assert not old.is_at(file.parent / "index")
    assert new.is_at(file.parent / "index")
    del old
    assert list(reading) == [(b"apple", "苹果".encode())]
    assert (new.exact(b"cherry"), new.exact(b"apple")) == ("樱桃".encode(), None)


def test_an_index_that_is_gone_is_nowhere(file: Path) -> None:
    edition = indexed(file)
    (file.parent / "index").unlink()
    assert not edition.is_at(file.parent / "index")
    assert edition.exact(b"apple") == "苹果".encode()


def write_text_alone(path: Path) -> None:
    """A text that nobody else can write to, whatever the umask."""
    path.write_text("apple:苹果\n" * 1000)
    path.chmod(0o644)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: None, "No such file or directory"),
        (Path.mkdir, "not a regular file"),
        (os.mkfifo, "not a regular file"),
        (lambda path: path.symlink_to("other"), "Too many levels of symbolic links"),
        (lambda path: path.write_bytes(b""), ""),
        (write_text_alone, "not an LMDB file"),
    ],
    ids=["missing", "directory", "fifo", "link", "empty", "text"],
)
def test_what_is_no_index_is_not_opened(tmp_path: Path, make: Callable[[Path], object], why: str) -> None:
    make(tmp_path / "index")
    assert why in refusal(tmp_path / "index")


def test_an_index_that_is_cut_short_is_not_opened(file: Path) -> None:
    file.write_text("".join(f"word{number}:{number}\n" for number in range(1000)))
    index = file.with_name("index")
    build(file, index, max_size=GIBIBYTE, strict=False)
    os.truncate(index, index.stat().st_size - 1)
    assert refusal(index) == "is cut short"


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
def test_an_index_that_others_can_write_to_is_not_opened(file: Path, mode: int) -> None:
    index = file.with_name("index")
    build(file, index, max_size=GIBIBYTE, strict=False)
    index.chmod(mode)
    assert refusal(index) == "others can write to it"


def test_an_index_of_another_user_is_not_opened(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = file.with_name("index")
    build(file, index, max_size=GIBIBYTE, strict=False)
    if os.geteuid() == 0:
        os.chown(index, 4711, -1)
    monkeypatch.setattr(os, "geteuid", lambda: 4712)
    assert refusal(index) == "others can write to it"


@pytest.mark.parametrize(
    "facts", [None, b"", b"[]", b"{}", b'{"format": 0, "unicode": "1.0"}', "unicode", "more"], ids=str
)
def test_an_index_of_another_version_is_not_opened(file: Path, facts: bytes | str | None) -> None:
    made = indexed(file).facts
    index = file.with_name("index")
    if facts == "unicode":
        facts = replace(made, unicode="1.1").dump()
    elif facts == "more":
        facts = made.dump()[:-1] + b', "more": 1}'
    index.unlink()
    fd = os.open(index, os.O_RDWR | os.O_CREAT, 0o600)
    with opened(fd) as environment:
        for table in (EXACT, FACTS):
            handle = environment.open_db(table)
        if isinstance(facts, bytes):
            with environment.begin(write=True, db=handle) as transaction:
                transaction.put(FACTS, facts)
    os.close(fd)
    assert refusal(index) == "was made by another version"


def test_an_lmdb_file_of_somebody_else_is_not_opened(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path / "index"), subdir=False, lock=False, mode=0o600) as environment:
        assert environment.stat()["entries"] == 0
    assert "MDB_NOTFOUND" in refusal(tmp_path / "index")


def test_without_the_library_there_is_no_index(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    indexed(file)
    monkeypatch.setitem(sys.modules, "lmdb", None)
    assert refusal(file.with_name("index")).startswith("lmdb is not installed: ")
