"""Look-ups over UDP as they run."""

import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from netechod.process.control.status import Gauge
from netechod.process.dictionary.editions import words_in
from netechod.process.service.datagrams import UdpService
from netechod.process.service.running import Context, Settings


class Service(UdpService):
    """It answers from the words in use, which a reload replaces."""

    def __init__(self, context: Context, socks: Sequence[socket.socket]) -> None:
        super().__init__(context.datagrams, "dictionary", socks, context.words.service)
        self._words = context.words

    def apply(self, settings: Settings) -> None:
        """See RunningService."""
        super().apply(settings)
        answers = settings.loaded.config.dictionary
        self._words.service.configure(
            unknown=answers.unknown, match=answers.match, max_reply=answers.max_reply
        )

    def counters(self) -> Mapping[str, int]:
        """See RunningService."""
        return {**super().counters(), **self._words.service.counters}

    def gauges(self) -> Iterable[Gauge]:
        """See RunningService."""
        first, *_ = databases = self._words.status()
        entries = words_in(self._words.editions)
        yield Gauge("dictionary_entries", "Entries of the dictionaries in use.", entries)
        yield Gauge("dictionary_loaded_timestamp_seconds", "When they were loaded.", first.loaded)
        for each in databases:
            yield Gauge("database_entries", "Entries of each dictionary.", each.entries, each.name)
            yield Gauge("database_skipped", "Lines of its file that are no entries.", each.skipped, each.name)

    def report(self) -> Mapping[str, Any]:
        """See RunningService."""
        databases = [asdict(each) for each in self._words.status()]
        return {"dictionary": databases[0], "databases": databases}

    def summary(self) -> str:
        """See RunningService."""
        first, *_ = self._words.status()
        return f"dictionary {words_in(self._words.editions)} words (generation {first.generation})"
