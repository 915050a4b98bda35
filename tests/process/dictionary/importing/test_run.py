"""An import as a whole: what it writes, what it says, and what is left when it fails."""

import os
import stat
import tomllib
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.characters import is_harmless
from support.foreign_dictionaries import imported, parsed, write_dictd, write_stardict

from netechod.errors import DictionaryError, NetechodError
from netechod.process.dictionary import external_sort
from netechod.process.dictionary.importing import merging, writing
from netechod.process.dictionary.importing.run import import_dictionary

ANY = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
WORDS = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Cf", "Zl", "Zp", "Zs"]), min_size=1, max_size=8
).filter(lambda word: not word.startswith(("##", "00")))
LINES = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Cf", "Zl", "Zp", "Zs"]), min_size=1, max_size=12
)
MEANINGS = st.lists(LINES, min_size=1, max_size=3).map("\n".join)
ENTRIES = st.lists(st.tuples(st.lists(WORDS, min_size=1, max_size=3), MEANINGS), min_size=1, max_size=12)


def expected(entries: list[tuple[list[str], str]]) -> dict[str, str]:
    """The meanings of each word, in order, each once."""
    words: dict[str, dict[str, None]] = {}
    for heads, meaning in entries:
        for word in heads:
            words.setdefault(word, {})[meaning] = None
    return {word: "\n\n".join(meanings) for word, meanings in words.items()}


@given(ENTRIES)
@ANY
def test_a_stardict_dictionary_says_the_same_when_it_is_imported(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[list[str], str]]
) -> None:
    directory = tmp_path_factory.mktemp("x")
    rows = [(words[0], meaning.encode()) for words, meaning in entries]
    synonyms = [(word, number) for number, (words, _) in enumerate(entries) for word in words[1:]]
    ifo = write_stardict(directory / "x", rows, synonyms=synonyms)
    with patch.multiple(external_sort, RUN=200, BLOCK=50):  # sorting has next to no memory
        assert imported(ifo, directory / "out.tsv").words == expected(entries)


@given(ENTRIES)
@ANY
def test_what_is_written_means_the_same_when_it_is_imported_again(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[list[str], str]]
) -> None:
    directory = tmp_path_factory.mktemp("x")
    index = write_dictd(directory / "x", [(words, f"\n{meaning}\n") for words, meaning in entries])
    first = imported(index, directory / "first.tsv")
    again = imported(directory / "first.tsv", directory / "again.tsv", form="tsv")
    assert (again.words, again.head["name"]) == (first.words, first.head["name"])


@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=40)), min_size=1, max_size=8))
@ANY
def test_no_character_that_a_terminal_obeys_comes_through(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    directory = tmp_path_factory.mktemp("x")
    text = "".join(f"{word}  {meaning}\n" for word, meaning in rows)
    (directory / "x").write_text(text, encoding="utf-8", errors="replace", newline="")
    with suppress(DictionaryError):
        made = imported(directory / "x", directory / "out.tsv", form="spaces")
        for word, meaning in made.words.items():
            assert is_harmless(word)
            assert word == " ".join(word.split())
            assert is_harmless(meaning.replace("\n", ""))
            assert meaning == meaning.strip()


def test_terminals_and_bidi_are_told_nothing_and_tabs_are_spaces(tmp_path: Path) -> None:
    text = "##name\tEv\\til\x1b[2J\na\x1b[31m\u202eb\t\x9bone\\ttwo\\n    three\u2028\u200f\\n\n"
    (tmp_path / "x.txt").write_text(text, encoding="utf-8")
    made = imported(tmp_path / "x.txt", tmp_path / "out.tsv")
    assert made.words == {"a[31mb": "one    two\n    three"}
    assert made.head["name"] == "Ev il[2J"


def test_the_indentation_of_all_lines_is_taken_away(tmp_path: Path) -> None:
    index = write_dictd(tmp_path / "x", [(["a"], "\n    one\n      two  \n\n    three\n\n")])
    assert imported(index, tmp_path / "out.tsv").words == {"a": "one\n  two\n\nthree"}


def test_it_says_what_it_did_and_how_to_serve_the_dictionary(tmp_path: Path) -> None:
    index = write_dictd(tmp_path / "Tiny Words", [(["a"], "b\n"), (["a"], "c\n"), ([" "], "d\n")])
    made = imported(index, tmp_path / "Tiny Words.tab", title="Two  words")
    assert made.told[0].startswith(
        f"{tmp_path}/Tiny Words.tab: 1 words of {index} (dictd), 1 merged, 1 skipped, "
    )
    assert made.told[1] == f"{index}:1: no word; skipped"
    assert "licence: the source names none" in made.told
    start = made.told.index("[dictionary.more.tiny-words]")
    assert tomllib.loads("\n".join(made.told[start:])) == {
        "dictionary": {"more": {"tiny-words": {"file": f"{tmp_path}/Tiny Words.tab"}}}
    }
    assert made.head == {"name": "Two words", "source": "Tiny Words.index"}
    told = imported(index, tmp_path / "x.dictionary").told
    assert told[-1] == 'format = "tsv"'


def test_the_file_has_the_name_of_the_source_and_ordinary_rights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words.txt.gz").write_text("a\tb\n")
    before = os.umask(0o027)
    try:
        list(
            import_dictionary(Path("words.txt.gz"), form="", output=None, title="", progress=lambda *it: None)
        )
    finally:
        os.umask(before)
    assert parsed(Path("words.tsv").read_bytes())[1] == {"a": "b"}
    assert stat.S_IMODE(Path("words.tsv").stat().st_mode) == 0o640


def test_it_does_not_replace_its_source_or_what_is_no_file(tmp_path: Path) -> None:
    source = tmp_path / "words.tsv"
    source.write_text("a\tb\n")
    for output, why in {
        source: "is the source itself",
        Path("/dev/null"): "exists and is not a regular file",
    }.items():
        with pytest.raises(NetechodError, match=why):
            imported(source, output)
    assert source.read_text() == "a\tb\n"
    assert Path("/dev/null").is_char_device()
    with pytest.raises(NetechodError, match=r"no dictionary is written: .*nowhere.*: No such file"):
        imported(source, tmp_path / "nowhere" / "out.tsv")


def test_a_link_stays_a_link_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "words").write_text("a\tb\n")
    (tmp_path / "real.tsv").write_text("before")
    (tmp_path / "link.tsv").symlink_to("real.tsv")
    imported(tmp_path / "words", tmp_path / "link.tsv")
    assert (tmp_path / "link.tsv").is_symlink()
    assert parsed((tmp_path / "real.tsv").read_bytes())[1] == {"a": "b"}


@pytest.mark.parametrize("call", ["os.fsync", "os.pread", "pathlib.Path.rename"])
def test_an_import_that_fails_late_leaves_what_was_there(tmp_path: Path, call: str) -> None:
    (tmp_path / "words").write_text("a\tb\n")
    (tmp_path / "out.tsv").write_text("before")
    with (
        patch(call, side_effect=OSError(28, "No space left on device")),
        pytest.raises(NetechodError, match="no dictionary is written: No space left on device"),
    ):
        imported(tmp_path / "words", tmp_path / "out.tsv")
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {
        "words": "a\tb\n",
        "out.tsv": "before",
    }


def test_an_import_that_is_interrupted_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "words").write_text("a\tb\n")
    with (
        patch.object(writing.Tabfile, "write", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        imported(tmp_path / "words", tmp_path / "out.tsv")
    assert [file.name for file in tmp_path.iterdir()] == ["words"]


def test_what_is_too_long_for_a_line_is_cut_or_written_in_several(tmp_path: Path) -> None:
    words = [f"word {number:04}" for number in range(1000)]
    long = "\n".join(f"line {number}\\" for number in range(20_000))
    index = write_dictd(tmp_path / "x", [(words, "short\n"), (["long"], long), (["x" * 1001], "y\n")])
    made = imported(index, tmp_path / "out.tsv")
    assert {made.words[word] for word in words} == {"short"}
    assert long.startswith(made.words["long"] + "\n")
    assert "1 meanings are too long for a line and are cut" in made.told
    assert any("a word of more than 1000 bytes; skipped" in line for line in made.told)
    lines = (tmp_path / "out.tsv").read_text(encoding="utf-8").split("\n")
    assert max(map(len, lines)) < 128 * 1024
    assert len(lines) < 10


def test_there_is_an_end_to_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "MAX_SIZE", 9)
    (tmp_path / "words").write_text("a\t12345\nb\t12345\n")
    with pytest.raises(DictionaryError, match=r"words:2: more than 9 bytes of meanings up to here"):
        imported(tmp_path / "words", tmp_path / "out.tsv")


def test_there_is_an_end_to_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "MAX_SIZE", 30)
    index = write_dictd(tmp_path / "x", [(["a", "b"], "1234567890\n"), (["b", "c"], "abcdefghij\n")])
    with pytest.raises(DictionaryError, match="the dictionary would have more than 30 bytes"):
        imported(index, tmp_path / "out.tsv")
    assert not (tmp_path / "out.tsv").exists()


def test_of_a_word_with_very_many_meanings_no_more_are_joined_than_a_line_holds(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("".join(f"a\t{number} {'b' * 1000}\n" for number in range(3000)))
    made = imported(tmp_path / "x", tmp_path / "out.tsv")
    assert made.words["a"].startswith("0 bbb")
    assert "1 meanings are too long for a line and are cut" in made.told
    assert "2999 merged" in made.told[0]


def test_progress_is_told_from_nothing_to_all(tmp_path: Path) -> None:
    told: list[tuple[str, float]] = []
    ifo = write_stardict(tmp_path / "x", [(f"{n}", b"%d" % n) for n in range(9000)], packed=True)
    list(
        import_dictionary(
            ifo, form="", output=tmp_path / "out.tsv", title="", progress=lambda *step: told.append(step)
        )
    )
    assert list(dict.fromkeys(what for what, _ in told)) == ["unpacking", "reading", "merging", "writing"]
    assert all(0 <= share <= 1 for _, share in told)


@pytest.mark.parametrize(
    ("name", "why"), [("missing", "missing: No such file or directory"), (".", "no .ifo and no .index file")]
)
def test_a_source_that_is_not_there_is_told(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(DictionaryError, match=why):
        imported(tmp_path / name, tmp_path / "out.tsv")


def test_a_fifo_is_no_source_and_nobody_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(DictionaryError, match="fifo: not a regular file"):
        imported(tmp_path / "fifo", tmp_path / "out.tsv")
