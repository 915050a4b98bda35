"""Dictionary: a word comes in, its translation goes out. The table is built whole and swapped whole."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, Protocol, TypeAlias
from unicodedata import normalize

from netechod.services.api import Datagram, Outbox
from netechod.services.wire import MISS, cut, text_of

Lookup: TypeAlias = Callable[[bytes], bytes | None]
"""Finds the value of a word, which is never empty; None for a miss."""


def fold(word: str) -> str:
    """The form in which spellings that differ only in case or composition are equal (Unicode 3.13, D145)."""
    return word.lower() if word.isascii() else normalize("NFC", normalize("NFD", word).casefold())


class Dictionary(Protocol):
    """One edition of the dictionary, as it was in the file: never changed, only replaced."""

    exact: Lookup
    """By the spelling in the file. The value of an attribute, so that a batch of queries can hold it."""
    folded: Lookup
    """By the folded spelling, of the words that are not folded themselves."""
    sha256: str  # of the file, in hex
    skipped: int  # lines that are no entry
    warnings: Sequence[str]

    def __len__(self) -> int:
        """The number of entries."""
        ...

    def items(self) -> Iterable[tuple[bytes, bytes]]:
        """Every entry."""
        ...

    def lookup_folded(self, text: bytes) -> bytes | None:
        """The entry whose word equals `text` but for case and composition."""
        try:
            word = fold(text.decode()).encode()
        except UnicodeDecodeError:
            return None
        return self.exact(word) or self.folded(word)


class MemoryDictionary(Dictionary):
    """An edition in memory: for any file that is not a large one."""

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
        self.exact = self.entries.get
        self.folded = (folded or {}).get
        self.sha256 = sha256
        self.skipped = skipped
        self.warnings = tuple(warnings)

    def __len__(self) -> int:
        return len(self.entries)

    def items(self) -> Iterable[tuple[bytes, bytes]]:
        """See Dictionary: in the order of the file."""
        return self.entries.items()


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
        exact, limit = self._dictionary.exact, self._max_reply
        answers: list[Datagram] = []
        for payload, peer in batch:
            answer = exact(payload) or self._search(text_of(payload))
            if answer is not None:
                answers.append((answer if len(answer) <= limit else cut(answer, limit), peer))
        out.send_all(answers)
        self.received += len(batch)

    def _search(self, text: bytes) -> bytes | None:
        """The answer to a text that is no entry as it came; None for silence."""
        answer = self._dictionary.exact(text)
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
