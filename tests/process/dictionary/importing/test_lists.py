"""ECDICT, CC-CEDICT, csv, and lists with any separator."""

import gzip
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from support.foreign_dictionaries import imported

from netechod.errors import DictionaryError
from netechod.process.dictionary.importing import reading

HEADER = "word,phonetic,definition,translation,pos,collins,oxford,tag,bnc,frq,exchange,detail,audio\n"
ROW = r'apple,ˈæpl,n. fruit\nn. tree,"n. 苹果, 家伙\n[医] 苹果",n:100,3,1,zk,2446,2695,s:apples,,' + "\n"
APPLE = "[ˈæpl]\nn. 苹果, 家伙\n[医] 苹果\nn. fruit\nn. tree\n(s:apples)"


def from_text(directory: Path, text: str, form: str = "") -> tuple[dict[str, str], list[str]]:
    source = directory / "source.txt"
    source.write_text(text, encoding="utf-8")
    made = imported(source, directory / "out.tsv", form)
    return dict(made.words), [line for line in made.told if "skipped" in line]


# ECDICT.


def test_the_csv_of_ecdict_is_read_and_broken_rows_are_skipped(tmp_path: Path) -> None:
    words, told = from_text(tmp_path, HEADER + ROW + "a,b,c\n" + "ratio 1:2,,,比,,,,,,,,,\n")
    assert words == {"apple": APPLE, "ratio 1:2": "比"}
    assert told[1:] == [f"{tmp_path}/source.txt:3: 3 columns instead of 13; skipped"]


def test_the_columns_of_ecdict_are_known_by_name(tmp_path: Path) -> None:
    assert from_text(tmp_path, "translation,word\n苹果,apple\n", "ecdict")[0] == {"apple": "苹果"}
    with pytest.raises(
        DictionaryError, match=r"source\.txt:1: not ECDICT: the first row names no column 'word'"
    ):
        from_text(tmp_path, "translation\n苹果\n", "ecdict")


def database(path: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(path)) as made, made:
        for statement in statements:
            made.execute(statement)
    return path


TABLE = "CREATE TABLE stardict (id INTEGER PRIMARY KEY, word, phonetic, definition, translation, exchange)"


def test_the_database_of_ecdict_is_read(tmp_path: Path) -> None:
    source = database(
        tmp_path / "a?b#c%.db",
        TABLE,
        r"INSERT INTO stardict VALUES (7, 'apple', 'ˈæpl', 'n. fruit\nn. tree', 'n. 苹果, 家伙"
        "\n[医] 苹果', 's:apples'), (8, 9, NULL, NULL, 10, NULL), (9, 'none', '', '', '', '')",
    )
    made = imported(source, tmp_path / "out.tsv")
    assert made.words == {"apple": APPLE, "9": "10"}
    assert f"{source}:row 9: no meaning; skipped" in made.told
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a?b#c%.db", "out.tsv"]


@pytest.mark.parametrize(
    ("statements", "why"),
    [
        (["CREATE TABLE other (word)"], "no table 'stardict'"),
        (["CREATE VIEW stardict AS SELECT 1 AS word"], "no table 'stardict'"),
        (["CREATE TABLE stardict (word)"], "no such column: phonetic"),
        ([TABLE, "INSERT INTO stardict (word) VALUES (CAST(x'ff' AS TEXT))"], "Could not decode"),
        ([TABLE], "holds no entry at all"),
        (
            [TABLE, "INSERT INTO stardict (word, translation) VALUES ('a', hex(zeroblob(2000000)))"],
            "string or blob too big",
        ),
    ],
)
def test_a_database_that_is_not_ecdict_is_refused(tmp_path: Path, statements: list[str], why: str) -> None:
    with pytest.raises(DictionaryError, match=why):
        imported(database(tmp_path / "x.db", *statements), tmp_path / "out.tsv")


# CC-CEDICT.


def test_both_forms_of_cc_cedict_are_read_under_both_spellings(tmp_path: Path) -> None:
    text = (
        "# CC-CEDICT\n#! date=2023-11-17\n#! license=https://creativecommons.org/licenses/by-sa/4.0/\n"
        "傳統 传统 [chuan2 tong3] /tradition/traditional/\r\n"
        "行 行 [xing2] /to walk/\n行 行 [[hang2]] /a row/\n"
        "no entry\n"
    )
    (tmp_path / "cedict.u8").write_text(text, encoding="utf-8", newline="")
    made = imported(tmp_path / "cedict.u8", tmp_path / "out.tsv")
    tradition = "傳統 传统 [chuan2 tong3]\ntradition\ntraditional"
    assert made.words == {
        "傳統": tradition,
        "传统": tradition,
        "行": "[xing2]\nto walk\n\n[hang2]\na row",
    }
    assert made.head["licence"] == "https://creativecommons.org/licenses/by-sa/4.0/"
    assert f"{tmp_path}/cedict.u8:7: not 繁體 简体 [pin1 yin1] /meaning/; skipped" in made.told


def test_a_text_may_be_packed(tmp_path: Path) -> None:
    (tmp_path / "list.txt.gz").write_bytes(gzip.compress("apple\t苹果\n".encode()))
    assert imported(tmp_path / "list.txt.gz", tmp_path / "out.tsv").words == {"apple": "苹果"}


# Lists.


@pytest.mark.parametrize(
    "text",
    [
        "apple\t苹果\nice cream\t冰淇淋\n",
        "apple    苹果\r\nice cream  冰淇淋\r\n",
        "apple\u3000苹果\nice cream\u3000冰淇淋\n",
        "apple：苹果\nice cream： 冰淇淋\n",
        "apple，苹果\nice cream ，冰淇淋\n",
        "apple=苹果\nice cream = 冰淇淋\n",
        "apple,苹果\nice cream,冰淇淋\n",
        'word,meaning\n"apple",苹果\n"ice cream",冰淇淋\n',
        "\ufeff# fruit\n\napple\t\t苹果\nice cream\t冰淇淋",
    ],
)
def test_lists_with_any_separator_are_known_by_their_lines(tmp_path: Path, text: str) -> None:
    assert from_text(tmp_path, text)[0] == {"apple": "苹果", "ice cream": "冰淇淋"}


def test_the_separator_that_stands_first_in_most_lines_is_the_one(tmp_path: Path) -> None:
    assert from_text(tmp_path, "a  n. 甲：乙，丙\nb  v. 丁=戊\nc=d\n")[0] == {
        "a": "n. 甲：乙，丙",
        "b": "v. 丁=戊",
    }
    assert from_text(tmp_path, "ratio：比例：比\nb：c\n")[0] == {"ratio": "比例：比", "b": "c"}


def test_lines_of_a_list_that_are_no_entries_are_skipped_by_line(tmp_path: Path) -> None:
    words, told = from_text(tmp_path, "a  b\nalone\n" + "c  d\n" * 3)
    assert words == {"a": "b", "c": "d"}
    assert told[1:] == [
        f"{tmp_path}/source.txt:2: no separator; several spaces should stand behind the word; skipped"
    ]
    _, told = from_text(tmp_path, "a\tb\n" * 30 + "alone\n\t meaning\n" * 11)
    assert told[1] == f"{tmp_path}/source.txt:31: no tab between a word and its meaning; skipped"
    assert told[2] == f"{tmp_path}/source.txt:32: no word; skipped"
    assert told[-1] == "12 more are skipped"


def test_a_tabfile_is_read_with_its_escapes_and_its_head(tmp_path: Path) -> None:
    text = (
        "##name\tTiny\n##license\tMIT\n##description\tOf\\nnothing\n"
        + r"""a\|b|c\\|d	one\ntwo\\three\four"""
        + "\n"
    )
    (tmp_path / "tiny.txt").write_text(text)
    made = imported(tmp_path / "tiny.txt", tmp_path / "out.tsv")
    meaning = "one\ntwo\\three\\four"
    assert made.words == {"a|b": meaning, "c\\": meaning, "d": meaning}
    assert (made.head["name"], made.head["licence"], made.head["information"]) == (
        "Tiny",
        "MIT",
        "Of\nnothing",
    )


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"a:b\nc:d\n", "it looks like lines of key:value: dictionary.file can name it as it is"),
        (b"", "neither its name nor its text tells the format: name it with --format"),
        (b"PK\3\4", "it looks like a zip archive: unzip "),
        (bytes(257) + b"ustar", "it looks like a tar archive: tar -xf "),
        (gzip.compress(b"a:b\n"), "it looks like a file compressed by gzip: gunzip "),
        (
            gzip.compress(b"x.ifo" + bytes(252) + b"ustar\x0000"),
            "it looks like a file compressed by gzip: gunzip ",
        ),
        ("a\tb\n".encode("utf-16"), "it looks like UTF-16: iconv -f UTF-16 -t UTF-8 "),
        ("苹果\t的中文\n".encode("gb18030"), "it looks like GB18030 .*: iconv -f GB18030 -t UTF-8 "),
        (b"a\tb\n" * 99 + b"\xff\tb\n", r"source:100: not UTF-8; it looks like"),
        (b"a\tb\n" * 99999 + b"\xff\tb\n", r"source:100000: not UTF-8; it looks like WINDOWS-1252: iconv "),
        (b"a\tb\n" * 99999 + b"\0\tb\n", r"source:100000: a NUL byte"),
        (b"a\tb\n" + b"c\t" + b"d" * (1 << 20), "source:2: longer than 1048576 bytes"),
    ],
)
def test_what_is_no_list_is_refused_with_what_to_do(tmp_path: Path, data: bytes, why: str) -> None:
    (tmp_path / "source").write_bytes(data)
    with pytest.raises(DictionaryError, match=why):
        imported(tmp_path / "source", tmp_path / "out.tsv")
    assert not (tmp_path / "out.tsv").exists()


def test_a_quote_that_is_never_closed_costs_some_rows_and_not_all_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netechod.process.dictionary.importing.lists.MAX_LINE", 1000)
    words, told = from_text(tmp_path, 'a,b\n"c,d\n' + "e,f\n" * 400)
    assert words == {"a": "b", "e": "f"}
    assert "field larger than field limit (1000); skipped" in told[1]


def test_a_bomb_unpacks_to_no_more_than_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "FREE_SIZE", 1 << 20)
    (tmp_path / "list.gz").write_bytes(gzip.compress(b"a\tb\n" * (1 << 20)))
    with pytest.raises(DictionaryError, match=r"list\.gz: unpacks to more than 10[0-9]{5} bytes"):
        imported(tmp_path / "list.gz", tmp_path / "out.tsv")


@pytest.mark.parametrize("cut", [3, 11, 30, -9, -1])
def test_a_damaged_gzip_is_refused(tmp_path: Path, cut: int) -> None:
    data = gzip.compress(b"".join(b"%d\tb\n" % number for number in range(99)))
    (tmp_path / "list.gz").write_bytes(data[:cut])
    with pytest.raises(DictionaryError, match="the compressed data are damaged"):
        imported(tmp_path / "list.gz", tmp_path / "out.tsv", "tsv")
