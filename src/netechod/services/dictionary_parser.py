"""The dictionary's file, as text: `key:value` lines in UTF-8, and what is said about those that are none.

A parser is fed in blocks, so that whoever reads the file decides how much to do between two datagrams. Errors
and warnings name `file:line`.
"""

import hashlib
from abc import ABC, abstractmethod
from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass
from encodings.utf_8_sig import IncrementalDecoder  # by import: looking it up by name would need a file later

from netechod.errors import DictionaryError
from netechod.services.dictionary import MemoryDictionary, fold

MAX_WARNINGS = 100  # bad lines described one by one; the rest are only counted
MAX_LINE = 128 * 1024  # characters of a line; more is no dictionary, and no datagram holds it


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What there is to know about a file besides its words."""

    sha256: str
    skipped: int
    warnings: Sequence[str]


class Parser(ABC):
    """Takes the entries out of a file's blocks; what becomes of them is for `keep`, which a subclass has.

    `strict` makes a bad line fail the load.
    """

    def __init__(self, name: str, *, strict: bool = False) -> None:
        self._name = name
        self._strict = strict
        self._decoder = IncrementalDecoder()  # drops a BOM, even in two blocks
        self._hash = hashlib.sha256()
        self._line = 0  # lines parsed
        self._rest = ""  # the start of a line whose end is in the next block
        self._kept = False
        self._warnings: list[tuple[int, str]] = []  # the first ones of the file, by line
        self._unsaid = 0
        self._skipped = 0

    @abstractmethod
    def keep(self, number: int, key: str, meaning: bytes, folded: str) -> None:
        """Keep the entry of a line; the first of the same keys wins, also of keys that fold alike."""
        ...

    def feed(self, block: bytes) -> None:
        """Parse the lines that `block` completes. Raises DictionaryError for what is not UTF-8 text.

        Of several errors the first one in the file is told, wherever a block ends.
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
        """Parse what is left. Raises DictionaryError when there was not one entry in the file."""
        text, flaw = self._decoded(b"", final=True)
        if flaw is not None:
            raise flaw
        self._parse([self._rest + text])
        if not self._kept:
            raise DictionaryError(f"{self._name}: holds no entry at all; write one `key:value` a line")

    def warn_of_duplicate(self, number: int, key: str) -> None:
        """Say that a line's key stands in an earlier line; in whatever order this is found out."""
        self._warn(number, f"duplicate key {key!r}; the first one stays")

    @property
    def facts(self) -> Facts:
        """What there is to know about the file, after its end."""
        warnings = [f"{self._at(number)}: {warning}" for number, warning in self._warnings]
        if self._unsaid:
            warnings.append(f"{self._name}: {self._unsaid} more warnings are not shown")
        return Facts(sha256=self._hash.hexdigest(), skipped=self._skipped, warnings=tuple(warnings))

    def _decoded(self, block: bytes, *, final: bool) -> tuple[str, DictionaryError | None]:
        """The text that the block completes, up to what is none; and the error that says so."""
        flaw = ""
        try:
            text = self._decoder.decode(block, final)
        except UnicodeDecodeError as error:
            text = error.object[: error.start].decode()  # what the decoder held back is part of the object
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
            keep(number, key, value.encode(), fold(key))
            self._kept = True
        self._line += len(lines)

    def _skip(self, number: int, line: str) -> None:
        """Warn of a line that is no entry; with `strict`, that is an error."""
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

    def keep(self, number: int, key: str, meaning: bytes, folded: str) -> None:
        """See Parser."""
        word = key.encode()
        if word in self._entries:
            self.warn_of_duplicate(number, key)
            return
        self._entries[word] = meaning
        if folded != key:
            self._folded.setdefault(folded.encode(), meaning)

    def finish(self) -> MemoryDictionary:
        """The edition. Raises DictionaryError when there is not one entry in it."""
        self.end()
        facts = self.facts
        return MemoryDictionary(
            self._entries,
            self._folded,
            sha256=facts.sha256,
            skipped=facts.skipped,
            warnings=facts.warnings,
        )
