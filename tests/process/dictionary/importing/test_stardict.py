"""StarDict's dictionaries in all their variants."""

from pathlib import Path

import pytest
from support.foreign_dictionaries import imported, write_stardict

from netechod.errors import DictionaryError

ENTRIES = [("apple", "苹果".encode()), ("bank", b"a house"), ("bank", b"a river side")]
WORDS = {"apple": "苹果", "bank": "a house\n\na river side"}


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("packed", [False, True])
def test_offsets_have_32_or_64_bits_and_files_may_be_packed(tmp_path: Path, bits: int, packed: bool) -> None:
    ifo = write_stardict(tmp_path / "x", ENTRIES, bits=bits, packed=packed)
    made = imported(ifo, tmp_path / "out.tsv")
    assert made.words == WORDS
    assert made.head["name"] == "Tiny"


def test_synonyms_are_further_words_of_an_entry(tmp_path: Path) -> None:
    ifo = write_stardict(tmp_path / "x", ENTRIES, synonyms=[("Apfel", 0), ("shore", 2)])
    assert imported(ifo, tmp_path / "out.tsv").words == {**WORDS, "Apfel": "苹果", "shore": "a river side"}


def test_any_of_the_files_names_the_dictionary_and_so_does_their_directory(tmp_path: Path) -> None:
    directory = tmp_path / "dictionary"
    directory.mkdir()
    write_stardict(directory / "x.y", ENTRIES, packed=True)
    for name in ("x.y.ifo", "x.y.idx.gz", "x.y.dict.dz", "x.y", "."):
        assert imported(directory / name, tmp_path / "out.tsv").words == WORDS
    write_stardict(directory / "z", ENTRIES)
    with pytest.raises(DictionaryError, match=r"a directory with x\.y\.ifo, z\.ifo; name one file"):
        imported(directory, tmp_path / "out.tsv")


@pytest.mark.parametrize(
    ("sequence", "data", "meaning"),
    [
        ("tm", b"\xc3\xa6pl\0fruit", "[æpl]\nfruit"),
        ("mt", b"fruit\0\xc3\xa6pl", "fruit\n[æpl]"),
        ("mW", b"fruit\0RIFF", "fruit"),
        ("Wm", b"\0\0\0\4RIFFfruit", "fruit"),
        ("g", b"<b>a</b> &lt;n&gt;<br>two", "a <n>\ntwo"),
        ("h", b"<ul><li>one</li><li>two</li></ul>", "one\n\ntwo"),
        ("x", b"<k>apple</k>\n<c>fruit</c>", "fruit"),
        ("k", b"<CK><![CDATA[fruit]]></CK>", "fruit"),
        ("rm", b"img:apple.png\0fruit", "fruit"),
        ("", b"t\xc3\xa6pl\0mfruit\0", "[æpl]\nfruit"),
        ("", b"mfruit", "fruit"),
        ("", b"W\0\0\0\4RIFFmfruit\0P\0\0\0\0", "fruit"),
    ],
)
def test_texts_are_sequences_of_parts(tmp_path: Path, sequence: str, data: bytes, meaning: str) -> None:
    ifo = write_stardict(tmp_path / "x", [("apple", data)], sequence=sequence)
    assert imported(ifo, tmp_path / "out.tsv").words == {"apple": meaning}


@pytest.mark.parametrize(
    ("sequence", "data"),
    [("tm", b"no end"), ("Wm", b"\0\0\1\0RIFF"), ("", b"W\0\0"), ("", b"W\xff\xff\xff\xffx")],
)
def test_a_text_that_ends_in_a_part_is_skipped(tmp_path: Path, sequence: str, data: bytes) -> None:
    ifo = write_stardict(tmp_path / "x", [("apple", data)], sequence=sequence)
    with pytest.raises(DictionaryError, match=r"holds no entry at all; .*entry 1: the text ends in its part"):
        imported(ifo, tmp_path / "out.tsv")


def test_the_ifo_file_may_come_from_windows_and_be_wrong_about_the_words(tmp_path: Path) -> None:
    ifo = write_stardict(tmp_path / "x", ENTRIES)
    text = ifo.read_text(encoding="utf-8").replace("wordcount=3", "wordcount=9").replace("\n", "\r\n")
    ifo.write_bytes(b"\xef\xbb\xbf" + text.encode())
    made = imported(ifo, tmp_path / "out.tsv")
    assert made.words == WORDS
    assert f"{ifo}: wordcount=9, but there are 3 words" in made.told


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda base: Path(f"{base}.ifo").write_bytes(b"[x]\n"), "not a StarDict .ifo file"),
        (lambda base: Path(f"{base}.ifo").write_bytes(b""), "not a StarDict .ifo file"),
        (lambda base: Path(f"{base}.idx").unlink(), r"x\.idx: no such file"),
        (lambda base: Path(f"{base}.dict").unlink(), r"x\.dict\.dz: no such file"),
        (lambda base: Path(f"{base}.idx").write_bytes(b"x" * 70_000), "entry 1 has more than 65536 bytes"),
        (lambda base: Path(f"{base}.idx").write_bytes(b"x\0\0\0"), "ends in the middle of entry 1"),
        (lambda base: Path(f"{base}.idx").write_bytes(b"x\0" + b"\xff" * 8), "a text of 4294967295 bytes"),
        (
            lambda base: Path(f"{base}.syn").write_bytes(b"x\0\0\0\0\x03"),
            "a synonym of word 3, but there are 3",
        ),
        (lambda base: Path(f"{base}.dict").write_bytes(b"x"), "cut short"),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path: Path, change: object, why: str) -> None:
    ifo = write_stardict(tmp_path / "x", ENTRIES)
    change(tmp_path / "x")  # type: ignore[operator]
    with pytest.raises(DictionaryError, match=why):
        imported(ifo, tmp_path / "out.tsv", form="stardict")
    assert not (tmp_path / "out.tsv").exists()


def test_unknown_widths_and_sequences_are_refused(tmp_path: Path) -> None:
    ifo = write_stardict(tmp_path / "x", ENTRIES, facts="idxoffsetbits=16\n")
    with pytest.raises(DictionaryError, match="idxoffsetbits='16': only 32 and 64"):
        imported(ifo, tmp_path / "out.tsv")
    ifo = write_stardict(tmp_path / "x", ENTRIES, sequence="m1")
    with pytest.raises(DictionaryError, match="sametypesequence='m1': not letters"):
        imported(ifo, tmp_path / "out.tsv")
