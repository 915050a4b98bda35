"""Parses a dictionary's file into memory."""

from netechod.services.dictionary.parser import DEFAULT_RULES, Parser, Rules
from netechod.services.dictionary.service import MAX_SPELLINGS, MemoryDictionary


class DictionaryParser(Parser):
    """Builds an edition in memory."""

    def __init__(self, name: str, rules: Rules = DEFAULT_RULES) -> None:
        super().__init__(name, rules)
        self._words: dict[bytes, bytes] = {}
        self._folded: dict[bytes, bytes] = {}

    def keep(self, number: int, word: bytes, meaning: bytes, folded: bytes) -> None:
        """See Parser."""
        before = self._words.get(word)
        if before is not None:
            self._words[word] = self.joined(number, word, before, meaning) or before
            return
        self._words[word] = meaning
        if folded != word:
            others = self._folded.get(folded)
            if others is None:
                self._folded[folded] = word
            elif others.count(b"\n") + 1 < MAX_SPELLINGS:
                self._folded[folded] = b"%b\n%b" % (others, word)

    def finish(self) -> MemoryDictionary:
        """End, and return the edition. Raises DictionaryFormatError as `end` does."""
        self.end()
        facts = self.facts
        edition = MemoryDictionary(
            self._words,
            self._folded,
            sha256=facts.sha256,
            skipped=facts.skipped,
            warnings=facts.warnings,
        )
        edition.title, edition.information = facts.title, facts.information
        edition.longest = facts.longest
        edition.doubt = facts.doubted / facts.lines
        return edition
