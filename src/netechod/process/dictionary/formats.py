"""Formats of word lists other than `key:value` lines, told by the first bytes of a file."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from shlex import quote

HEAD = 64 * 1024  # bytes of a file that are looked at
MAX_LINES = 300  # of the head that are looked at
MAX_LINE = 120  # characters of a line that are looked at: a match may take the square of them
MOST = 0.5  # the share of lines that have the form of a format

IMPORT = "netechoctl dict import {file}"
SED = "sed {script} {file} > {file}.new"
CSV = (
    'python3 -c \'import csv, sys; [print(*row[:2], sep=":") for row in csv.reader(sys.stdin{option})'
    " if len(row) > 1]' < {file} > {file}.new"
)
JSON = (
    "python3 -c 'import json, sys; [print(*entry, sep=\":\") for entry in json.load(sys.stdin).items()]'"
    " < {file} > {file}.new"
)


@dataclass(frozen=True)
class Format:
    """A format, and the command that makes key:value lines of such a file."""

    name: str
    """What the file looks like, for "it looks like ..."."""
    command: str = ""
    """A command of the shell with `{file}` in it; empty where none is known."""

    def remedy(self, file: str) -> str:
        """What to do, behind the name of the format; empty where nothing is known."""
        return f": {self.command.replace('{file}', quote(file))}" if self.command else ""


MAGIC: Sequence[tuple[bytes, Format]] = (
    (b"\x1f\x8b", Format("a file compressed by gzip", "gunzip < {file} > {file}.new")),
    (b"BZh", Format("a file compressed by bzip2", "bunzip2 < {file} > {file}.new")),
    (b"\xfd7zXZ\0", Format("a file compressed by xz", "unxz < {file} > {file}.new")),
    (b"\x28\xb5\x2f\xfd", Format("a file compressed by zstd", "unzstd < {file} > {file}.new")),
    (b"\x04\x22\x4d\x18", Format("a file compressed by lz4", "lz4 -dc < {file} > {file}.new")),
    (b"\x1f\x9d", Format("a file compressed by compress", "gunzip < {file} > {file}.new")),
    (b"PK\x03\x04", Format("a zip archive", "unzip -p {file} > {file}.new")),
    (b"7z\xbc\xaf\x27\x1c", Format("a 7z archive", "7z e -so {file} > {file}.new")),
    (b"Rar!", Format("a rar archive")),
    (b"SQLite format 3\0", Format("an SQLite database")),
    (b"%PDF-", Format("a PDF document")),
    (b"\x7fELF", Format("a program")),
    (b"\x89PNG", Format("a picture")),
    (b"\xff\xd8\xff", Format("a picture")),
    (b"\xd0\xcf\x11\xe0", Format("a document of an old Office program")),
    (b"{\\rtf", Format("an RTF document")),
    (b"StarDict's dict ifo file", Format("a dictionary of StarDict", IMPORT)),
)


def _lines_like(pattern: str) -> Callable[[str, Sequence[str]], bool]:
    """A test whether most lines of a text have a form."""
    form = re.compile(pattern)

    def is_like(text: str, lines: Sequence[str]) -> bool:
        return sum(map(bool, map(form.search, lines))) > MOST * len(lines)

    return is_like


def _begins_with(pattern: str) -> Callable[[str, Sequence[str]], bool]:
    """A test whether a text begins in a way."""
    form = re.compile(pattern, re.IGNORECASE)
    return lambda text, lines: form.match(text) is not None


def _by(separator: str, script: str) -> Format:
    return Format(f"words and meanings separated by {separator}", SED.replace("{script}", quote(script)))


TEXTS: Sequence[tuple[Callable[[str, Sequence[str]], bool], Format]] = (
    (_begins_with(r"\s*(<!doctype html|<html)"), Format("a web page")),
    (_begins_with(r"\s*<[?!\w]"), Format("XML")),
    (_begins_with(r"\s*\{\s*\"[^\"]*\"\s*:"), Format("JSON", JSON)),
    (_begins_with(r"\s*\[\s*[\[{\"]"), Format("JSON")),
    (_begins_with(r"word,phonetic,definition,"), Format("ECDICT's CSV", IMPORT)),
    (_lines_like(r"^\S+ \S+ \[[^\]]*\] /"), Format("CC-CEDICT", IMPORT)),
    (_lines_like(r"^[^\t]+\t[A-Za-z0-9+/]+\t[A-Za-z0-9+/]+\s*$"), Format("an index of dictd", IMPORT)),
    (_lines_like(r"^[^\t]*\S[^\t]*\t"), Format("words and meanings separated by tabs", IMPORT)),
    (_lines_like("^[^:：]+："), _by("a full-width colon", "s/：/:/")),
    (_lines_like(r"^[^,;]*[^,;\s][^,;]*;\S"), Format("CSV", CSV.replace("{option}", ', delimiter=";"'))),
    (_lines_like(r"^(\"[^\"]*\"|[^,:]*[^,:\s]),\s?\S"), Format("CSV", CSV.replace("{option}", ""))),
    (_lines_like(r"^[^=|]*[^=|\s]\s*=\s*\S"), _by("'='", "s/ *= */:/")),
    (_lines_like(r"^[^|]*[^|\s]\s*\|\s*\S"), _by("'|'", "s/ *| */:/")),
    (_lines_like(r"^\S[^:]*? {2,}\S"), _by("spaces", "s/   */:/")),
    (_lines_like(r"^[^:]*?\S +- +\S"), _by("a dash", "s/  *-  */:/")),
    (_lines_like(r"^[A-Za-z0-9'-]+ [^\x00-\x7f]"), _by("a space", "s/ /:/")),
)


def format_of(head: bytes) -> Format | None:
    """The format of the file that begins with `head`; None when it is not known here."""
    for magic, found in MAGIC:
        if head.startswith(magic):
            return found
    text = head[:HEAD].decode("utf-8-sig", errors="replace")
    lines = [line[:MAX_LINE] for line in text.split("\n") if line.strip() and not line.startswith("#")]
    lines = lines[:MAX_LINES]
    return next((found for is_like, found in TEXTS if lines and is_like(text, lines)), None)


def is_packed(head: bytes) -> bool:
    """Whether the file is one of bytes, not of text."""
    return any(head.startswith(magic) for magic, _ in MAGIC)


def describe(head: bytes) -> str | None:
    """What the file that begins with `head` looks like; None when that is not known here."""
    found = format_of(head)
    return found.name if found else None
