"""Files that are no dictionaries: each is named, and the advised command makes a dictionary of it."""

import bz2
import csv
import gzip
import io
import json
import lzma
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.foreign_dictionaries import imported
from support.loading import load_file

from netechod.errors import DictionaryError, DictionaryFormatError
from netechod.process.dictionary.foreign.advice import explained
from netechod.process.dictionary.foreign.formats import KEY_VALUE, format_of
from netechod.services.dictionary.parser import Rules

WORDS = {f"word{number}": f"第{number}个词，解释 {number}" for number in range(40)} | {"apple": "苹果"}
LINES = "".join(f"{word}:{meaning}\n" for word, meaning in WORDS.items())
TRADITIONAL = "apple:蘋果，一種水果\nbook:書本與圖書館\ncountry:國家的歷史\n" * 3


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """In a directory whose name a shell would take apart."""
    (tmp_path / "my words").mkdir()
    return tmp_path / "my words" / "dict.txt"


def refusal(file: Path, data: bytes, rules: Rules | None = None) -> str:
    file.write_bytes(data)
    with pytest.raises(DictionaryFormatError) as caught:
        load_file(file, rules=rules or Rules())
    return str(explained(caught.value, file))


def follow(advice: str, file: Path) -> dict[str, str]:
    """The entries that come of the command that the advice ends with."""
    command = (
        advice.partition("it looks like ")[2].partition(": ")[2].partition("; dictionary.max_skipped")[0]
    )
    if command.startswith("netechoctl dict import "):
        (source,) = shlex.split(command)[3:]
        made = file.with_name("made.tsv")
        imported(Path(source), made)
        edition = load_file(made, rules=Rules(format="tsv"))
    else:
        subprocess.run(["bash", "-c", command], check=True)
        edition = load_file(file.with_name("dict.txt.new"))
    return {word.decode(): meaning.decode() for word, meaning in edition.items()}


@pytest.mark.parametrize(
    ("encoding", "name"),
    [
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16LE"),
        ("utf-16-be", "UTF-16BE"),
        ("utf-32", "UTF-32"),
        ("utf-32-le", "UTF-32LE"),
        ("utf-32-be", "UTF-32BE"),
        ("gbk", "GB18030"),
        ("gb2312", "GB18030"),
        ("gb18030", "GB18030"),
    ],
)
@pytest.mark.parametrize("before", ["", "# ASCII alone\n" * 6000], ids=["first", "late"])
def test_an_encoding_is_named_by_which_the_file_can_be_converted(
    file: Path, encoding: str, name: str, before: str
) -> None:
    rare = "rare:㐀䶵\n" if encoding == "gb18030" else ""
    advice = refusal(file, (before + LINES + rare).encode(encoding))
    assert f"it looks like {name}" in advice
    assert f"iconv -f {name} -t UTF-8 '{file}' > '{file}'.new" in advice
    assert follow(advice, file) == WORDS | ({"rare": "㐀䶵"} if rare else {})


def test_a_big_endian_file_with_a_mark_is_named(file: Path) -> None:
    assert follow(refusal(file, b"\xfe\xff" + LINES.encode("utf-16-be")), file) == WORDS


def test_big5_is_told_from_gbk(file: Path) -> None:
    advice = refusal(file, TRADITIONAL.encode("big5"))
    assert "it looks like BIG5: " in advice
    assert follow(advice, file)["country"] == "國家的歷史"


def test_words_of_western_europe_are_told_from_chinese(file: Path) -> None:
    advice = refusal(file, "café:coffee\nnaïve:simple\nmüller:miller\n".encode("cp1252"))
    assert follow(advice, file) == {"café": "coffee", "naïve": "simple", "müller": "miller"}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (LINES.encode() + b"bad:\xff\n", "most of it is UTF-8: mend that line"),
        (LINES.encode() + b"bad:\0\n", "most of it is UTF-8: mend that line"),
        (LINES.encode("utf-16")[:-1], "no encoding is known"),
        (b"a:\xff\xff\x80\n", "no encoding is known"),
    ],
    ids=["one byte", "one nul", "cut", "garbage"],
)
def test_where_no_conversion_works_none_is_advised(file: Path, data: bytes, told: str) -> None:
    advice = refusal(file, data)
    assert told in advice
    assert "iconv" not in advice


@pytest.mark.parametrize(
    ("pack", "name"),
    [(gzip.compress, "gzip"), (bz2.compress, "bzip2"), (lzma.compress, "xz")],
)
def test_a_compressed_file_is_to_be_unpacked(file: Path, pack: Callable[[bytes], bytes], name: str) -> None:
    advice = refusal(file, pack(LINES.encode()))
    assert f"it looks like a file compressed by {name}: " in advice
    assert follow(advice, file) == WORDS


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\x28\xb5\x2f\xfd\x04\x88", "a file compressed by zstd"),
        (b"PK\x03\x04\x14\0", "a zip archive"),
        (b"SQLite format 3\0\x10", "an SQLite database"),
        (b"\x7fELF\x02\x01\x01\0", "a program"),
        (b"<!DOCTYPE html>\n<title>words</title>\n", "a web page"),
        (b'<?xml version="1.0"?>\n<words/>\n', "XML"),
        (b"StarDict's dict ifo file\nversion=2.4.2\n", "a dictionary of StarDict"),
        (b"word,phonetic,definition,translation\na,,x,y\n", "ECDICT's CSV"),
        ("中國 中国 [Zhong1 guo2] /China/\n苹果 苹果 [ping2 guo3] /apple/\n".encode(), "CC-CEDICT"),
        (b"abash\tBmI\tBY\nabate\tCdE\tBo\n", "an index of dictd"),
    ],
)
def test_a_file_is_named_by_how_it_begins(head: bytes, name: str) -> None:
    found = format_of(head)
    assert found is not None
    assert found.name == name


def test_lines_of_key_and_value_are_known() -> None:
    assert format_of(LINES.encode()[:60]) is KEY_VALUE
    assert format_of(b"") is None


def as_csv(delimiter: str) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(WORDS.items())
    return text.getvalue()


FORMATS = {
    "csv": as_csv(","),
    "csv by semicolons": as_csv(";"),
    "json": json.dumps(WORDS, ensure_ascii=False, indent=1),
    "full-width colons": LINES.replace(":", "："),
    "equals signs": LINES.replace(":", " = "),
    "bars": LINES.replace(":", " | "),
    "spaces": LINES.replace(":", "      "),
    "one space": LINES.replace(":", " "),
    "dashes": LINES.replace(":", " - "),
    "tabs": LINES.replace(":", "\t"),
    "full-width commas": LINES.replace(":", "，"),
    "ECDICT": "word,phonetic,definition,translation\n" + "".join(f"{w},,,{m}\n" for w, m in WORDS.items()),
}


@pytest.mark.parametrize("text", FORMATS.values(), ids=FORMATS)
def test_a_file_of_another_format_is_made_one_of_ours_by_the_command_that_is_advised(
    file: Path, text: str
) -> None:
    assert follow(refusal(file, text.encode()), file) == WORDS


def test_cc_cedict_is_made_one_of_ours_by_the_command_that_is_advised(file: Path) -> None:
    text = "".join(f"{word} {word} [ci2] /{meaning}/\n" for word, meaning in WORDS.items())
    made = follow(refusal(file, text.encode()), file)
    assert made == {word: f"[ci2]\n{meaning}" for word, meaning in WORDS.items()}


@pytest.mark.parametrize(
    "line",
    [
        "{0}\tn. {1}: 3:1",
        "{0},{1}:x",
        "{0}={1} http://x",
        '"{0}": "{1}",',
        "{0}    see: {1}",
        "<b>{0}</b>: {1}",
    ],
)
def test_lines_of_another_format_are_no_entries_because_they_have_a_colon(file: Path, line: str) -> None:
    text = "".join(line.format(*entry) + "\n" for entry in WORDS.items()).encode()
    assert "41 words have a tab, a quote or another separator inside" in refusal(file, text)
    assert refusal(file, text).endswith("; dictionary.max_skipped = 1 has it loaded all the same")
    assert load_file(file, rules=Rules(max_skipped=1))


@pytest.mark.parametrize("text", ["\r".join(LINES.split("\n")), "a:b c:d e:f g:h", "a:1;b:2;c:3\n"])
def test_many_entries_in_one_line_are_not_one_entry(file: Path, text: str) -> None:
    assert str(file) in refusal(file, text.encode())


def test_a_well_kept_list_with_stray_lines_is_loaded(file: Path) -> None:
    file.write_text("# my words\n\n" + LINES + "a stray line\nanother one\n\nsaid, he:是\n", encoding="utf-8")
    edition = load_file(file)
    assert (len(edition), edition.skipped) == (len(WORDS) + 1, 2)


def test_the_share_is_the_operators_choice(file: Path) -> None:
    text = (LINES + "stray\n" * 10).encode()
    assert "10 of 51 lines are no entries; " in refusal(file, text, Rules(max_skipped=0.1))
    assert len(load_file(file, rules=Rules(max_skipped=0.2))) == len(WORDS)


def test_a_file_that_is_gone_by_then_is_refused_without_advice(file: Path) -> None:
    error = DictionaryFormatError("dict.txt:1: not UTF-8", hint="hint")
    assert isinstance(explained(error, file), DictionaryError)
    assert str(explained(error, file)) == "dict.txt:1: not UTF-8; hint"
