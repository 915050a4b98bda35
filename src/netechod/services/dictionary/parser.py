"""The parser of the dictionary's file: `key:value` lines, or a Tabfile, in UTF-8.

A parser is fed in blocks: its user decides how much is parsed between two datagrams. Errors and warnings name
`file:line`.

A file of another format can have lines that look like entries. Such a file is refused as a whole, by the
share of its lines that are no entries, or have separators of another format in their words.
"""

import hashlib
import re
from abc import ABC, abstractmethod
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass

# Not through `codecs`, which would read a file at the first use.
from encodings.utf_8_sig import IncrementalDecoder
from typing import Literal, TypeAlias

from netechod.errors import DictionaryError, DictionaryFormatError
from netechod.services.dictionary.key_value import FULL_WIDTH, is_foreign, problem_of
from netechod.services.dictionary.service import fold
from netechod.services.dictionary.tabfile import About, entry_of

MAX_WARNINGS = 100  # bad lines described one by one; the rest are only counted
MAX_SHOWN = 256  # characters of a key in a warning
MAX_LINE = 128 * 1024  # characters of a line; a longer one fails the load, as no datagram holds so much
MAX_SKIPPED = 0.5  # the share of a file's lines that may be no entries
MAX_REPLY = 1200  # bytes of a meaning that is not cut
SUSPICION = 5  # times that each bad line counts if the start of the file is that of another format

_NEXT_ENTRY = re.compile(r"[\s,;，；]\w+:")  # in a meaning: a line that holds several entries
_FOREIGN_STARTS = ("<", "{", "[")  # of HTML and XML, of JSON, of INI files

Format: TypeAlias = Literal["lines", "tsv"]
"""The format of a file: `key:value` lines, or a Tabfile."""

_EMPTY = {
    "lines": "write one `key:value` a line",
    "tsv": 'write a word, a tab and its meaning in each line, or set dictionary.format = "lines"',
}


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The conditions that a file has to meet, and the limit for a warning."""

    strict: bool = False
    """If true, one bad line fails the load."""
    max_skipped: float = MAX_SKIPPED
    """The largest share of lines that may be no entries, from 0 to 1."""
    format: Format = "lines"
    max_reply: int = MAX_REPLY
    """Bytes of the longest meaning that is not cut. A warning gives the number of longer ones."""


DEFAULT_RULES = Rules()
ACCEPT = "dictionary.max_skipped = 1 has it loaded all the same"
FOREIGN_WORDS = "words have a tab, a quote or another separator inside"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Facts about a file besides its words."""

    sha256: str
    longest: int  # bytes of the longest word, as it is spelled or folded
    skipped: int  # lines that are no entry
    lines: int  # without comments and empty ones
    doubted: int  # of these lines, how many speak against the file as a whole
    max_reply: int  # bytes: the warnings count the meanings that are longer
    warnings: Sequence[str]
    title: str  # what the file says about itself, "" where it says nothing
    information: str


class Parser(ABC):
    """Takes the entries out of a file's blocks and hands them to `keep`, which a subclass defines."""

    def __init__(self, name: str, rules: Rules = DEFAULT_RULES) -> None:
        self._name = name
        self._rules = rules
        self._decoder = IncrementalDecoder()  # drops a BOM, even in two blocks
        self._hash = hashlib.sha256()
        self._line = 0  # lines parsed
        self._rest = ""  # the start of a line whose end is in the next block
        self._longest = 0
        self._warnings: list[tuple[int, str]] = []  # the first ones of the file, by line
        self._unsaid = 0
        self._skipped = 0
        self._entries = 0  # lines that are one
        self._foreign = 0  # entries with separators of another format
        self._first_foreign = 0  # the line of the first one
        self._cut = 0  # meanings that are longer than an answer
        self._start = ""  # the first character of the file
        self._last = b""  # the meaning of the entry parsed last
        self._about = About()
        self._is_top = True  # no entry of a Tabfile has come

    @property
    def format(self) -> Format:
        """The format of the file."""
        return self._rules.format

    @abstractmethod
    def keep(self, number: int, word: bytes, meaning: bytes, folded: bytes) -> None:
        """Keep the entry of line `number`. Of several with one word, `joined` makes one if it is not None."""
        ...

    def joined(self, number: int, word: bytes, before: bytes, meaning: bytes) -> bytes | None:
        """The meaning of a word that has one `before`, and another one on line `number`.

        None: the first one stays, of which this warns. The calls may come in any order of words.
        """
        if self._rules.format == "tsv" and len(before) + len(meaning) <= MAX_LINE:
            return b"%b\n\n%b" % (before, meaning)
        self.warn_of_duplicate(number, word)
        return None

    def feed(self, block: bytes) -> None:
        """Parse the lines that `block` completes. Raises DictionaryFormatError if they are not UTF-8 text.

        The error names the first flaw in the file, regardless of the ends of blocks.
        """
        self._hash.update(block)
        text, flaw = self._decoded(block, final=False)
        self._start = self._start or text.lstrip()[:1]
        self._rest += text
        if "\n" in text or len(self._rest) > MAX_LINE:
            self._parse_whole_lines()
        if flaw is not None:
            raise flaw

    def _parse_whole_lines(self) -> None:
        """Parse the lines whose ends have come, up to one that is too long."""
        lines = self._rest.split("\n")
        too_long = next((at for at, line in enumerate(lines) if len(line) > MAX_LINE), None)
        if too_long is not None:
            self._parse(lines[:too_long])
            raise DictionaryFormatError(f"{self._at(self._line + 1)}: longer than {MAX_LINE} characters")
        self._rest = lines.pop()
        self._parse(lines)

    def end(self) -> None:
        """Parse the last line. Raises DictionaryFormatError if the file as a whole is no dictionary."""
        text, flaw = self._decoded(b"", final=True)
        if flaw is not None:
            raise flaw
        self._parse([self._rest + text])
        if not self._entries:
            raise DictionaryFormatError(f"{self._name}: holds no entry at all; {_EMPTY[self._rules.format]}")
        facts = self.facts
        if facts.doubted > self._rules.max_skipped * facts.lines:
            raise DictionaryFormatError(self._refusal(), hint=ACCEPT)

    def warn_of_duplicate(self, number: int, word: bytes) -> None:
        """Warn that an earlier line has the same word. The calls may come in any order of lines."""
        key = word.decode()
        shown = key if len(key) <= MAX_SHOWN else f"{key[:MAX_SHOWN]}…"
        self._warn(number, f"duplicate key {shown!r}; the first one stays")

    @property
    def facts(self) -> Facts:
        """The facts about the file, after its end."""
        warnings = [f"{self._at(number)}: {warning}" for number, warning in self._warnings]
        if self._unsaid:
            warnings.append(f"{self._name}: {self._unsaid} more warnings are not shown")
        if self._foreign:
            warnings.append(
                f"{self._at(self._first_foreign)}: {self._foreign} {FOREIGN_WORDS}, here the first"
            )
        if self._cut:
            limit = f"dictionary.max_reply ({self._rules.max_reply} bytes)"
            warnings.append(f"{self._name}: {self._cut} meanings are longer than {limit}, and are cut")
        lines = self._entries + self._skipped
        doubted = self._skipped + self._foreign
        if self._start in _FOREIGN_STARTS:
            doubted *= SUSPICION
        return Facts(
            sha256=self._hash.hexdigest(),
            longest=self._longest,
            skipped=self._skipped,
            lines=lines,
            doubted=lines if self._is_one_line else min(lines, doubted),
            max_reply=self._rules.max_reply,
            warnings=tuple(warnings),
            title=self._about.short_title,
            information=self._about.text,
        )

    @property
    def _is_one_line(self) -> bool:
        """Return whether the file is a single line that holds several entries."""
        return self._entries == 1 and not self._skipped and len(_NEXT_ENTRY.findall(self._last.decode())) > 1

    def _refusal(self) -> str:
        """Return why the file is refused although it has entries."""
        if self._is_one_line:
            return f"{self._name}: holds one line, with many entries in it"
        foreign = f", {self._foreign} {FOREIGN_WORDS}" if self._foreign else ""
        return (
            f"{self._name}: {self._skipped} of {self._entries + self._skipped} lines are no entries{foreign}"
        )

    def _decoded(self, block: bytes, *, final: bool) -> tuple[str, DictionaryError | None]:
        """Return the text that the block completes, up to the first flaw, and an error about the flaw."""
        flaw = ""
        try:
            text = self._decoder.decode(block, final)
        except UnicodeDecodeError as error:
            text = error.object[: error.start].decode()  # the object includes what the decoder had held back
            flaw = "not UTF-8"
        if "\0" in text:
            text = text[: text.index("\0")]
            flaw = "a NUL byte; this is not a text file"
        if not flaw:
            return text, None
        number = self._line + 1 + text.count("\n")
        return text, DictionaryFormatError(f"{self._at(number)}: {flaw}")

    def _parse(self, lines: Sequence[str]) -> None:
        """Take the entries out of whole lines."""
        if self._rules.format == "tsv":
            self._parse_tabfile(lines)
        else:
            self._parse_key_value(lines)
        self._line += len(lines)

    def _parse_tabfile(self, lines: Sequence[str]) -> None:
        for number, line in enumerate(lines, self._line + 1):
            if self._is_top and self._about.note(line):
                continue
            if (entry := entry_of(line)) is not None:
                self._is_top = False
                self._keep_all(number, *entry)
            elif line.strip() and not line.startswith("#"):
                self._skip(number, "no tab between a word and its meaning")

    def _keep_all(self, number: int, words: Sequence[str], text: str) -> None:
        """Keep the words of a Tabfile's line. They have the same meaning."""
        if not (words and text):
            self._skip(number, "nothing behind the tab" if words else "nothing before the tab")
            return
        meaning = text.encode()
        for word in dict.fromkeys(words):
            key, folded = word.encode(), fold(word).encode()
            self.keep(number, key, meaning, folded)
            self._longest = max(self._longest, len(key), len(folded))
        self._entries += 1
        self._cut += len(meaning) > self._rules.max_reply

    def _parse_key_value(self, lines: Sequence[str]) -> None:
        keep, limit, longest = self.keep, self._rules.max_reply, self._longest
        entries = 0
        meaning = b""
        for number, line in enumerate(lines, self._line + 1):
            key, colon, value = line.partition(":")
            key, value = key.strip(), value.strip()
            if key.startswith("#") or not (key or colon):
                continue
            plain = key.isalnum() or (key.replace(" ", "").isalnum() and "  " not in key)
            if not (key and value) or (not plain and FULL_WIDTH in key):
                self._skip(number, problem_of(line))
                continue
            if not (plain and value.isprintable()):
                self._look_for_separators(number, key, value)
            word, meaning, folded = key.encode(), value.encode(), fold(key).encode()
            keep(number, word, meaning, folded)
            entries += 1
            if len(meaning) > limit:
                self._cut += 1
            longest = max(longest, len(word), len(folded))
        self._longest = longest
        self._last = meaning or self._last
        self._entries += entries

    def _look_for_separators(self, number: int, key: str, value: str) -> None:
        """Count an entry that seems to be a line of another format."""
        if is_foreign(key, value):
            self._foreign += 1
            self._first_foreign = self._first_foreign or number

    def _skip(self, number: int, problem: str) -> None:
        """Warn of a line that is no entry; with `strict`, raise DictionaryError."""
        if self._rules.strict:
            raise DictionaryError(f"{self._at(number)}: {problem}")
        self._skipped += 1
        self._warn(number, f"{problem}; the line is skipped")

    def _warn(self, number: int, warning: str) -> None:
        insort(self._warnings, (number, warning))
        if len(self._warnings) > MAX_WARNINGS:
            self._warnings.pop()
            self._unsaid += 1

    def _at(self, number: int) -> str:
        return f"{self._name}:{number}"
