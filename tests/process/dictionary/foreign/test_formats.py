"""What files look like by their first kilobytes."""

import gzip
import sqlite3
from pathlib import Path

import pytest
from support.foreign_dictionaries import write_dictd, write_stardict

from netechod.process.dictionary.foreign.formats import HEAD, KEY_VALUE, format_of

IMPORT = "netechoctl dict import "


@pytest.mark.parametrize(
    ("head", "kind", "command"),
    [
        (b"apple\tfruit\nbank\thouse\n", "words and meanings separated by tabs", IMPORT),
        (b"##name\tx\napple\tfruit\n", "words and meanings separated by tabs", IMPORT),
        (b"apple  fruit\nbank  house\n", "words and meanings separated by spaces", IMPORT),
        ("a\u3000b\nc\u3000d\n".encode(), "words and meanings separated by spaces", IMPORT),
        ("a：b\nc：d\n".encode(), "words and meanings separated by a full-width colon", IMPORT),
        ("a，b\nc，d\n".encode(), "words and meanings separated by a full-width comma", IMPORT),
        (b"a=b\nc = d\n", "words and meanings separated by '='", IMPORT),
        ("a＝b\nc＝d\n".encode(), "words and meanings separated by '='", IMPORT),
        (b"a|b\nc | d\n", "words and meanings separated by '|'", IMPORT),
        (b"apple,fruit\nbank,house\n", "CSV", IMPORT),
        (b"word,phonetic,definition,translation,pos\n", "ECDICT's CSV", IMPORT),
        ("# x\n行 行 [xing2] /go: walk/\n".encode(), "CC-CEDICT", IMPORT),
        ("行 行 [[xing2]] /go/\n".encode(), "CC-CEDICT", IMPORT),
        (b"00databaseinfo\tA\tB\napple\tC\tBa\n", "an index of dictd", IMPORT),
        (gzip.compress(b"a\tb\n"), "a file compressed by gzip", "gunzip "),
        (b"\x1f\x8b\x08\x04\0\0\0\0\2\3\x12\0RA", "texts of dictd, compressed by dictzip", IMPORT),
        (b"SQLite format 3\0\x10\0", "an SQLite database", IMPORT),
        (b"StarDict's dict ifo file\n", "a dictionary of StarDict", IMPORT),
        (b"\xef\xbb\xbfStarDict's dict ifo file\n", "a dictionary of StarDict", IMPORT),
        (b"apple\0\0\0\0\0\0\0\0\5bank\0\0\0\0\5\0\0\0\5", "an index of StarDict", IMPORT),
        ('#NAME "x"\n'.encode("utf-16"), "a dictionary of Lingvo (DSL)", "pyglossary "),
        (b"\0\0\1\2" + "<Dictionary ".encode("utf-16-le"), "a dictionary of MDict", "pyglossary "),
        (bytes(257) + b"ustar", "a tar archive", "tar "),
        (b"PK\3\4", "a zip archive", "unzip "),
        (b"\xfd7zXZ\0", "a file compressed by xz", "unxz "),
    ],
)
def test_what_people_have_is_named_with_a_remedy(head: bytes, kind: str, command: str) -> None:
    found = format_of(head)
    assert found is not None
    assert found.name == kind
    assert found.remedy("it's.txt").startswith(f": {command}")
    assert """'it'"'"'s.txt'""" in found.remedy("it's.txt")


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\n\n",
        b"# nothing but a comment\n",
        b"some words\nand no separator\nat all\n",
        bytes(range(256)),
        b"\xff" * 99,
    ],
)
def test_what_could_be_anything_is_not_named(head: bytes) -> None:
    assert format_of(head) is None


@pytest.mark.parametrize(
    "head",
    [
        "apple:fruit\nbank: a house,  or a river\n",
        "apple: a=b\nbank:\tx\n",
        "apple : fruit - red | round\n",
        "ice cream:冰，淇淋：甜\n",
    ],
)
def test_lines_of_key_and_value_stay_what_they_are_whatever_the_meanings_have_in_them(head: str) -> None:
    assert format_of(head.encode()) is KEY_VALUE


def test_what_the_writers_of_dictionaries_make_is_known(tmp_path: Path) -> None:
    index = write_dictd(tmp_path / "x", [((f"word {n}",), "text\n") for n in range(99)], {"info": "x"})
    ifo = write_stardict(tmp_path / "y", [("apple", b"fruit")])
    with sqlite3.connect(tmp_path / "z") as database:
        database.execute("CREATE TABLE stardict (word)")
    database.close()
    found = [format_of(file.read_bytes()) for file in (index, ifo, tmp_path / "y.idx", tmp_path / "z")]
    assert [guess and guess.importer for guess in found] == ["dictd", "stardict", "stardict", "ecdict"]


def test_three_columns_of_short_words_are_no_dictd_index() -> None:
    found = format_of(b"apple\tn\tfruit\nbank\tn\thouse\n")
    assert found is not None
    assert found.importer == "tsv"


def test_a_character_that_the_head_cuts_is_no_flaw() -> None:
    head = "苹果\t水果\n".encode() * HEAD
    for size in range(HEAD - 4, HEAD + 1):
        found = format_of(head[:size])
        assert found is not None
        assert found.importer == "tsv"
