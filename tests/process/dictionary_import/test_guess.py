"""What files look like by their first kilobytes."""

import gzip
import sqlite3
from pathlib import Path

import pytest
from support.dictionaries import write_dictd, write_stardict

from netechod.process.dictionary_import.guess import HEAD, looks_like

CHINESE = "苹果\t的中文意思是水果\n" * 3


@pytest.mark.parametrize(
    ("head", "kind", "command"),
    [
        (b"apple\tfruit\nbank\thouse\n", "tab-separated lines", "netechoctl dict import"),
        (
            b"apple  fruit\nbank  house\n",
            "lines with several spaces between word and meaning",
            "netechoctl dict",
        ),
        (
            "a：b\nc：d\n".encode(),
            "lines with a full-width colon between word and meaning",
            "netechoctl dict",
        ),
        (
            "a，b\nc，d\n".encode(),
            "lines with a full-width comma between word and meaning",
            "netechoctl dict",
        ),
        (b"a=b\nc = d\n", "lines with an equals sign between word and meaning", "netechoctl dict import"),
        (b"apple,fruit\nbank,house\n", "comma-separated values (csv)", "netechoctl dict import"),
        (b"word,phonetic,definition,translation,pos\n", "ECDICT's csv", "netechoctl dict import"),
        ("# x\n行 行 [xing2] /go/\n".encode(), "CC-CEDICT", "netechoctl dict import"),
        ("行 行 [[xing2]] /go/\n".encode(), "CC-CEDICT", "netechoctl dict import"),
        (b"00databaseinfo\tA\tB\napple\tC\tBa\n", "a dictd index", "netechoctl dict import"),
        (gzip.compress(b"a\tb\n"), "a file compressed by gzip", "netechoctl dict import"),
        (b"\x1f\x8b\x08\x04\0\0\0\0\2\3\x12\0RA", "a file compressed by dictzip", "netechoctl dict import"),
        (CHINESE.encode("utf-16"), "UTF-16 text", "iconv -f UTF-16 "),
        (b"apple\tfruit\n".decode().encode("utf-16-le"), "UTF-16LE text", "iconv -f UTF-16LE "),
        (b"apple\tfruit\n".decode().encode("utf-16-be"), "UTF-16BE text", "iconv -f UTF-16BE "),
        (CHINESE.encode("gb18030"), "GB18030 (GBK) text", "iconv -f GB18030 "),
        ((CHINESE + "㐀㐁\n").encode("gb18030")[:-2], "GB18030 (GBK) text", "iconv -f GB18030 "),
        (b"SQLite format 3\0\x10\0", "an SQLite database", "netechoctl dict import"),
        (b"StarDict's dict ifo file\n", "a StarDict dictionary's .ifo file", "netechoctl dict import"),
        (b"apple\0\0\0\0\0\0\0\0\5bank\0\0\0\0\5\0\0\0\5", "a StarDict dictionary's .idx file", "netechoctl"),
        ('#NAME "x"\n'.encode("utf-16"), "a Lingvo DSL dictionary", "pyglossary "),
        (b"\0\0\1\2" + "<Dictionary ".encode("utf-16-le"), "an MDict dictionary", "pyglossary "),
        (b"PK\3\4", "a zip archive", "unzip "),
        (b"\xfd7zXZ\0", "a file compressed by xz", "unxz "),
    ],
)
def test_what_people_have_is_named_with_the_command_to_run(head: bytes, kind: str, command: str) -> None:
    found = looks_like(head)
    assert found is not None
    assert found.kind == kind
    assert found.command("it's.txt").startswith(command)
    assert """'it'"'"'s.txt'""" in found.command("it's.txt")


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\n\n",
        b"# nothing but a comment\n",
        b"apple:fruit\nbank: a house,  or a river\n",
        b"apple: a=b\nbank:\tx\n",
        b"some words\nand no separator\nat all\n",
        b"caf\xe9\tcoffee\n",
        bytes(range(256)),
        b"\xff" * 99,
    ],
)
def test_what_could_be_anything_is_not_named(head: bytes) -> None:
    assert looks_like(head) is None


def test_what_the_writers_of_dictionaries_make_is_known(tmp_path: Path) -> None:
    index = write_dictd(tmp_path / "x", [((f"word {n}",), "text\n") for n in range(99)], {"info": "x"})
    ifo = write_stardict(tmp_path / "y", [("apple", b"fruit")])
    with sqlite3.connect(tmp_path / "z") as database:
        database.execute("CREATE TABLE stardict (word)")
    database.close()
    found = [looks_like(file.read_bytes()) for file in (index, ifo, tmp_path / "y.idx", tmp_path / "z")]
    assert [guess and guess.format for guess in found] == ["dictd", "stardict", "stardict", "ecdict"]


def test_three_columns_of_short_words_are_no_dictd_index() -> None:
    found = looks_like(b"apple\tn\tfruit\nbank\tn\thouse\n")
    assert found is not None
    assert found.format == "tsv"


def test_a_character_that_the_head_cuts_is_no_flaw() -> None:
    head = "苹果\t水果\n".encode() * HEAD
    for size in range(HEAD - 4, HEAD + 1):
        found = looks_like(head[:size])
        assert found is not None
        assert found.format == "tsv"
