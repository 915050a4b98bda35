"""What a file looks like by its first kilobytes, and the command that makes a dictionary of it.

Nothing here opens a file or loads much: the daemon asks when it refuses a dictionary.
"""

import re
import shlex
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, utf_8_decode
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

HEAD = 64 * 1024  # bytes that are enough to judge a file by
SAMPLE = 500  # lines that are judged
LINE = 1000  # characters of a line that are judged

KEY_VALUE = "lines"  # the daemon's own format: lines of key:value
CEDICT_LINE = re.compile(r"(\S+) (\S+) \[(\[?[^\[\]]*\]?)\] /(.*)/\s*")
"""traditional, simplified, [pin1 yin1] or [[pin1yin1]], /senses/ (cc-cedict.org/wiki/format:syntax)."""

IMPORT = "netechoctl dict import {file}"
PYGLOSSARY = "pyglossary {file} {file}.tsv --write-format=Tabfile"


@dataclass(frozen=True)
class Guess:
    """What a file looks like, in words; the reader for it, if that is known; and a command to run."""

    kind: str
    format: str = ""
    template: str = IMPORT

    def command(self, file: str) -> str:
        """The line to run for `file`, quoted for a shell."""
        return self.template.format(file=shlex.quote(file))


MAGIC: tuple[tuple[bytes, Guess], ...] = (
    (b"SQLite format 3\0", Guess("an SQLite database", "ecdict")),
    (b"PK\3\4", Guess("a zip archive", template="unzip {file}")),
    (b"BZh", Guess("a file compressed by bzip2", template="bunzip2 {file}")),
    (b"\xfd7zXZ\0", Guess("a file compressed by xz", template="unxz {file}")),
    (b"\x28\xb5\x2f\xfd", Guess("a file compressed by zstd", template="unzstd {file}")),
    (b"StarDict's dict ifo file", Guess("a StarDict dictionary's .ifo file", "stardict")),
    (BOM_UTF8 + b"StarDict's dict ifo file", Guess("a StarDict dictionary's .ifo file", "stardict")),
    (b"#NAME", Guess("a Lingvo DSL dictionary", template=PYGLOSSARY)),
)
TAR = Guess("a tar archive", template="tar -xf {file}")
GZIP = Guess("a file compressed by gzip")
DICTZIP = Guess("a file compressed by dictzip")
MDX = Guess("an MDict dictionary", template=PYGLOSSARY)
DSL = Guess("a Lingvo DSL dictionary", template=PYGLOSSARY)
UTF_16 = Guess("UTF-16 text", template="iconv -f UTF-16 -t UTF-8 {file} > {file}.utf8")
UTF_16LE = Guess("UTF-16LE text", template="iconv -f UTF-16LE -t UTF-8 {file} > {file}.utf8")
UTF_16BE = Guess("UTF-16BE text", template="iconv -f UTF-16BE -t UTF-8 {file} > {file}.utf8")
GB18030 = Guess("GB18030 (GBK) text", template="iconv -f GB18030 -t UTF-8 {file} > {file}.utf8")
STARDICT_INDEX = Guess("a StarDict dictionary's .idx file", "stardict")
DICTD_INDEX = Guess("a dictd index", "dictd")
CEDICT = Guess("CC-CEDICT", "cedict")
ECDICT = Guess("ECDICT's csv", "ecdict")
SEPARATORS = {
    "\t": Guess("tab-separated lines", "tsv"),
    "：": Guess("lines with a full-width colon between word and meaning", "colon"),
    "，": Guess("lines with a full-width comma between word and meaning", "comma"),
    "=": Guess("lines with an equals sign between word and meaning", "equals"),
    " ": Guess("lines with several spaces between word and meaning", "spaces"),
    ",": Guess("comma-separated values (csv)", "csv"),
    ":": Guess("lines of key:value", KEY_VALUE),
}

# The word, an offset and a length in base64 digits, and perhaps the word as it was (dictfmt(1)).
_DICTD_LINE = re.compile(r"[^\t]*\t[A-Za-z0-9+/]{1,10}\t[A-Za-z0-9+/]{1,5}(\t.*)?")
_DICTD_HEADER = re.compile(r"00-?database")
# A word, NUL, the offset of the first text, 0 in 4 or 8 bytes, and a length of less than 16 MiB.
_STARDICT_START = re.compile(rb"[^\0-\x1f]{1,255}\0\0{4}(\0{4})?\0[^\0]*")
# Two bytes a character as in GB2312's first level of Chinese characters, and anything of GB18030.
_GB_COMMON = re.compile(rb"[\xb0-\xd7][\xa1-\xfe]")
_GB_ANY = re.compile(rb"[\x81-\xfe](?:[\x40-\x7e\x80-\xfe]|[0-9][\x81-\xfe][0-9])")
_SEPARATOR = re.compile(r"\S(?:\s{0,99}([:：，=＝,])|[ \u3000]{2}|\u3000)\s{0,99}\S")


def looks_like(head: bytes) -> Guess | None:
    """What a file that begins like this is; None where it could be anything, or lines of key:value."""
    found = recognise(head)
    return None if found is not None and found.format == KEY_VALUE else found


def recognise(head: bytes) -> Guess | None:
    """The same, and lines of key:value are recognised too."""
    head = head[:HEAD]
    if (found := _by_magic(head) or _utf16(head)) is not None:
        return found
    try:
        text, _ = utf_8_decode(head.removeprefix(BOM_UTF8), "strict", False)  # the last character may be cut
    except UnicodeDecodeError:
        return STARDICT_INDEX if _STARDICT_START.match(head) else _legacy(head)
    if "\0" in text:
        return STARDICT_INDEX if _STARDICT_START.match(head) else None
    return _by_lines(text)


def _by_magic(head: bytes) -> Guess | None:
    if head.startswith(b"\x1f\x8b"):  # with the extra field RA, it is dictzip's (dictzip(1))
        return DICTZIP if head[3:4] == b"\4" and head[12:14] == b"RA" else GZIP
    if head[257:262] == b"ustar":
        return TAR
    if b"<\0D\0i\0c\0t\0i\0o\0n\0a\0r\0y" in head[:64]:
        return MDX
    return next((guess for magic, guess in MAGIC if head.startswith(magic)), None)


def _utf16(head: bytes) -> Guess | None:
    """UTF-16 by its mark, or because one byte of two is NUL in most of the text."""
    if head.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return DSL if b"#\0N\0A\0M\0E" in head[:12] else UTF_16
    even, odd, half = head[::2].count(0), head[1::2].count(0), len(head) // 2
    if odd > half // 2 and not even:
        return UTF_16LE
    if even > half // 2 and not odd:
        return UTF_16BE
    return None


def _legacy(head: bytes) -> Guess | None:
    """GB18030, if nothing but its characters is there, and most of them are common ones."""
    plain = head.translate(None, bytes(range(0x80)))
    characters = len(_GB_ANY.findall(head))
    left = _GB_ANY.sub(b"", head)[:-3]  # the last character may be cut
    common = len(_GB_COMMON.findall(head))
    return GB18030 if left.isascii() and plain and common * 2 > characters else None


def _by_lines(text: str) -> Guess | None:
    """A text's format, by what most of its lines have in common."""
    if text.startswith("word,phonetic,definition,translation,"):
        return ECDICT
    lines = list(_sample(text))
    if not lines:
        return None
    half = len(lines) / 2
    if _is_dictd_index(lines):
        return DICTD_INDEX
    if sum(CEDICT_LINE.fullmatch(line) is not None for line in lines) >= half:
        return CEDICT
    [(separator, votes)] = Counter(map(_separator_of, lines)).most_common(1)
    return SEPARATORS.get(separator) if votes >= half else None


def _sample(text: str) -> Iterator[str]:
    """Lines that are no comments and not blank; the last one may be cut, and is left out if it can be."""
    lines = text.split("\n")
    for line in lines[: max(1, min(SAMPLE, len(lines) - 1))]:
        if line.strip() and not line.startswith("#"):
            yield line.rstrip("\r")[:LINE]


def _is_dictd_index(lines: Sequence[str]) -> bool:
    """Whether it is one: tab-separated words may be base64 digits as well, so one of its headers is there."""
    return all(map(_DICTD_LINE.fullmatch, lines)) and any(map(_DICTD_HEADER.match, lines))


def _separator_of(line: str) -> str:
    """What stands between word and meaning; "" where nothing does.

    It is the separator that comes first. But a tab behind it is rather one, as phrases have commas;
    only a colon stays one, since in lines of key:value a tab may follow.
    """
    found = _SEPARATOR.search(line)
    separator = (found[1] or " ").replace("＝", "=") if found else ""
    return "\t" if "\t" in line.strip() and separator != ":" else separator
