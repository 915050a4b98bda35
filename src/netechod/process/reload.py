"""A reload reads all files again, then replaces everything at once, or changes nothing and logs the reason.

It runs in steps; between two steps the loop serves. A thread reads the configuration and the keys, because
a disk or a user database on the network may be slow.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from netechod.errors import ConfigError, DictionaryError, NetechodError
from netechod.process.command.keys import with_keys
from netechod.process.config.load import Loaded, changed
from netechod.process.config.schema import LIVE_KEYS, Config
from netechod.process.config.schema import Dictionary as Settings
from netechod.process.control.status import Outcome
from netechod.process.dictionary.changes import Changes
from netechod.process.dictionary.editions import (
    Editions,
    close_unused,
    compare_all,
    load_all,
    log_all,
    with_first_name,
    words_in,
)
from netechod.process.dictionary.loader import Loader
from netechod.process.unix.clock import wall_clock
from netechod.reactor.background import Background
from netechod.reactor.loop import Loop
from netechod.reactor.tasks import Task, Work

PATIENCE = 60.0  # seconds that the configuration may take to be read

ChangesByName: TypeAlias = Mapping[str, Changes]
"""The changes of each dictionary, by the names of the old and the new ones."""

log = logging.getLogger(__name__)


class ReloadError(NetechodError):
    """A failed reload: a sentence for the log, the reason alone, and the service."""

    def __init__(self, sentence: str, reason: str, service: str) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.service = service


@dataclass(frozen=True)
class Fresh:
    """The result of reading, before it is in use."""

    loaded: Loaded
    editions: Editions
    changes: ChangesByName


class Reading:
    """Reads configuration and dictionaries again."""

    def __init__(self, loop: Loop, loader: Loader) -> None:
        self._loader = loader
        self._background = Background(loop, "reading the configuration", PATIENCE)

    def steps(self, loaded: Loaded, old: Editions) -> Work[Fresh]:
        """Read the files of `loaded` and `old` again. Raises ReloadError."""
        try:
            fresh = yield from self._background.call(lambda: with_keys(loaded.reread()))
        except (NetechodError, OSError) as error:
            summary = error.summary() if isinstance(error, ConfigError) else str(error)
            sentence = f"configuration reload failed, nothing changes: {summary}"
            raise ReloadError(sentence, summary, "daemon") from None
        section = fresh.config.dictionary
        if not section.enabled:
            return Fresh(fresh, old, {})
        before = with_first_name(section.name, old)
        try:
            editions = yield from load_all(self._loader.load, section.all, before)
            changes = yield from self._compared(before, editions, section.all)
        except DictionaryError as error:
            sentence = f"dictionary reload failed, {words_in(old)} entries stay in use: {error}"
            raise ReloadError(sentence, str(error), "dictionary") from None
        return Fresh(fresh, editions, changes)

    @staticmethod
    def _compared(old: Editions, new: Editions, settings: Mapping[str, Settings]) -> Work[ChangesByName]:
        """Compare the editions. If that fails or is given up, close the new ones."""
        try:
            return (yield from compare_all(old, new, settings))
        except (DictionaryError, GeneratorExit):
            close_unused(new, old.values())
            raise


class Reload:
    """The steps of a reload: `prepare` reads, `commit` swaps the result in."""

    def __init__(
        self, at_start: Config, prepare: Callable[[], Work[Fresh]], commit: Callable[[Fresh], object]
    ) -> None:
        self._at_start = at_start
        self._in_use = at_start
        self._prepare = prepare
        self._commit = commit

    def steps(self) -> Work[Outcome]:
        """Reload once. A failure is logged and is part of the outcome."""
        begun = time.monotonic()
        try:
            fresh = yield from self._prepare()
        except ReloadError as error:
            log.error("%s", error, extra={"event": "reload-failed", "service": error.service})
            outcome = Outcome(error=error.reason)
        else:
            outcome = self._committed(fresh)
            log_all(fresh.editions, time.monotonic() - begun)
        return replace(outcome, when=wall_clock(), seconds=time.monotonic() - begun)

    def _committed(self, fresh: Fresh) -> Outcome:
        """Put the result into use. `keys` is compared with the last reload, `waiting` with the start."""
        config = fresh.loaded.config
        keys = tuple(key for key in changed(self._in_use, config) if key in LIVE_KEYS)
        waiting = tuple(key for key in changed(self._at_start, config) if key not in LIVE_KEYS)
        if waiting:
            log.warning("configuration changes that need a restart: %s", ", ".join(waiting))
        self._in_use = config
        self._commit(fresh)
        changes = Changes.of_all(fresh.changes.values())
        return Outcome(
            dictionary=changes,
            databases=fresh.changes,
            skipped=sum(edition.skipped for edition in fresh.editions.values()),
            lost=changes.removed,
            keys=keys,
            waiting=waiting,
        )


class Reloader:
    """Runs one reload at a time. Requests that arrive meanwhile lead to one more reload after it."""

    def __init__(self, loop: Loop, begin: Callable[[], Work[Outcome]]) -> None:
        self._loop = loop
        self._begin = begin
        self._running: Task[Outcome] | None = None
        self._waiting: list[Callable[[Outcome], None]] = []  # for the reload that runs
        self._again: list[Callable[[Outcome], None]] = []  # for the one after it

    def request(self, done: Callable[[Outcome], None] = lambda outcome: None) -> None:
        """Reload, now or after the reload that is running, and call `done` with the outcome."""
        self._again.append(done)
        if self._running is None:
            self._start()

    def cancel(self) -> None:
        """Cancel the running reload and the one after it, because the daemon stops."""
        self._again.clear()
        if self._running is not None:
            self._running.cancel()
            self._running = None

    def _start(self) -> None:
        self._waiting, self._again = self._again, []
        self._running = Task(self._loop, self._begin(), self._on_done)

    def _on_done(self, outcome: Outcome) -> None:
        for done in self._waiting:
            done(outcome)
        self._running = None
        if self._again:
            self._start()
