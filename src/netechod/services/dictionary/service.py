"""Dictionaries: they answer a word with its translation. Their editions are replaced as a whole."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, Protocol, TypeAlias
from unicodedata import combining, normalize

from netechod.services.api import Datagram, Outbox
from netechod.services.dictionary.headwords import chunks_from, sorted_chunks
from netechod.services.wire import MAX_DATAGRAM, MISS, is_padded, text_of, truncate_utf8

MAX_FOLDED = 256  # characters of a word that is folded, unless it is ASCII: it takes 0.25 ms at worst
MAX_NON_STARTERS = 30  # in a row, in a word that is folded (UAX #15, section 13: Stream-Safe Text)
MAX_SPELLINGS = 200  # of a folded word that are found by it; others are found as they are spelled
SHORT = 1024  # bytes of a text that is looked up even if no word is as long
MAX_STRETCH = 4  # a spelling has fewer bytes than this many times its folded form

_TOO_MANY = bytes([True]) * (MAX_NON_STARTERS + 1)

Lookup: TypeAlias = Callable[[bytes], bytes | None]
"""Finds the value of a word, which is never empty; None for a miss."""


def fold(word: str) -> str:
    """Return a form that is equal for spellings which differ in case or composition (Unicode 3.13, D145).

    A word that would take long to fold is returned as it is, and is found by its exact spelling only. Such a
    word has more than MAX_FOLDED characters, not all of them ASCII, or it is not Stream-Safe: the time to
    normalize a row of non-starters grows with the square of their number.
    """
    if word.isascii():
        return word.lower()
    if len(word) > MAX_FOLDED or not _is_stream_safe(word):
        return word
    decomposed = normalize("NFD", word)
    return normalize("NFC", decomposed.casefold()) if _is_stream_safe(decomposed) else word


def _is_stream_safe(text: str) -> bool:
    """Return whether no more than MAX_NON_STARTERS characters in a row have a combining class."""
    return _TOO_MANY not in bytes(map(bool, map(combining, text)))


class Dictionary(Protocol):
    """One edition of the dictionary, as it was in the file. It never changes: a new one replaces it."""

    exact: Lookup
    """Finds a word by its spelling in the file. It is an attribute, so that a loop can hold it."""
    folded: Lookup
    """Finds the words that are folded to a word and differ from it: a line each, in the order of the file."""
    longest: int  # bytes of the longest word, as it is spelled or folded
    sha256: str  # of the file, in hex
    skipped: int  # lines that are no entry
    doubt: float  # the share of lines that speak against the file as a whole, from 0 to 1
    warnings: Sequence[str]
    title: str  # what the file says about itself, "" where it says nothing
    information: str

    def __len__(self) -> int:
        """Return the number of entries."""
        ...

    def items(self) -> Iterable[tuple[bytes, bytes]]:
        """Iterate over all entries: word and translation."""
        ...

    def heads(self, start: bytes = b"") -> Iterator[bytes]:
        """Yield the chunks of headwords that may hold some from `start` on, as in the module `headwords`.

        b"" stands for a piece of work without a result yet. Use it within `held`.
        """
        ...

    def held(self) -> AbstractContextManager[object]:
        """Keep what the edition holds in the meantime, even if it is closed.

        Look-ups that were taken off its attributes before can be used as long.
        """
        return nullcontext()

    def close(self) -> None:
        """Free the edition's resources. It must not be used any more."""
        ...


def dump_lines(dictionary: Dictionary) -> Iterator[str]:
    r"""Yield the entries as `key#value`, in the form of the tutorials' debug output; a line break is `\n`."""
    for word, meaning in dictionary.items():
        yield f"{word.decode()}#{meaning.decode()}".replace("\n", "\\n")


def other_readings(word: str) -> Iterator[str]:
    """Yield what else a word may mean: itself without needless spaces, and how one would type it.

    In print there are compatibility characters (full-width letters, ligatures), other apostrophes, and full
    stops behind words.
    """
    spaced = " ".join(word.split())
    if spaced != word:
        yield spaced
    if len(word) <= MAX_FOLDED:
        typed = normalize("NFKC", spaced).replace("’", "'").rstrip(".,;:!?。、").strip()
        if typed not in ("", spaced):
            yield typed


def look_up(dictionaries: Sequence[Dictionary], text: bytes) -> bytes | None:
    """Return the translation in the first dictionary that has the word; None for a miss.

    A dictionary is asked for the exact spelling, then for the folded one. If none has the word, its other
    readings are tried.
    """
    if len(text) > SHORT and len(text) > MAX_STRETCH * max(words.longest for words in dictionaries):
        return None
    try:
        word = text.decode()
    except UnicodeDecodeError:
        return None
    found = _found(dictionaries, text, fold(word).encode())
    if found is None and len(word) <= MAX_FOLDED:
        others = (_found(dictionaries, each.encode(), fold(each).encode()) for each in other_readings(word))
        return next(filter(None, others), None)
    return found


def _found(dictionaries: Sequence[Dictionary], spelled: bytes, folded: bytes) -> bytes | None:
    for words in dictionaries:
        exact = words.exact
        found = exact(spelled) or exact(folded) or exact((words.folded(folded) or b"").partition(b"\n")[0])
        if found is not None:
            return found
    return None


class MemoryDictionary(Dictionary):
    """An edition in memory, for small and medium files."""

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
        self._heads: Sequence[bytes] | None = None  # sorted at the first call of `heads`
        self.longest = MAX_DATAGRAM  # a bound; a parser sets the true value
        self.sha256 = sha256
        self.skipped = skipped
        self.doubt = 0.0  # a parser sets it, too
        self.warnings = tuple(warnings)
        self.title = self.information = ""

    def __len__(self) -> int:
        return len(self.entries)

    def items(self) -> Iterable[tuple[bytes, bytes]]:
        """See Dictionary. The order is that of the file."""
        return self.entries.items()

    def heads(self, start: bytes = b"") -> Iterator[bytes]:
        """See Dictionary. The first call for an edition sorts its words."""
        if self._heads is None:
            self._heads = yield from sorted_chunks(fold(word.decode()).encode() for word in self.entries)
        yield from chunks_from(start, self._heads.__getitem__, len(self._heads))

    def close(self) -> None:
        """See Dictionary. The interpreter frees the memory."""


def _cut(answer: bytes, limit: int) -> bytes:
    """An answer of at most `limit` bytes: cut at the end of a line if more than half of them remain then."""
    text = truncate_utf8(answer, limit)
    lines = text.rpartition(b"\n")[0].rstrip()
    return lines if 2 * len(lines) > limit else text


class DictionaryService:
    """Answers each word with its translation in the first dictionary that has it (see `look_up`)."""

    def __init__(
        self,
        dictionary: Dictionary,
        *more: Dictionary,
        unknown: str = MISS,
        match: Literal["folded", "exact"] = "folded",
        max_reply: int = 1200,
    ) -> None:
        self._dictionaries = (dictionary, *more)
        self.configure(unknown=unknown, match=match, max_reply=max_reply)
        self._received = 0
        self._missed = 0
        self.dropped: Counter[str] = Counter()  # datagrams without an answer, by reason

    def configure(self, *, unknown: str, match: Literal["folded", "exact"], max_reply: int) -> None:
        """Change the answer to a miss, the kind of matching, and the limit of an answer in bytes."""
        # As `text_of` would return it if another dictionary sent it back.
        self._unknown = text_of(truncate_utf8(unknown.encode(), max_reply))
        self._folds = match == "folded"
        self._max_reply = max_reply

    @property
    def counters(self) -> Mapping[str, int]:
        """The numbers of queries that were found, and that got the text for a miss."""
        return {"found": self._received - self._missed - self.dropped.total(), "missed": self._missed}

    def replace(self, dictionary: Dictionary, *more: Dictionary) -> None:
        """Replace all editions in one assignment. A query sees the old ones or the new ones, never a mix."""
        self._dictionaries = (dictionary, *more)

    def datagrams_received(self, batch: Sequence[Datagram], now: float, out: Outbox) -> None:
        """Answer every query. It is looked up unchanged first, because most queries are a word alone."""
        exact, limit = self._dictionaries[0].exact, self._max_reply
        answers: list[Datagram] = []
        for payload, peer in batch:
            answer = exact(payload) or self._search(payload)
            if answer is not None:
                answers.append((answer if len(answer) <= limit else _cut(answer, limit), peer))
        out.send_all(answers)
        self._received += len(batch)

    def _search(self, payload: bytes) -> bytes | None:
        """Return the answer to a datagram that is no entry as it came; None for silence."""
        text = text_of(payload)
        if self._folds:
            answer = look_up(self._dictionaries, text)
        else:
            answer = next(filter(None, (words.exact(text) for words in self._dictionaries)), None)
        if answer is not None:
            return answer
        if not text or (text == self._unknown and not is_padded(payload)):
            # Two dictionaries must not tell each other "unknown" for ever (CVE-2024-2169). A padded datagram
            # is a client's: no answer of a dictionary is padded so far.
            self.dropped["error-text" if text else "empty"] += 1
            return None
        self._missed += 1
        return self._unknown

    def next_deadline(self) -> float | None:
        """See DatagramService. There are no deadlines."""
        return None

    def deadline_reached(self, now: float, out: Outbox) -> None:
        """See DatagramService."""
