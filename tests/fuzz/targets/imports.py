"""Foreign dictionaries: from any bytes, an import makes a whole dictionary, or says in a sentence why not."""

import gzip
from pathlib import Path

from fuzz.feed import Feed
from fuzz.target import scratch, target
from support.characters import is_harmless
from support.foreign_dictionaries import base64_digits, imported

from netechod.errors import DictionaryError
from netechod.process.dictionary.foreign.formats import format_of
from netechod.process.dictionary.importing.markup import plain

LIST_WORDS = tuple(
    text.encode()
    for text in ("a", "\t", "  ", "：", "，", "=", "|", "\\", "\n", "#", "##name\t", '"', "\ufeff", "苹果")
)


def check(form: str, files: dict[str, bytes]) -> None:
    """Import what the files hold; the first one is the source."""
    directory = scratch() / form
    directory.mkdir(exist_ok=True)
    for name, data in files.items():
        (directory / name).write_bytes(data)
    output = directory / "out.tsv"
    refusal = ""
    try:
        made = imported(directory / next(iter(files)), output, form)
    except DictionaryError as error:
        refusal = str(error)
        assert not output.exists()
    else:
        check_words(made.words)
        output.unlink()
    assert is_harmless(refusal)
    assert {file.name for file in directory.iterdir()} == set(files)
    for name in files:
        Path(directory, name).unlink()


def check_words(words: object) -> None:
    """What is imported can be shown."""
    assert isinstance(words, dict)
    assert words
    for word, meaning in words.items():
        assert word
        assert meaning
        assert is_harmless(word + meaning.replace("\n", ""))


@target([b"\tA\tB\n", b"00-database-short", b"00databaseinfo", b"-8bit", b"a", b"\t", b"/", b"\n", b"\xff"])
def dictd_import(feed: Feed) -> None:
    """A dictd index with places that exist and such that do not."""
    texts = feed.piece(60)
    if feed.number(3):
        rows = [feed.piece(6), b"a", b"A"][: 1 + feed.number(2)]
        index = b"".join(b"%b\t%b\t%b\n" % (row, place(feed), place(feed)) for row in rows)
    else:
        index = feed.rest()
    check("dictd", {"x.index": index, "x.dict": gzip.compress(texts) if feed.number(1) else texts})


def place(feed: Feed) -> bytes:
    """A number that is rarely out of bounds."""
    return base64_digits(feed.number(20) if feed.number(7) else feed.number(1 << 59)).encode()


IFO = b"StarDict's dict ifo file\nversion=3.0.0\nbookname=x\n"


@target(
    [
        IFO,
        b"sametypesequence=tm\n",
        b"idxoffsetbits=64\n",
        b"a\0\0\0\0\0\0\0\0\1",
        b"m",
        b"W",
        b"\0",
        b"<b>",
        b"&#27;",
    ]
)
def stardict_import(feed: Feed) -> None:
    """A StarDict dictionary: its facts, its indexes, and its sequences of parts."""
    known = feed.pick([b"sametypesequence=tm\n", b"sametypesequence=h\n", b"idxoffsetbits=64\n", b""])
    texts, synonyms = feed.piece(40), feed.piece(12)
    rows = b"".join(b"a%d\0" % n + feed.number(9).to_bytes(4) + feed.number(40).to_bytes(4) for n in range(3))
    files = {
        "x.ifo": IFO + known if feed.number(3) else feed.piece(80),
        "x.idx": rows if feed.number(2) else feed.rest(),
        "x.dict": texts,
        "x.syn": synonyms,
    }
    check("stardict", files)


@target(
    [b"word,phonetic,definition,translation\n", b"a,b,c,d\n", b'"', b'""', b",", b"\n", b"\r", b"\\n", b"\0"],
    seeds=[b'word,phonetic,definition,translation\na,,"b ""c"", d",e\n'],
)
def ecdict_import(feed: Feed) -> None:
    """ECDICT's csv."""
    check("ecdict", {"x.csv": feed.rest()})


@target(
    [*LIST_WORDS, "傳統 传统 [chuan2] /a/b/\n".encode(), "行 行 [[xing2]] /a/\n".encode(), b"#! license=x\n"]
)
def cedict_import(feed: Feed) -> None:
    """CC-CEDICT in both forms."""
    check("cedict", {"x.u8": feed.rest()})


@target(LIST_WORDS, seeds=["##name\tx\napple|b\t苹果\\n\\tc\n".encode(), b"a  b\nc  d\n"])
def list_import(feed: Feed) -> None:
    """Lists with any separator, packed or not; what is written says the same when it is read again."""
    form = feed.pick(
        ["tsv", "csv", "semicolon", "colon", "comma", "equals", "bar", "dash", "spaces", "space"]
    )
    data = feed.rest()
    check(form, {"x": data})
    check(form, {"x": gzip.compress(data)})


@target([b"<k>", b"</k>", b"<br/>", b"<", b">", b"&amp;", b"&#x1b;", b"<![CDATA[", b"]]>", b"\n"])
def import_markup(feed: Feed) -> None:
    """A text loses its mark-up, and nothing is added to it but line breaks and characters for entities."""
    text = feed.text()
    if "<" not in text and "&" not in text and "\n" not in text and "]]>" not in text:
        assert plain(text) == text
    assert len(plain(text)) <= 2 * len(text)


@target(
    [*LIST_WORDS, b"SQLite format 3\0", b"\x1f\x8b\x08\4", b"\xff\xfe", b"\xd6\xd0\xce\xc4", b"\0\0\0\0", IFO]
)
def import_guess(feed: Feed) -> None:
    """Any beginning of a file is named, with a command for the shell, or not."""
    head = feed.rest()
    found = format_of(head)
    if found is not None:
        assert found.name
        assert not found.remedy("x y") or "'x y'" in found.remedy("x y")
        assert not (found.importer and found.command)
