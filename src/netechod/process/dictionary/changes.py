"""The differences between two editions of the dictionary, in numbers, and whether they are to be believed."""

import logging
from collections.abc import Generator, Iterable
from dataclasses import astuple, dataclass

from netechod.errors import DictionaryError
from netechod.process.dictionary.index import IndexedDictionary
from netechod.services.dictionary.parser import ACCEPT, SUSPICION
from netechod.services.dictionary.service import Dictionary

STEP = 2000  # words compared in one step
FEW = 100  # words; of fewer ones most may be lost without a word

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Changes:
    """The numbers of words that a reload has added, removed and changed."""

    before: int = 0
    after: int = 0
    added: int = 0
    removed: int = 0
    changed: int = 0

    @classmethod
    def of_all(cls, changes: Iterable["Changes"]) -> "Changes":
        """Return the sums of all numbers."""
        return cls(*map(sum, zip(*map(astuple, changes), strict=True)))


def compared(old: Dictionary, new: Dictionary) -> Generator[None, None, Changes]:
    """Compare two editions in steps.

    If `new` is an index made after `old`, its builder has counted already. Otherwise the words of the smaller
    edition are looked up in the larger one. A damaged edition is not read.
    """
    if old.sha256 == new.sha256 or (isinstance(old, IndexedDictionary) and old.damaged):
        return Changes(before=len(old), after=len(new))
    if isinstance(new, IndexedDictionary) and new.facts.since == old.sha256:
        facts = new.facts
        return Changes(
            before=len(old),
            after=len(new),
            added=facts.added,
            removed=facts.removed,
            changed=facts.changed,
        )
    common = changed = 0
    small, large = (old, new) if len(old) < len(new) else (new, old)
    for number, (word, meaning) in enumerate(small.items(), 1):
        other = large.exact(word)
        common += other is not None
        changed += other is not None and other != meaning
        if not number % STEP:
            yield
    return Changes(
        before=len(old),
        after=len(new),
        added=len(new) - common,
        removed=len(old) - common,
        changed=changed,
    )


def check_loss(changes: Changes, new: Dictionary, max_skipped: float) -> None:
    """Warn when most words in use are lost. Raises DictionaryError when the new file is doubtful besides.

    A file of another format can have a few lines that look like entries. An operator may also shrink a list.
    """
    if changes.before < FEW or 2 * changes.removed <= changes.before:
        return
    lost = f"{changes.removed} of the {changes.before} words in use are not in the file"
    if min(1.0, new.doubt * SUSPICION) > max_skipped:
        raise DictionaryError(f"{lost}, and {new.doubt:.0%} of its lines are doubtful; {ACCEPT}")
    log.warning("dictionary reload loses most words: %s", lost, extra={"service": "dictionary"})
