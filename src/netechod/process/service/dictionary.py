"""Look-ups over UDP as they run."""

import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from netechod.process.control.status import Gauge
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
        status = self._words.status()
        yield Gauge("dictionary_entries", "Entries of the dictionary in use.", status.entries)
        yield Gauge("dictionary_loaded_timestamp_seconds", "When it was loaded.", status.loaded)

    def report(self) -> Mapping[str, Any]:
        """See RunningService."""
        return {"dictionary": asdict(self._words.status())}

    def summary(self) -> str:
        """See RunningService."""
        status = self._words.status()
        return f"dictionary {status.entries} words (generation {status.generation})"
