"""Dictionary: a word comes in, its translation goes out. The table is built whole and swapped whole."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from encodings.utf_8_sig import IncrementalDecoder  # by import: looking it up by name would need a file later
from typing import Literal
from unicodedata import normalize

from netechod.errors import DictionaryError
from netechod.services.api import Datagram, Outbox
from netechod.services.wire import MISS, cut, text_of

MAX_WARNINGS = 100  # bad lines described one by one; the rest are only counted
MAX_LINE = 128 * 1024  # characters of a line; more is no dictionary, and no datagram holds it


def fold(word: str) -> str:
    """The form in which spellings that differ only in case or composition are equal (Unicode 3.13, D145)."""
    return word.lower() if word.isascii() else normalize("NFC", normalize("NFD", word).casefold())


class Dictionary:
    """One edition of the dictionary, as it was in the file: never changed, only replaced."""

    def __init__(
        self,
        entries: Mapping[bytes, bytes] | None = None,
        folded: Mapping[bytes, bytes] | None = None,
        *,
        sha256: str = "",
        skipped: int = 0,
        warnings: Sequence[str] = (),
    ) -> None:
        self.entries: Mapping[bytes, bytes] = entries or {}
        self.folded: Mapping[bytes, bytes] = folded or {}
        self.sha256 = sha256
        self.skipped = skipped
        self.warnings = tuple(warnings)

    def __len__(self) -> int:
        return len(self.entries)

    def lookup_folded(self, text: bytes) -> bytes | None:
        """The entry whose word equals `text` but for case and composition."""
        try:
            word = fold(text.decode()).encode()
        except UnicodeDecodeError:
            return None
        return self.entries.get(word) or self.folded.get(word)


class DictionaryParser:
    """Builds an edition from the blocks of a file: `key:value` lines, as UTF-8.

    It is fed in blocks so that whoever reads the file decides how much to do between two datagrams.
    `strict` makes a bad line fail the load. Errors and warnings name `file:line`.
    """

    def __init__(self, name: str, *, strict: bool = False) -> None:
        self._name = name
        self._strict = strict
        self._decoder = IncrementalDecoder()  # drops a BOM, even in two blocks
        self._hash = hashlib.sha256()
        self._line = 0  # lines parsed
        self._rest = ""  # the start of a line whose end is in the next block
        self._entries: dict[bytes, bytes] = {}
        self._folded: dict[bytes, bytes] = {}
        self._warnings: list[str] = []
        self._unsaid = 0
        self._skipped = 0

    def feed(self, block: bytes) -> None:
        """Parse the lines that `block` completes. Raises DictionaryError for what is not UTF-8 text."""
        self._hash.update(block)
        text = self._rest + self._decode(block, final=False)
        lines = text.split("\n")
        if max(map(len, lines)) > MAX_LINE:
            number = next(at for at, line in enumerate(lines, self._line + 1) if len(line) > MAX_LINE)
            raise DictionaryError(f"{self._at(number)}: longer than {MAX_LINE} characters")
        self._rest = lines.pop()
        self._parse(lines)

    def finish(self) -> Dictionary:
        """The edition. Raises DictionaryError when there is not one entry in it."""
        self._parse([self._rest + self._decode(b"", final=True)])
        if not self._entries:
            raise DictionaryError(f"{self._name}: holds no entry at all; write one `key:value` a line")
        if self._unsaid:
            self._warnings.append(f"{self._name}: {self._unsaid} more warnings are not shown")
        return Dictionary(
            self._entries,
            self._folded,
            sha256=self._hash.hexdigest(),
            skipped=self._skipped,
            warnings=self._warnings,
        )

    def _decode(self, block: bytes, *, final: bool) -> str:
        """Decode what the block completes, or say which line is no text."""
        try:
            text = self._decoder.decode(block, final)
        except UnicodeDecodeError as error:
            text = error.object[: error.start].decode()  # what the decoder held back is part of the object
            raise DictionaryError(
                f"{self._at(self._line + 1 + text.count(chr(10)))}: not UTF-8; convert the file, "
                "for example with: iconv -f GBK -t UTF-8"
            ) from None
        if "\0" in text:
            line = self._line + 1 + text[: text.index("\0")].count("\n")
            raise DictionaryError(f"{self._at(line)}: a NUL byte; this is not a text file")
        return text

    def _parse(self, lines: Sequence[str]) -> None:
        """Take the entries out of whole lines; the first of duplicate keys wins."""
        entries, folded = self._entries, self._folded
        for number, line in enumerate(lines, self._line + 1):
            key, colon, value = line.partition(":")
            key, value = key.strip(), value.strip()
            if key.startswith("#") or not (key or colon):
                continue
            if not (key and value):
                self._skip(number, line)
                continue
            word, meaning = key.encode(), value.encode()
            if word in entries:
                self._warn(f"{self._at(number)}: duplicate key {key!r}; the first one stays")
                continue
            entries[word] = meaning
            if (same := fold(key)) != key:
                folded.setdefault(same.encode(), meaning)
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
        self._warn(f"{self._at(number)}: {problem}; the line is skipped")

    def _warn(self, warning: str) -> None:
        if len(self._warnings) < MAX_WARNINGS:
            self._warnings.append(warning)
        else:
            self._unsaid += 1

    def _at(self, number: int) -> str:
        return f"{self._name}:{number}"


class DictionaryService:
    """Answers each word with its value: the exact spelling first, then (`folded`) any case of it."""

    def __init__(
        self,
        dictionary: Dictionary,
        *,
        unknown: str = MISS,
        match: Literal["folded", "exact"] = "folded",
        max_reply: int = 1200,
    ) -> None:
        self._dictionary = dictionary
        self.configure(unknown=unknown, match=match, max_reply=max_reply)
        self.received = 0
        self.missed = 0
        self.dropped: Counter[str] = Counter()  # what it does not answer, by reason

    def configure(self, *, unknown: str, match: Literal["folded", "exact"], max_reply: int) -> None:
        """Change how it answers: what a miss says, how words match, and the bytes of the longest answer."""
        self._unknown = text_of(cut(unknown.encode(), max_reply))  # as it arrives: to know it again
        self._folds = match == "folded"
        self._max_reply = max_reply

    @property
    def found(self) -> int:
        """Queries answered with an entry."""
        return self.received - self.missed - self.dropped.total()

    @property
    def dictionary(self) -> Dictionary:
        """The edition in use."""
        return self._dictionary

    def replace(self, dictionary: Dictionary) -> None:
        """Swap editions in one assignment: a query sees the old one or the new one, never a mix."""
        self._dictionary = dictionary

    def datagrams_received(self, batch: Sequence[Datagram], now: float, out: Outbox) -> None:
        """Answer every query that has a text. A clean query is found as it came, with no further ado."""
        exact = self._dictionary.entries.get
        for payload, peer in batch:
            answer = exact(payload) or self._search(text_of(payload))
            if answer is not None:
                out.send(cut(answer, self._max_reply), peer)
        self.received += len(batch)

    def _search(self, text: bytes) -> bytes | None:
        """The answer to a text that is no entry as it came; None for silence."""
        answer = self._dictionary.entries.get(text)
        if answer is None and self._folds:
            answer = self._dictionary.lookup_folded(text)
        if answer is not None:
            return answer
        if not text or text == self._unknown:
            # Two dictionaries must not tell each other "unknown" for ever (CVE-2024-2169).
            self.dropped["error-text" if text else "empty"] += 1
            return None
        self.missed += 1
        return self._unknown

    def next_deadline(self) -> float | None:
        """The dictionary waits for nothing."""
        return None

    def deadline_reached(self, now: float, out: Outbox) -> None:
        """Nothing is ever due."""
