"""The parser of the dictionary's file: `key:value` lines in UTF-8.

A parser is fed in blocks: its user decides how much is parsed between two datagrams. Errors and warnings name
`file:line`.
"""

import hashlib
from abc import ABC, abstractmethod
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass
from encodings.utf_8_sig import (
    IncrementalDecoder,  # not by `codecs`, which would read a file at the first use
)

from netechod.errors import DictionaryError
from netechod.services.dictionary import MAX_SPELLINGS, MemoryDictionary, fold

MAX_WARNINGS = 100  # bad lines described one by one; the rest are only counted
MAX_SHOWN = 256  # characters of a key in a warning
MAX_LINE = 128 * 1024  # characters of a line; a longer one fails the load, as no datagram holds so much


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a parser knows about a file besides its words."""

    sha256: str
    longest: int  # bytes of the longest word, as it is spelled or folded
    skipped: int  # lines that are no entry
    warnings: Sequence[str]


class Parser(ABC):
    """Takes the entries out of a file's blocks and hands them to `keep`, which a subclass defines.

    `strict` makes a bad line fail the load.
    """

    def __init__(self, name: str, *, strict: bool = False) -> None:
        self._name = name
        self._strict = strict
        self._decoder = IncrementalDecoder()  # drops a BOM, even in two blocks
        self._hash = hashlib.sha256()
        self._line = 0  # lines parsed
        self._rest = ""  # the start of a line whose end is in the next block
        self._longest = 0
        self._warnings: list[tuple[int, str]] = []  # the first ones of the file, by line
        self._unsaid = 0
        self._skipped = 0

    @abstractmethod
    def keep(self, number: int, word: bytes, meaning: bytes, folded: bytes) -> None:
        """Keep the entry of line `number`. Of words that are equal, or fold alike, the first one wins."""
        ...

    def feed(self, block: bytes) -> None:
        """Parse the lines that `block` completes. Raises DictionaryError for what is not UTF-8 text.

        Of several errors it tells the first one in the file, wherever a block ends.
        """
        self._hash.update(block)
        text, flaw = self._decoded(block, final=False)
        lines = (self._rest + text).split("\n")
        if max(map(len, lines)) > MAX_LINE:
            before = next(at for at, line in enumerate(lines) if len(line) > MAX_LINE)
            self._parse(lines[:before])
            raise DictionaryError(f"{self._at(self._line + 1)}: longer than {MAX_LINE} characters")
        self._rest = lines.pop()
        self._parse(lines)
        if flaw is not None:
            raise flaw

    def end(self) -> None:
        """Parse the last line. Raises DictionaryError when the file holds not one entry."""
        text, flaw = self._decoded(b"", final=True)
        if flaw is not None:
            raise flaw
        self._parse([self._rest + text])
        if not self._longest:
            raise DictionaryError(f"{self._name}: holds no entry at all; write one `key:value` a line")

    def warn_of_duplicate(self, number: int, word: bytes) -> None:
        """Warn that an earlier line has the same word. Lines may be warned of in any order."""
        key = word.decode()
        shown = key if len(key) <= MAX_SHOWN else f"{key[:MAX_SHOWN]}…"
        self._warn(number, f"duplicate key {shown!r}; the first one stays")

    @property
    def facts(self) -> Facts:
        """The facts about the file, after its end."""
        warnings = [f"{self._at(number)}: {warning}" for number, warning in self._warnings]
        if self._unsaid:
            warnings.append(f"{self._name}: {self._unsaid} more warnings are not shown")
        return Facts(
            sha256=self._hash.hexdigest(),
            longest=self._longest,
            skipped=self._skipped,
            warnings=tuple(warnings),
        )

    def _decoded(self, block: bytes, *, final: bool) -> tuple[str, DictionaryError | None]:
        """The text that the block completes, up to the first flaw; and the error that names the flaw."""
        flaw = ""
        try:
            text = self._decoder.decode(block, final)
        except UnicodeDecodeError as error:
            text = error.object[: error.start].decode()  # the object includes what the decoder had held back
            flaw = "not UTF-8; convert the file, for example with: iconv -f GBK -t UTF-8"
        if "\0" in text:
            text = text[: text.index("\0")]
            flaw = "a NUL byte; this is not a text file"
        if not flaw:
            return text, None
        return text, DictionaryError(f"{self._at(self._line + 1 + text.count(chr(10)))}: {flaw}")

    def _parse(self, lines: Sequence[str]) -> None:
        """Take the entries out of whole lines."""
        keep = self.keep
        for number, line in enumerate(lines, self._line + 1):
            key, colon, value = line.partition(":")
            key, value = key.strip(), value.strip()
            if key.startswith("#") or not (key or colon):
                continue
            if not (key and value):
                self._skip(number, line)
                continue
            word, folded = key.encode(), fold(key).encode()
            keep(number, word, value.encode(), folded)
            self._longest = max(self._longest, len(word), len(folded))
        self._line += len(lines)

    def _skip(self, number: int, line: str) -> None:
        """Warn of a line that is no entry; with `strict`, raise DictionaryError."""
        if ":" in line:
            problem = "nothing before the ':'" if line.strip().startswith(":") else "nothing behind the ':'"
        elif "：" in line:
            problem = "no ':' (found a full-width '：'); write it as key:value"
        else:
            problem = "no ':'; write it as key:value"
        if self._strict:
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


class DictionaryParser(Parser):
    """Builds an edition in memory."""

    def __init__(self, name: str, *, strict: bool = False) -> None:
        super().__init__(name, strict=strict)
        self._entries: dict[bytes, bytes] = {}
        self._folded: dict[bytes, bytes] = {}

    def keep(self, number: int, word: bytes, meaning: bytes, folded: bytes) -> None:
        """See Parser."""
        if word in self._entries:
            self.warn_of_duplicate(number, word)
            return
        self._entries[word] = meaning
        if folded != word:
            others = self._folded.get(folded)
            if others is None:
                self._folded[folded] = word
            elif others.count(b"\n") + 1 < MAX_SPELLINGS:
                self._folded[folded] = b"%b\n%b" % (others, word)

    def finish(self) -> MemoryDictionary:
        """End, and return the edition. Raises DictionaryError as `end` does."""
        self.end()
        facts = self.facts
        edition = MemoryDictionary(
            self._entries,
            self._folded,
            sha256=facts.sha256,
            skipped=facts.skipped,
            warnings=facts.warnings,
        )
        edition.longest = facts.longest
        return edition
