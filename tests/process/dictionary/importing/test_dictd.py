"""dictd's dictionaries: made by our writer, and by the programs that make them for dictd."""

import gzip
import subprocess
from pathlib import Path

import pytest
from support.foreign_dictionaries import base64_digits, imported, write_dictd

from netechod.errors import DictionaryError
from netechod.process.dictionary.importing.dictd import number_of


@pytest.mark.parametrize("number", [0, 1, 63, 64, 4095, 4096, 123_456_789, (1 << 60) - 1])
def test_numbers_are_base64_digits_with_the_highest_first(number: int) -> None:
    assert number_of(base64_digits(number).encode()) == number


@pytest.mark.parametrize("digits", [b"", b"A=", b"A A", b"-", b"B" * 11, "É".encode()])
def test_what_is_no_number_is_refused(digits: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (whatever it says)
        number_of(digits)


def test_words_of_one_text_share_a_line_and_homographs_are_merged(tmp_path: Path) -> None:
    index = write_dictd(
        tmp_path / "tiny",
        [
            (["colour", "color"], "a property of light\n"),
            (["bank"], "a house\n"),
            (["bank"], "a river side\n"),
        ],
    )
    made = imported(index, tmp_path / "out.tsv")
    assert made.words == {
        "colour": "a property of light",
        "color": "a property of light",
        "bank": "a house\n\na river side",
    }
    assert b"color|colour\t" in (tmp_path / "out.tsv").read_bytes()
    assert "3 words" in made.told[0]
    assert "1 merged" in made.told[0]


def test_the_first_line_of_a_text_spells_the_word_and_is_dropped_if_it_says_nothing_else(
    tmp_path: Path,
) -> None:
    index = write_dictd(
        tmp_path / "tiny",
        [
            (["essen"], "Essen /ˈɛsn̩/ <n>\nfood\n"),
            (["at t"], "AT&T\n   a company\n\t since 1885\n"),
            (["apple"], "apple\n"),
        ],
    )
    assert imported(index, tmp_path / "out.tsv").words == {
        "Essen": "Essen /ˈɛsn̩/ <n>\nfood",
        "AT&T": "a company\n      since 1885",
        "at t": "a company\n      since 1885",
        "apple": "apple",
    }


def test_headers_say_what_the_dictionary_is_and_are_no_words(tmp_path: Path) -> None:
    headers = {
        "short": "00-database-short\n     A Tiny Dictionary\n",
        "info": "00-database-info\nBy nobody.\n\nThis text is in the public domain.\n",
        "utf8": "\n",
    }
    index = write_dictd(tmp_path / "tiny", [(["a"], "b\n")], headers)
    made = imported(index, tmp_path / "out.tsv")
    assert made.words == {"a": "b"}
    assert made.head["name"] == "A Tiny Dictionary"
    assert made.head["licence"] == "This text is in the public domain."
    assert made.head["information"].startswith("By nobody.\n\nThis")
    assert "licence: This text is in the public domain." in made.told


def test_the_older_spelling_of_headers_is_known_and_other_names_of_them(tmp_path: Path) -> None:
    index = write_dictd(tmp_path / "tiny", [(["00databaseshort", "00-tiny-short"], "Tiny\n"), (["a"], "b\n")])
    made = imported(index, tmp_path / "out.tsv")
    assert (made.head["name"], made.words) == ("Tiny", {"a": "b"})


def test_the_fourth_column_is_the_word_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "x.index").write_text("einsteinium\tA\tE\tEinsteinium!\n")
    (tmp_path / "x.dict").write_text("Es \n")
    assert imported(tmp_path / "x.index", tmp_path / "out.tsv").words == {"Einsteinium!": "Es"}


def test_html_becomes_text(tmp_path: Path) -> None:
    headers = {"mime-header": "00-database-mime-header\nContent-type: text/html; charset=utf-8\n\n"}
    index = write_dictd(tmp_path / "x", [(["a"], "<b>one</b><br/>two &amp; three")], headers)
    assert imported(index, tmp_path / "out.tsv").words == {"a": "one\ntwo & three"}


def test_an_8_bit_dictionary_is_refused_with_what_to_do(tmp_path: Path) -> None:
    index = write_dictd(tmp_path / "x", [(["a"], "b\n")], {"8bit-new": "\n"})
    with pytest.raises(DictionaryError, match="8-bit character set; convert"):
        imported(index, tmp_path / "out.tsv")


def test_a_text_that_is_not_utf8_is_skipped_by_line(tmp_path: Path) -> None:
    (tmp_path / "x.index").write_bytes(b"a\tA\tB\nb\tB\tB\n")
    (tmp_path / "x.dict").write_bytes(b"\xffy")
    made = imported(tmp_path / "x.index", tmp_path / "out.tsv")
    assert made.words == {"b": "y"}
    assert f"{tmp_path}/x.index:1: not UTF-8; skipped" in made.told


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (b"a\tA\n", "x.index:1: not a line of an index"),
        (b"a A B\n", "x.index:1: not a line of an index"),
        (b"a\tA\tB", "x.index:1: not a line of an index"),
        (b"a\tA\t=\n", "x.index:1: not a line of an index"),
        (b"a\tA\tC\n", "ends at 1: it is cut short"),
        (b"a\t//////////\tB\n", "ends at 1: it is cut short"),
        (b"a\tA\t//////////\n", "a text of 1152921504606846975 bytes"),
        (b"", "holds no entry at all"),
        (b"\tA\tB\n", "holds no entry at all; .*x.index:1: no word"),
    ],
)
def test_a_malformed_index_is_refused(tmp_path: Path, row: bytes, why: str) -> None:
    (tmp_path / "x.index").write_bytes(row)
    (tmp_path / "x.dict").write_bytes(b"y")
    with pytest.raises(DictionaryError, match=why):
        imported(tmp_path / "x.index", tmp_path / "out.tsv")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["x.dict", "x.index"]


def test_an_index_without_texts_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.index").write_bytes(b"a\tA\tB\n")
    with pytest.raises(DictionaryError, match=r"x\.dict\.dz: no such file, and no x\.dict"):
        imported(tmp_path / "x.index", tmp_path / "out.tsv")


def test_a_licence_is_told_from_the_beginning_of_its_sentence(tmp_path: Path) -> None:
    about = {"info": "00-database-info\nBy nobody.\n\nYou may copy\nit under the terms of the GNU licence.\n"}
    made = imported(write_dictd(tmp_path / "tiny", [(["a"], "b\n")], about), tmp_path / "out.tsv")
    assert made.head["licence"] == "You may copy it under the terms of the GNU licence."


def test_what_dictfmt_and_dictzip_make_is_read(tmp_path: Path) -> None:
    entries = {"apple": "苹果", "Ice Cream": "冰淇淋\n  Eis", "back\\slash": "x|y"}
    source = "".join(f":{word}:{meaning}\n" for word, meaning in entries.items())
    make = ["dictfmt", "-j", "--utf8", "-s", "Made By Dictfmt", "-u", "https://example.org/", "made"]
    subprocess.run(make, input=source.encode(), cwd=tmp_path, check=True, capture_output=True)
    plain = imported(tmp_path / "made.index", tmp_path / "plain.tsv")
    entries["backslash"] = entries["back\\slash"]  # as the index has it, and dictd finds it
    assert {word: " ".join(text.split()) for word, text in plain.words.items()} == {
        word: " ".join(text.split()) for word, text in entries.items()
    }
    assert plain.head["name"] == "Made By Dictfmt"
    subprocess.run(["dictzip", "made.dict"], cwd=tmp_path, check=True, capture_output=True)
    assert imported(tmp_path / "made.dict.dz", tmp_path / "packed.tsv").words == plain.words
    data = gzip.decompress((tmp_path / "made.dict.dz").read_bytes())
    (tmp_path / "made.dict.dz").write_bytes(gzip.compress(data))  # without dictzip's table of chunks
    assert imported(tmp_path / "made", tmp_path / "gzip.tsv").words == plain.words
