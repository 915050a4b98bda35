"""The databases that clients can ask, in order, and the words of theirs that a word finds."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from netechod.services.dict.words import ALL, FIRST
from netechod.services.dictionary.service import Dictionary, Lookup, fold
from netechod.services.wire import printable

MAX_SHOWN = 860  # characters of a word that is shown, with its escapes; a line holds it and a title
MAX_TITLE = 100  # characters of a title that are shown


@dataclass(frozen=True, slots=True)
class Database:
    """One dictionary as clients see it."""

    name: str
    title: str
    dictionary: Dictionary
    information: str = ""

    def __post_init__(self) -> None:
        title = printable(" ".join(self.title.split())).replace('"', "'")
        object.__setattr__(self, "title", title[:MAX_TITLE] or self.name)


Databases = Sequence[Database]
"""All of them, in the order in which they are asked."""


def chosen(databases: Databases, name: str) -> Databases:
    """The databases that a name in a command stands for; none for an unknown one."""
    if name in (ALL, FIRST):
        return databases
    return [database for database in databases if database.name == name]


class Words:
    """The words of one edition. It is made anew for every command, and used while the edition is `held`."""

    __slots__ = ("_folded", "dictionary", "meaning")

    def __init__(self, dictionary: Dictionary) -> None:
        self.dictionary = dictionary
        self.meaning: Lookup = dictionary.exact
        self._folded = dictionary.folded

    def heads_among(self, words: Iterable[str]) -> Sequence[bytes]:
        """The words that are headwords."""
        meaning, others = self.meaning, self._folded
        heads = map(str.encode, words)
        found = [head for head in heads if meaning(head) is not None or others(head) is not None]
        return [head for head in found if folded(head.decode()) == head]

    def spellings(self, head: bytes) -> Iterator[bytes]:
        """The words that are folded to `head`, itself first, the others in the order of the file.

        Those that cannot be shown are left out, so that all that is listed can be asked for.
        """
        if self.meaning(head) is not None and can_be_shown(head):
            yield head
        others = self._folded(head)
        if others is not None:
            yield from filter(can_be_shown, others.split(b"\n"))


def found_by(word: str, dictionary: Dictionary) -> Sequence[tuple[bytes, bytes]]:
    """Return the entries that a query finds: the word that is spelled so, then the others."""
    exact, head = word.encode(), folded(word)
    others = (dictionary.folded(head) or b"").split(b"\n")
    meaning = dictionary.exact
    return [
        (each, found)
        for each in dict.fromkeys((exact, head, *others))
        if (found := meaning(each)) is not None and can_be_shown(each)
    ]


def folded(word: str) -> bytes:
    """The headword under which a word is found."""
    return fold(word).encode()


def can_be_shown(word: bytes) -> bool:
    """Whether a word fits a line, and has no character that a terminal would obey."""
    shown = word.decode()
    if len(shown) + shown.count("\\") + shown.count('"') > MAX_SHOWN:
        return False
    return shown.isprintable() or printable(shown) == shown
