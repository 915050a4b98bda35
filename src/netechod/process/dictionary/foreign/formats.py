"""Formats of dictionaries, told by the first bytes of a file, and what makes a dictionary of each."""

import re
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from shlex import quote

HEAD = 64 * 1024  # bytes of a file that are looked at
MAX_LINES = 300  # of the head that are looked at
MAX_LINE = 120  # characters of a line that are looked at: a match may take the square of them
MOST = 0.5  # the share of lines that have the form of a format
NEARLY_ALL = 0.9  # the share of lines of an index that are so short that their form is seen

GZIP = b"\x1f\x8b"
IMPORT = "netechoctl dict import {file}"
PYGLOSSARY = "pyglossary {file} {file}.tsv --write-format=Tabfile"
JSON = (
    "python3 -c 'import json, sys; [print(*entry, sep=\":\") for entry in json.load(sys.stdin).items()]'"
    " < {file} > {file}.new"
)
CEDICT_LINE = re.compile(r"(\S+) (\S+) \[(\[?[^\[\]]*\]?)\] /(.*)/\s*")
"""traditional, simplified, [pin1 yin1] or [[pin1yin1]], /senses/ (cc-cedict.org/wiki/format:syntax)."""


@dataclass(frozen=True)
class Format:
    """A format, and what to do with a file of it."""

    name: str
    """What the file looks like, for "it looks like ..."."""
    importer: str = ""
    """The name by which `netechoctl dict import` knows it; empty where it does not."""
    command: str = ""
    """Another command of the shell with `{file}` in it; empty where none is known."""

    def remedy(self, file: str) -> str:
        """What to do, behind the name of the format; empty where nothing is known."""
        command = IMPORT if self.importer else self.command
        return f": {command.replace('{file}', quote(file))}" if command else ""


KEY_VALUE = Format("lines of key:value")
STARDICT = b"StarDict's dict ifo file"
IFO = Format("a dictionary of StarDict", "stardict")
MAGIC: Sequence[tuple[bytes, Format]] = (
    (GZIP, Format("a file compressed by gzip", "", "gunzip < {file} > {file}.new")),
    (b"BZh", Format("a file compressed by bzip2", "", "bunzip2 < {file} > {file}.new")),
    (b"\xfd7zXZ\0", Format("a file compressed by xz", "", "unxz < {file} > {file}.new")),
    (b"\x28\xb5\x2f\xfd", Format("a file compressed by zstd", "", "unzstd < {file} > {file}.new")),
    (b"\x04\x22\x4d\x18", Format("a file compressed by lz4", "", "lz4 -dc < {file} > {file}.new")),
    (b"\x1f\x9d", Format("a file compressed by compress", "", "gunzip < {file} > {file}.new")),
    (b"PK\x03\x04", Format("a zip archive", "", "unzip -p {file} > {file}.new")),
    (b"7z\xbc\xaf\x27\x1c", Format("a 7z archive", "", "7z e -so {file} > {file}.new")),
    (b"Rar!", Format("a rar archive")),
    (b"SQLite format 3\0", Format("an SQLite database", "ecdict")),
    (b"%PDF-", Format("a PDF document")),
    (b"\x7fELF", Format("a program")),
    (b"\x89PNG", Format("a picture")),
    (b"\xff\xd8\xff", Format("a picture")),
    (b"\xd0\xcf\x11\xe0", Format("a document of an old Office program")),
    (b"{\\rtf", Format("an RTF document")),
    (STARDICT, IFO),
    (BOM_UTF8 + STARDICT, IFO),
)
DSL = Format("a dictionary of Lingvo (DSL)", "", PYGLOSSARY)
PATTERNS: Sequence[tuple[re.Pattern[bytes], Format]] = (
    # A gzip with the extra field RA (dictzip(1)). MAGIC knows any other one.
    (
        re.compile(rb"\x1f\x8b.\x04.{8}RA", re.DOTALL),
        Format("texts of dictd, compressed by dictzip", "dictd"),
    ),
    (re.compile(rb".{257}ustar", re.DOTALL), Format("a tar archive", "", "tar -xf {file}")),
    (
        re.compile(rb".{4}<\0D\0i\0c\0t\0i\0o\0n\0", re.DOTALL),
        Format("a dictionary of MDict", "", PYGLOSSARY),
    ),
    (re.compile(rb"#NAME|\xff\xfe#\0N\0A\0M\0E\0|\xfe\xff\0#\0N\0A\0M\0E"), DSL),
    # A word, NUL, the offset of the first text, 0 in 4 or 8 bytes, and a length of less than 16 MiB.
    (re.compile(rb"[^\0-\x1f]{1,255}\0\0{4}(\0{4})?\0"), Format("an index of StarDict", "stardict")),
)
"""Formats that more than the first bytes tell. They are asked before MAGIC."""

Test = Callable[[str, Sequence[str]], bool]
"""Whether a text, and its lines, are of a format."""


def _lines_like(pattern: str | re.Pattern[str]) -> Test:
    """A test whether most lines of a text have a form."""
    form = re.compile(pattern)

    def is_like(text: str, lines: Sequence[str]) -> bool:
        return sum(map(bool, map(form.search, lines))) > MOST * len(lines)

    return is_like


def _begins_with(pattern: str) -> Test:
    """A test whether a text begins in a way."""
    form = re.compile(pattern, re.IGNORECASE)
    return lambda text, lines: form.match(text) is not None


# A word, and an offset and a length in base64 digits, and perhaps the word as it was (dictfmt(1)).
_DICTD_LINE = re.compile(r"[^\t]*\t([A-Za-z0-9+/]{1,10})\t[A-Za-z0-9+/]{1,4}(\t.*)?\s*")


def _is_dictd_index(text: str, lines: Sequence[str]) -> bool:
    """Whether the lines are an index. Words are base64 digits, too, but they repeat or have no capitals."""
    found = [_DICTD_LINE.fullmatch(line) for line in lines]
    offsets = [line[1] for line in found if line]
    if len(offsets) < NEARLY_ALL * len(lines):
        return False
    is_named = any(line.startswith(("00-database", "00database")) for line in lines)
    return is_named or (len(set(offsets)) == len(offsets) and not all(map(str.islower, offsets)))


def _by(separator: str, importer: str) -> Format:
    return Format(f"words and meanings separated by {separator}", importer)


TEXTS: Sequence[tuple[Test, Format]] = (
    (_begins_with(r"\s*(<!doctype html|<html)"), Format("a web page")),
    (_begins_with(r"\s*<[?!\w]"), Format("XML")),
    (_begins_with(r"\s*\{\s*\"[^\"]*\"\s*:"), Format("JSON", "", JSON)),
    (_begins_with(r"\s*\[\s*[\[{\"]"), Format("JSON")),
    (_begins_with(r"word,phonetic,definition,"), Format("ECDICT's CSV", "ecdict")),
    (_lines_like(r"^\S+ \S+ \[[^\]]*\]{1,2} /"), Format("CC-CEDICT", "cedict")),
    (_is_dictd_index, Format("an index of dictd", "dictd")),
    (_begins_with(r"##\w+\t"), _by("tabs", "tsv")),
)
SEPARATORS: Mapping[str, Format] = {
    ":": KEY_VALUE,
    "\t": _by("tabs", "tsv"),
    "：": _by("a full-width colon", "colon"),
    "，": _by("a full-width comma", "comma"),
    "=": _by("'='", "equals"),
    "＝": _by("'='", "equals"),
    "|": _by("'|'", "bar"),
    "-": _by("a dash", "dash"),
    "\u3000": _by("spaces", "spaces"),
    "  ": _by("spaces", "spaces"),
    " ": _by("a space", "space"),
    ",": Format("CSV", "csv"),
    ";": Format("CSV", "semicolon"),
}
"""Formats of lists, by what stands between word and meaning."""

_SEPARATOR = re.compile(
    r"""^"[^"]*"([,;])|^[A-Za-z0-9'-]+([ ])(?=[^\x00-\x7f：，＝\u3000])|"""
    r"""[ ]*([\t:：，=＝|\u3000]|;(?=\S)|,(?=\s?\S))|[ ]+(-)-*[ ]|([ ]{2})"""
)


def _separator_of(line: str) -> str:
    """The separator that comes first in a line, "" where there is none.

    A tab behind it is rather the one, because words can have commas. Behind a colon it is none, because
    meanings can have tabs.
    """
    found = _SEPARATOR.search(line)
    separator = found[found.lastindex or 0] if found else ""
    return "\t" if "\t" in line and separator != ":" else separator


def _by_separator(lines: Sequence[str]) -> Format | None:
    """The format of a list, by the separator of most lines."""
    [(separator, votes)] = Counter(_separator_of(line.strip()) for line in lines).most_common(1)
    return SEPARATORS.get(separator) if votes > MOST * len(lines) else None


def format_of(head: bytes) -> Format | None:
    """The format of the file that begins with `head`; None when it is not known here."""
    if (found := _by_bytes(head)) is not None:
        return found
    text = head[:HEAD].decode("utf-8-sig", errors="replace")
    lines = [line[:MAX_LINE] for line in text.split("\n") if line.strip() and not line.startswith("#")]
    lines = lines[:MAX_LINES]
    if not lines:
        return None
    return next((found for is_like, found in TEXTS if is_like(text, lines)), _by_separator(lines))


def is_packed(head: bytes) -> bool:
    """Whether the file is one of bytes, not of text."""
    return _by_bytes(head) is not None


def _by_bytes(head: bytes) -> Format | None:
    by_pattern = next((found for form, found in PATTERNS if form.match(head)), None)
    return by_pattern or next((found for magic, found in MAGIC if head.startswith(magic)), None)
