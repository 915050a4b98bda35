"""Editions in an index beside those in memory: no answer, no error and no warning may tell which is which."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any
from unittest.mock import patch

import lmdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.indexes import until_given_back
from support.loading import completed, load_file
from support.recorder import Recorder

from netechod.errors import DictionaryError, DictionaryFormatError
from netechod.process.dictionary import external_sort as sorted_runs
from netechod.process.dictionary.changes import compared
from netechod.process.dictionary.foreign.advice import explained
from netechod.process.dictionary.index import (
    EXACT,
    FOLDED,
    IndexedDictionary,
    open_index,
    opened,
)
from netechod.process.dictionary.index_builder import build, survey
from netechod.process.dictionary.index_facts import IndexFacts, UnusableIndexError, seal
from netechod.process.dictionary.index_rows import MAX_KEY
from netechod.services.dictionary.parser import Rules
from netechod.services.dictionary.service import Dictionary, DictionaryService, fold, look_up

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


def indexed(file: Path, *, strict: bool = False, most: float = 1) -> IndexedDictionary:
    """The edition in a new index of the file, beside it."""
    index = file.with_name("index")
    build(file, index, max_size=GIBIBYTE, rules=Rules(strict=strict, max_skipped=most))
    editions.append(open_index(index))
    return editions[-1]


editions: list[IndexedDictionary] = []


@pytest.fixture(autouse=True)
def _editions_are_closed() -> Iterator[None]:
    """Close the editions that a test has opened."""
    yield
    close_all()


def close_all() -> None:
    while editions:
        editions.pop().close()
    until_given_back()


def in_memory(file: Path, *, strict: bool = False, most: float = 1) -> Dictionary:
    try:
        return load_file(file, rules=Rules(strict=strict, max_skipped=most))
    except DictionaryFormatError as error:
        raise explained(error, file) from None


def outcome(load: Callable[..., Dictionary], file: Path, *, strict: bool, most: float) -> Dictionary | str:
    """The edition, or the reason why there is none."""
    try:
        return load(file, strict=strict, most=most)
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
        close_all()


def answers(edition: Dictionary, asked: list[bytes], **manner: Any) -> Recorder:  # noqa: ANN401 (keywords)
    out = Recorder()
    service = DictionaryService(edition, **manner)
    service.datagrams_received([(query, "ann") for query in asked], 0.0, out)
    return out


@settings(deadline=None, max_examples=300)
@given(st.one_of(files, spoilt_files), queries, st.booleans(), st.sampled_from([0.1, 0.5, 1]))
def test_an_edition_is_the_same_in_an_index_and_in_memory(
    data: bytes, asked: list[bytes], strict: bool, most: float
) -> None:
    with file_of(data) as file:
        small, large = (outcome(load, file, strict=strict, most=most) for load in (in_memory, indexed))
        if isinstance(small, str) or isinstance(large, str):
            assert large == small
            return
        assert dict(large.items()) == dict(small.items())
        assert len(large) == len(small)
        assert (large.sha256, large.skipped, large.doubt) == (small.sha256, small.skipped, small.doubt)
        assert list(large.warnings) == list(small.warnings)
        asked += [word for word, _ in small.items()]
        asked += [other.encode() for word in asked for other in variants(word)]
        for word in asked:
            assert large.exact(word) == small.exact(word)
            assert large.folded(word) == small.folded(word)
            assert list(large.heads(word)) == list(filter(None, small.heads(word)))
            assert look_up([large], word) == look_up([small], word)
        for manner in ({}, {"match": "exact"}, {"max_reply": 16, "unknown": "未知"}):
            assert answers(large, asked, **manner) == answers(small, asked, **manner)


def variants(word: bytes) -> list[str]:
    text = word.decode(errors="ignore")
    return [fold(text), text.swapcase(), text.upper(), text + "\n"]


@settings(deadline=None, max_examples=100)
@given(files, st.booleans(), st.sampled_from([0.1, 0.5, 1]))
def test_a_check_finds_what_a_load_finds(data: bytes, strict: bool, most: float) -> None:
    rules = Rules(strict=strict, max_skipped=most)
    with file_of(data) as file:
        small = outcome(in_memory, file, strict=strict, most=most)
        if isinstance(small, str):
            with pytest.raises(DictionaryError) as caught:
                survey(file, max_size=GIBIBYTE, rules=rules)
            assert small == f"{caught.type}: {caught.value}"
            return
        entries, facts = survey(file, max_size=GIBIBYTE, rules=rules)
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


NO_INDEX = "is no index, is cut short, or was made by another version"


def refusal(index: Path) -> str:
    with pytest.raises(UnusableIndexError) as caught:
        open_index(index)
    return str(caught.value)


def test_an_edition_that_is_closed_gives_its_file_back(file: Path) -> None:
    edition = indexed(file)
    inode = (file.parent / "index").stat().st_ino
    assert inode in open_files()
    for _ in range(2):
        edition.close()
        until_given_back()
        assert inode not in open_files()
        assert str(file.parent) not in Path("/proc/self/maps").read_text()
        assert (edition.exact(b"apple"), look_up([edition], b"apple")) == (None, None)
        assert list(edition.items()) == []


def test_without_threads_an_edition_is_closed_all_the_same(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(thread: Thread) -> None:
        raise RuntimeError("can't start new thread")

    edition = indexed(file)
    niceness = os.nice(0)
    monkeypatch.setattr(Thread, "start", refused)
    edition.close()
    assert str(file.parent) not in Path("/proc/self/maps").read_text()
    assert os.nice(0) == niceness


@pytest.mark.parametrize("last_words", ["", "edition.close()"])
def test_a_process_that_ends_with_an_edition_open_ends(file: Path, last_words: str) -> None:
    indexed(file).close()
    program = (
        "import sys; from pathlib import Path; from netechod.process.dictionary.index import open_index;"
        "edition = open_index(Path(sys.argv[1])); sys.modules['kept'] = edition;"
        f"reading = edition.items(); next(reading); print(len(edition)); {last_words}"
    )
    command = [sys.executable, "-c", program, str(file.with_name("index"))]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert (done.stdout, done.stderr) == ("2\n", "")


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
    old.close()
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
        (lambda path: path.write_bytes(b""), NO_INDEX),
        (lambda path: path.write_text("apple:苹果\n" * 1000), NO_INDEX),
    ],
    ids=["missing", "directory", "fifo", "link", "empty", "text"],
)
def test_what_is_no_index_is_not_opened(tmp_path: Path, make: Callable[[Path], object], why: str) -> None:
    make(tmp_path / "index")
    assert why in refusal(tmp_path / "index")


def test_an_index_that_is_cut_short_is_not_opened(file: Path) -> None:
    indexed(file).close()
    index = file.with_name("index")
    os.truncate(index, index.stat().st_size - 1)
    assert refusal(index) == NO_INDEX


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
def test_an_index_that_others_can_write_to_is_not_opened(file: Path, mode: int) -> None:
    index = file.with_name("index")
    build(file, index, max_size=GIBIBYTE)
    index.chmod(mode)
    assert refusal(index) == "others can write to it"


def test_an_index_of_another_user_is_not_opened(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = file.with_name("index")
    build(file, index, max_size=GIBIBYTE)
    if os.geteuid() == 0:
        os.chown(index, 4711, -1)
    monkeypatch.setattr(os, "geteuid", lambda: 4712)
    assert refusal(index) == "others can write to it"


@pytest.mark.parametrize(
    "change",
    [
        {"format": 1},
        {"unicode": "1.1"},
        {"more": 1},
        {"entries": "2"},
        {"entries": -1},
        {"entries": True},
        {"longest": None},
        {"sha256": 0},
        {"warnings": "none"},
        {"warnings": [1]},
        {"stamp": [1]},
        {"stamp": [1, 2.0]},
        {"stamp": {"size": 1}},
    ],
    ids=str,
)
def test_an_index_of_another_version_is_not_opened(file: Path, change: dict[str, Any]) -> None:
    with closing(indexed(file)) as edition:
        facts = json.loads(edition.facts.dump())
    assert IndexFacts.load(json.dumps(facts).encode()) == edition.facts
    with pytest.raises(UnusableIndexError, match=r"^was made by another version$"):
        IndexFacts.load(json.dumps(facts | change).encode())


@pytest.mark.parametrize("facts", [b"", b"[]", b"{}", b"null", b"[" * 100_000, b"\xff"])
def test_what_are_no_facts_is_refused(facts: bytes) -> None:
    with pytest.raises(UnusableIndexError, match=r"^was made by another version$"):
        IndexFacts.load(facts)


def test_an_index_without_its_tables_is_not_opened(file: Path) -> None:
    with closing(indexed(file)) as edition:
        facts = edition.facts
    index = file.with_name("index")
    index.unlink()
    fd = os.open(index, os.O_RDWR | os.O_CREAT, 0o600)
    with opened(fd) as environment:
        environment.sync(True)
    seal(fd, facts)
    assert "MDB_NOTFOUND" in refusal(index)
    os.truncate(index, 0)
    with opened(fd) as environment:
        for table in (EXACT, FOLDED):
            environment.open_db(table)
    seal(fd, facts)
    os.close(fd)
    assert refusal(index) == "is damaged"


def test_an_lmdb_file_of_somebody_else_is_not_opened(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path / "index"), subdir=False, lock=False, mode=0o600) as environment:
        assert environment.stat()["entries"] == 0
    assert refusal(tmp_path / "index") == NO_INDEX


def test_without_the_library_there_is_no_index(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    indexed(file).close()
    monkeypatch.setitem(sys.modules, "lmdb", None)
    assert refusal(file.with_name("index")).startswith("lmdb is not installed: ")
