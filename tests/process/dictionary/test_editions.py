"""Several dictionaries: loaded together, or not at all."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest
from support.indexes import until_given_back

from netechod.errors import DictionaryError
from netechod.process.config.schema import Dictionary as Settings
from netechod.process.dictionary.changes import Changes
from netechod.process.dictionary.editions import (
    Editions,
    close_unused,
    compare_all,
    load_all,
    with_first_name,
)
from netechod.process.dictionary.loader import Loader
from netechod.reactor.jobs.children import Children
from netechod.reactor.loop import Loop
from netechod.reactor.tasks import finished
from netechod.services.dictionary.service import MemoryDictionary


@pytest.fixture
def loader(loop: Loop) -> Iterator[Loader]:
    with closing(Loader(Children(loop))) as loader:
        yield loader


def settings(directory: Path, texts: Mapping[str, str]) -> dict[str, Settings]:
    """The settings of dictionaries with these texts, each in an index."""
    sections = {}
    for name, text in texts.items():
        file = directory / f"{name}.txt"
        file.write_text(text, encoding="utf-8")
        sections[name] = Settings.model_validate(
            {"file": file, "index": str(directory / f"{name}.index"), "index_from": 0}
        )
    return sections


def loaded(
    loop: Loop, loader: Loader, sections: Mapping[str, Settings], current: Editions | None = None
) -> Editions:
    editions = finished(loop, load_all(loader.load, sections, current or {}))
    assert editions is not None
    return editions


def words(editions: Editions) -> dict[str, list[bytes]]:
    return {name: [word for word, _ in edition.items()] for name, edition in editions.items()}


def test_dictionaries_are_loaded_in_order_and_used_again(loop: Loop, loader: Loader, tmp_path: Path) -> None:
    sections = settings(tmp_path, {"main": "apple:x\n", "more": "pear:x\n"})
    first = loaded(loop, loader, sections)
    assert words(first) == {"main": [b"apple"], "more": [b"pear"]}
    second = loaded(loop, loader, sections, first)
    assert [second[name] is first[name] for name in sections] == [True, True]
    close_unused(first, [second["main"]])
    assert words(second) == {"main": [b"apple"], "more": []}
    close_unused(second, [])
    until_given_back()


def test_one_bad_dictionary_changes_nothing(loop: Loop, loader: Loader, tmp_path: Path) -> None:
    in_use = loaded(loop, loader, settings(tmp_path, {"main": "apple:x\n", "more": "pear:x\n"}))
    bad = settings(tmp_path, {"main": "banana:x\n", "more": "no entry\n"})
    with pytest.raises(DictionaryError, match=r"more\.txt: "):
        loaded(loop, loader, bad, in_use)
    assert words(in_use) == {"main": [b"apple"], "more": [b"pear"]}
    close_unused(in_use, [])
    until_given_back()


def test_changes_are_counted_by_dictionary_and_in_all(loop: Loop) -> None:
    def of(*words: bytes) -> MemoryDictionary:
        return MemoryDictionary(dict.fromkeys(words, b"x"), sha256=b"".join(words).hex())

    sections = {name: Settings() for name in ("words", "new")}
    old = with_first_name("words", {"main": of(b"a", b"b"), "gone": of(b"c")})
    changes = finished(loop, compare_all(old, {"words": of(b"a"), "new": of(b"d", b"e")}, sections))
    assert changes is not None
    assert {name: (each.added, each.removed) for name, each in changes.items()} == {
        "words": (0, 1),
        "gone": (0, 1),
        "new": (2, 0),
    }
    assert Changes.of_all(changes.values()) == Changes(before=3, after=3, added=2, removed=2)
    assert Changes.of_all(()) == Changes()
