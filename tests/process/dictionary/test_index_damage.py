"""A damaged index: it is found out, put aside and made anew, and no word is ever wrong."""

import logging
import os
import random
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.indexes import overwrite, until_given_back
from support.loading import completed
from support.looping import run_until

from netechod.process.config.schema import Dictionary as Settings
from netechod.process.dictionary.changes import Changes, compared
from netechod.process.dictionary.index import IndexedDictionary, TouchedIndexError, open_index
from netechod.process.dictionary.index_builder import build
from netechod.process.dictionary.index_facts import UnusableIndexError
from netechod.process.dictionary.index_verifier import Verdict, verify
from netechod.process.dictionary.loader import Loader
from netechod.reactor.jobs.children import Children
from netechod.reactor.loop import Loop
from netechod.reactor.tasks import finished
from netechod.services.dictionary.service import Dictionary, MemoryDictionary, look_up

PAGE = 4096
WORDS = {b"Word%d" % number: b"%d" % number * (number % 40) + b"." for number in range(3000)}
WORDS |= {b"Long" * 200 + b"%d" % number: b"long %d." % number * 900 for number in range(5)}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a dictionary that counts as large."""
    (tmp_path / "dict.txt").write_bytes(b"".join(b"%b:%b\n" % entry for entry in WORDS.items()))
    values = {"file": str(tmp_path / "dict.txt"), "index": str(tmp_path / "index"), "index_from": 0}
    return Settings.model_validate(values)


@pytest.fixture
def index(settings: Settings) -> Path:
    """The index of the dictionary."""
    assert settings.index is not None
    build(settings.file, settings.index, max_size=settings.max_size)
    return settings.index


@pytest.fixture
def loader(loop: Loop) -> Iterator[Loader]:
    children = Children(loop)
    yield Loader(children)
    children.kill_all()
    run_until(loop, lambda: not children.running)


Load = Callable[..., Dictionary]


@pytest.fixture
def load(loop: Loop, loader: Loader, settings: Settings) -> Iterator[Load]:
    """Loads the dictionary; in the end all editions are closed."""
    editions: list[Dictionary] = []

    def load(current: Dictionary | None = None) -> Dictionary:
        edition = finished(loop, loader.load(settings, current))
        assert edition is not None
        editions.append(edition)
        return edition

    yield load
    for edition in editions:
        edition.close()
    until_given_back()


def right(edition: Dictionary) -> int:
    """How many words are found. The others are misses; none is wrong."""
    found = {word: edition.exact(word) for word in WORDS}
    found |= {word: look_up([edition], word.lower()) for word, meaning in found.items() if meaning}
    assert all(found[word] in (None, b"", meaning) for word, meaning in WORDS.items())
    return sum(1 for meaning in found.values() if meaning)


def all_right(edition: Dictionary) -> bool:
    return right(edition) == len(WORDS) and dict(edition.items()) == WORDS


def test_every_page_that_a_disk_loses_is_found_out(settings: Settings, index: Path) -> None:
    whole, before = index.read_bytes(), index.stat()
    assert len(whole) > 50 * PAGE
    for start in range(0, len(whole), PAGE):
        lost = whole[:start] + bytes(len(whole[start : start + PAGE])) + whole[start + PAGE :]
        if lost == whole:
            continue  # it was empty
        index.write_bytes(lost)
        os.utime(index, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert verdict(settings, index) is not Verdict.WHOLE


def test_every_bit_that_a_disk_turns_is_found_out(settings: Settings, index: Path) -> None:
    whole, before, chance = index.read_bytes(), index.stat(), random.Random(1)
    for position in [
        *range(0, 200),
        *chance.choices(range(len(whole)), k=300),
        *range(len(whole) - 300, len(whole)),
    ]:
        turned = bytearray(whole)
        turned[position] ^= 1 << chance.randrange(8)
        index.write_bytes(turned)
        os.utime(index, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert verdict(settings, index) is not Verdict.WHOLE


def test_every_cut_is_found_out_before_anything_is_mapped(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = index.read_bytes()
    monkeypatch.setattr("netechod.process.dictionary.index.opened", lambda *_, **__: pytest.fail("mapped"))
    for size in {
        0,
        1,
        19,
        20,
        47,
        48,
        49,
        *range(PAGE, len(whole), 3 * PAGE),
        *range(len(whole) - 60, len(whole)),
    }:
        index.write_bytes(whole[:size])
        with pytest.raises(UnusableIndexError):
            open_index(index, verified=True)
    index.write_bytes(whole + b"x")
    with pytest.raises(UnusableIndexError):
        open_index(index, verified=True)


def verdict(settings: Settings, index: Path) -> Verdict | str:
    """The verdict, or why there is none."""
    try:
        return verify(settings.file, index)
    except UnusableIndexError as error:
        return str(error)


def test_an_index_is_found_whole_or_removed(settings: Settings, index: Path) -> None:
    assert verify(settings.file, index) is Verdict.WHOLE
    overwrite(index, 20 * PAGE, b"x")
    assert verify(settings.file, index) is Verdict.DAMAGED
    assert not index.exists()


def test_an_index_of_another_content_is_found_out_and_removed(settings: Settings, index: Path) -> None:
    overwrite(settings.file, 0, b"w", secretly=True)
    assert verify(settings.file, index) is Verdict.OTHER_SOURCE
    assert not index.exists()


def test_a_source_that_has_changed_since_is_for_the_next_reload(settings: Settings, index: Path) -> None:
    os.utime(settings.file, ns=(1, 1))
    assert verify(settings.file, index) is Verdict.WHOLE


@pytest.mark.parametrize("start", [0, PAGE, 9 * PAGE, -PAGE, -10], ids=str)
def test_an_index_is_made_anew_where_it_was_written_to(
    load: Load, settings: Settings, index: Path, start: int
) -> None:
    damage(index, start)
    with pytest.raises(UnusableIndexError):
        open_index(index)
    edition = load()
    assert isinstance(edition, IndexedDictionary)
    assert edition.facts.since == "", "the damaged one is not read"
    assert all_right(edition)


def damage(index: Path, start: int, *, secretly: bool = False) -> None:
    """Lose a page, counted from the end when `start` is negative."""
    size = index.stat().st_size
    start = start if start >= 0 else size + start
    overwrite(index, start, bytes(min(PAGE, size - start)), secretly=secretly)


def test_a_copy_of_an_index_is_verified_before_it_is_used(load: Load, index: Path) -> None:
    whole = index.read_bytes()
    index.write_bytes(whole)
    with pytest.raises(TouchedIndexError, match=r"^was written to after it was made$"):
        open_index(index)
    edition = load()
    assert isinstance(edition, IndexedDictionary)
    assert edition.proven
    assert edition.is_at(index)
    assert index.read_bytes() == whole
    assert right(edition) == len(WORDS)


def test_what_a_disk_has_lost_is_found_out_while_the_index_serves(
    loop: Loop, loader: Loader, load: Load, settings: Settings, index: Path, caplog: pytest.LogCaptureFixture
) -> None:
    damage(index, 20 * PAGE, secretly=True)
    edition = load()
    assert isinstance(edition, IndexedDictionary)
    told: list[str] = []
    edition.on_damage = lambda: told.append("damaged")
    loader.verify(settings, edition, lambda: pytest.fail("it is no other one's"))
    run_until(loop, lambda: told)
    assert not index.exists()
    again = load(edition)
    assert all_right(again)
    assert len(errors(caplog)) == 1


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize("page", [5, 20, 35, 50, -3], ids=str)
def test_a_look_up_that_meets_damage_is_a_miss_and_told_once(
    load: Load, index: Path, caplog: pytest.LogCaptureFixture, page: int
) -> None:
    edition = load()
    assert isinstance(edition, IndexedDictionary)
    told: list[str] = []
    edition.on_damage = lambda: told.append("damaged")
    pages = index.stat().st_size // PAGE
    for number in range(2, pages) if page < 0 else [page]:
        overwrite(index, number * PAGE, bytes(PAGE), secretly=True)
    misses = sum(edition.exact(word) is None for word in WORDS)
    assert not edition.is_touched()
    assert len(told) == len(errors(caplog)) == bool(misses)
    assert list(edition.items()) == [] or not misses
    if misses:
        again = load(edition)
        assert again is not edition
        assert all_right(again)


def test_an_index_that_is_written_to_while_it_serves_is_told(
    loop: Loop,
    loader: Loader,
    settings: Settings,
    load: Load,
    index: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("netechod.process.dictionary.loader.INTERVAL", 0.001)
    edition = load()
    assert isinstance(edition, IndexedDictionary)
    told: list[str] = []
    loader.look_after([(settings, edition)], lambda: told.append("damaged"))
    looks: list[bool] = []

    def look() -> bool:
        looks.append(IndexedDictionary.is_touched(edition))
        return looks[-1]

    monkeypatch.setattr(edition, "is_touched", look)
    run_until(loop, lambda: len(looks) > 3)
    assert errors(caplog) == []
    os.utime(index)
    run_until(loop, lambda: told)
    assert errors(caplog) == ["dictionary index is damaged and is put aside: somebody has written to it"]
    assert list(edition.items()) == []
    assert completed(compared(edition, MemoryDictionary({b"a": b"b"}))) == Changes(before=len(WORDS), after=1)
    assert all_right(load(edition))


def test_words_are_held_in_memory_when_a_damaged_index_cannot_be_made_anew(
    load: Load, index: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    edition = load()
    os.utime(index)
    monkeypatch.setattr("netechod.process.dictionary.index_process.Task.argv", ("/bin/false",))
    again = load(edition)
    assert isinstance(again, MemoryDictionary)
    assert all_right(again)
    assert "its words are held in memory: no index could be built of" in caplog.text


@pytest.mark.parametrize("secretly", [True, False])
@pytest.mark.parametrize("start", [0, PAGE, 2 * PAGE, 30 * PAGE, -PAGE], ids=str)
def test_an_index_can_be_built_over_a_damaged_one(
    settings: Settings, index: Path, start: int, secretly: bool
) -> None:
    damage(index, start, secretly=secretly)
    facts = build(settings.file, index, max_size=settings.max_size)
    assert facts.since == ""
    with closing(open_index(index)) as edition:
        assert all_right(edition)
    until_given_back()


def test_an_index_that_is_written_to_in_secret_while_it_serves_is_verified(
    loop: Loop,
    loader: Loader,
    settings: Settings,
    load: Load,
    index: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("netechod.process.dictionary.loader.INTERVAL", 0.001)
    edition = load()
    assert isinstance(edition, IndexedDictionary)
    told: list[str] = []
    loader.look_after([(settings, edition)], lambda: told.append("damaged"))
    index.chmod(0o600)  # nothing that harms
    run_until(loop, lambda: loader._children.running)
    run_until(loop, lambda: not loader._children.running)
    assert (told, errors(caplog)) == ([], [])
    damage(index, 20 * PAGE, secretly=True)
    run_until(loop, lambda: told)
    assert errors(caplog) == [
        "dictionary index is damaged and is put aside: its bytes are not those that were written"
    ]
    assert all_right(load(edition))


def test_an_index_that_another_one_replaces_needs_no_verification(settings: Settings, index: Path) -> None:
    with closing(open_index(index)) as edition:
        assert not edition.was_changed()
        build(settings.file, index, max_size=settings.max_size)
        assert not edition.was_changed()
    until_given_back()
    assert not edition.was_changed()
