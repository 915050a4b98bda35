"""Small dictionaries in foreign formats, and what an import makes of a source."""

import gzip
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from netechod.process.dictionary.importing.run import import_dictionary

DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


@dataclass(frozen=True)
class Imported:
    """The lines at the top of a dictionary, its words and their meanings, and what was said about it."""

    head: Mapping[str, str]
    words: Mapping[str, str]
    told: Sequence[str]


def imported(source: Path, output: Path, form: str = "", title: str = "") -> Imported:
    """Import a source and read what has become of it."""
    told = list(
        import_dictionary(source, form=form, output=output, title=title, progress=lambda what, share: None)
    )
    head, words = parsed(output.read_bytes())
    return Imported(head, words, told)


def parsed(data: bytes) -> tuple[dict[str, str], dict[str, str]]:
    """A Tabfile, in the plainest way."""
    head: dict[str, str] = {}
    words: dict[str, str] = {}
    assert data.endswith(b"\n")
    for line in data.decode().removesuffix("\n").split("\n"):
        left, tab, right = line.partition("\t")
        assert tab
        assert "\t" not in right
        if line.startswith("##"):
            assert not words
            head[left[2:]] = unescaped(right)
            continue
        for word in re.findall(r"(?:[^|\\]|\\.)+", left):
            assert unescaped(word) not in words
            words[unescaped(word)] = unescaped(right)
    return head, words


def unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: {"n": "\n", "t": "\t"}.get(found[1], found[1]), text)


def base64_digits(number: int) -> str:
    """A number as dictd writes it."""
    digits = ""
    while number or not digits:
        number, digit = divmod(number, 64)
        digits = DIGITS[digit] + digits
    return digits


def write_dictd(
    base: Path, entries: Iterable[tuple[Sequence[str], str]], headers: Mapping[str, str] | None = None
) -> Path:
    """Write an index and texts; returns the index."""
    rows, texts = [], b""
    for words, text in [
        *(((f"00-database-{name}",), text) for name, text in (headers or {}).items()),
        *entries,
    ]:
        data = text.encode()
        rows += [f"{word}\t{base64_digits(len(texts))}\t{base64_digits(len(data))}\n" for word in words]
        texts += data
    index = Path(f"{base}.index")
    index.write_text("".join(sorted(rows)), encoding="utf-8")
    Path(f"{base}.dict").write_bytes(texts)
    return index


def write_stardict(
    base: Path,
    entries: Sequence[tuple[str, bytes]],
    *,
    sequence: str = "m",
    bits: int = 32,
    synonyms: Sequence[tuple[str, int]] = (),
    facts: str = "",
    packed: bool = False,
) -> Path:
    """Write the three or four files; returns the `.ifo`."""
    index = texts = b""
    for word, data in entries:
        index += word.encode() + b"\0" + len(texts).to_bytes(bits // 8) + len(data).to_bytes(4)
        texts += data
    ifo = Path(f"{base}.ifo")
    lines = [
        "StarDict's dict ifo file",
        "version=3.0.0",
        "bookname=Tiny",
        f"wordcount={len(entries)}",
        f"idxfilesize={len(index)}",
        *([f"idxoffsetbits={bits}"] if bits != 32 else []),
        *([f"sametypesequence={sequence}"] if sequence else []),
    ]
    ifo.write_text("\n".join(lines) + "\n" + facts, encoding="utf-8")
    Path(f"{base}.idx{'.gz' * packed}").write_bytes(gzip.compress(index) if packed else index)
    Path(f"{base}.dict{'.dz' * packed}").write_bytes(gzip.compress(texts) if packed else texts)
    if synonyms:
        rows = (word.encode() + b"\0" + number.to_bytes(4) for word, number in synonyms)
        Path(f"{base}.syn").write_bytes(b"".join(rows))
    return ifo
