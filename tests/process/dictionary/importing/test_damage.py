"""Sources that are cut short, or have bits flipped: a sentence, or a whole dictionary, and nothing else."""

import gzip
import random
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from support.characters import is_harmless
from support.foreign_dictionaries import imported, write_dictd, write_stardict

from netechod.errors import DictionaryError

ENTRIES = [(["apple", "Apfel"], "苹果\n  fruit\n"), (["bank"], "a house\n"), (["bank"], "a river side\n")]
ROWS = [("apple", "æpl\0苹果".encode()), ("bank", b"x\0a house"), ("c", b"y\0d")]
FLIPS = 150

Make = Callable[[Path], Path]


def make_dictd(base: Path) -> Path:
    return write_dictd(base, ENTRIES, {"short": "00-database-short\n   Tiny\n", "info": "Free.\n"})


def make_dictzip(base: Path) -> Path:
    index = make_dictd(base)
    subprocess.run(["dictzip", f"{base}.dict"], check=True, capture_output=True)
    return index


def make_stardict(base: Path) -> Path:
    return write_stardict(base, ROWS, sequence="tm", synonyms=[("d", 2)])


def make_wide_stardict(base: Path) -> Path:
    return write_stardict(
        base, [("a", b"mone\0W\0\0\0\1x"), ("b", b"ttwo\0")], sequence="", bits=64, packed=True
    )


def make_database(base: Path) -> Path:
    with closing(sqlite3.connect(f"{base}.db")) as made, made:
        made.execute("PRAGMA page_size = 512")
        made.execute("CREATE TABLE stardict (word, phonetic, definition, translation, exchange)")
        made.executemany("INSERT INTO stardict VALUES (?, 'x', 'y', 'z', '')", [(f"w{n}",) for n in range(9)])
    return Path(f"{base}.db")


def make_csv(base: Path) -> Path:
    base.write_text(
        'word,phonetic,definition,translation\napple,x,"a ""fruit""",苹果\nb,,,c\n', encoding="utf-8"
    )
    return base


def make_cedict(base: Path) -> Path:
    base.write_text(
        "#! license=x\n傳統 传统 [chuan2 tong3] /tradition/\n行 行 [[xing2]] /go/\n", encoding="utf-8"
    )
    return base


def make_list(base: Path) -> Path:
    base.write_bytes(gzip.compress("##name\tx\napple|b\t苹果\\n\nb\tc\n".encode()))
    return base


MAKERS = {
    "dictd": make_dictd,
    "dictzip": make_dictzip,
    "stardict": make_stardict,
    "wide-stardict": make_wide_stardict,
    "ecdict-database": make_database,
    "ecdict": make_csv,
    "cedict": make_cedict,
    "tsv": make_list,
}


def check(source: Path, form: str, output: Path) -> None:
    """Import it, or be told in a sentence why not; then nothing is written."""
    refusal = ""
    try:
        made = imported(source, output, form)
        assert made.words
        assert all(made.words)
        assert all(made.words.values())
        output.unlink()
    except DictionaryError as error:
        refusal = str(error)
    assert is_harmless(refusal)
    assert not refusal or str(source.parent) in refusal
    assert not output.exists()
    assert [file for file in output.parent.iterdir() if file.name.startswith(".")] == []


def files_of(name: str, directory: Path) -> tuple[Path, str, list[Path]]:
    source = MAKERS[name](directory / "x")
    form = {"dictzip": "dictd", "wide-stardict": "stardict", "ecdict-database": "ecdict"}.get(name, name)
    return source, form, sorted(directory.iterdir())


@pytest.mark.parametrize("name", MAKERS)
def test_every_beginning_of_every_file_gives_a_dictionary_or_a_sentence(tmp_path: Path, name: str) -> None:
    source, form, files = files_of(name, tmp_path)
    for file in files:
        data = file.read_bytes()
        step = 1 + len(data) // 300
        for size in range(0, len(data), step):
            file.write_bytes(data[:size])
            check(source, form, tmp_path / "out.tsv")
        file.write_bytes(data)
    check(source, form, tmp_path / "out.tsv")


@pytest.mark.parametrize("name", MAKERS)
def test_flipped_bits_give_a_dictionary_or_a_sentence(tmp_path: Path, name: str) -> None:
    source, form, files = files_of(name, tmp_path)
    dice = random.Random(name)
    for file in files:
        data = file.read_bytes()
        for _ in range(FLIPS):
            flipped = bytearray(data)
            for _ in range(dice.choice([1, 1, 2, 8])):
                flipped[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
            file.write_bytes(flipped)
            check(source, form, tmp_path / "out.tsv")
        file.write_bytes(data)


@pytest.mark.parametrize(
    ("name", "whole"), [("dictd", ".dict"), ("dictzip", ".dict.dz"), ("stardict", ".idx")]
)
def test_a_file_that_is_cut_is_not_taken_for_a_smaller_dictionary(
    tmp_path: Path, name: str, whole: str
) -> None:
    source, form, _ = files_of(name, tmp_path)
    file = tmp_path / f"x{whole}"
    data = file.read_bytes()
    file.write_bytes(data[:-1])
    with pytest.raises(DictionaryError, match=r"cut short|damaged"):
        imported(source, tmp_path / "out.tsv", form)
