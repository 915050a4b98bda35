"""A reload reads all files again, then replaces everything at once, or changes nothing and logs the reason.

It runs in steps; between two steps the loop serves. A thread reads the configuration and the keys, because
a disk or a user database on the network may be slow.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from netechod.errors import ConfigError, DictionaryError, NetechodError
from netechod.process.clock import wall_clock
from netechod.process.command.keys import with_keys
from netechod.process.config.load import Loaded, changed
from netechod.process.config.schema import LIVE_KEYS, Config
from netechod.process.control.status import Outcome
from netechod.process.dictionary.changes import Changes, check_loss, compared
from netechod.process.dictionary.file import log_loaded
from netechod.process.dictionary.loader import Loader
from netechod.reactor.background import Background
from netechod.reactor.loop import Loop
from netechod.reactor.tasks import Task, Work
from netechod.services.dictionary import Dictionary

PATIENCE = 60.0  # seconds that the configuration may take to be read

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
    edition: Dictionary
    changes: Changes


class Reading:
    """Reads configuration and dictionary again."""

    def __init__(self, loop: Loop, loader: Loader) -> None:
        self._loader = loader
        self._background = Background(loop, "reading the configuration", PATIENCE)

    def steps(self, loaded: Loaded, old: Dictionary) -> Work[Fresh]:
        """Read the files of `loaded` and `old` again. Raises ReloadError."""
        try:
            fresh = yield from self._background.call(lambda: with_keys(loaded.reread()))
        except NetechodError as error:
            summary = error.summary() if isinstance(error, ConfigError) else str(error)
            sentence = f"configuration reload failed, nothing changes: {summary}"
            raise ReloadError(sentence, summary, "daemon") from None
        section = fresh.config.dictionary
        if not section.enabled:
            return Fresh(fresh, old, Changes())
        try:
            edition = yield from self._loader.load(section, old)
            changes = yield from compared(old, edition)
            try:
                check_loss(changes, edition, section.max_skipped)
            except DictionaryError:
                edition.close()
                raise
        except DictionaryError as error:
            sentence = f"dictionary reload failed, {len(old)} entries stay in use: {error}"
            raise ReloadError(sentence, str(error), "dictionary") from None
        return Fresh(fresh, edition, changes)


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
            log_loaded(fresh.edition, time.monotonic() - begun)
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
        return Outcome(
            dictionary=fresh.changes,
            skipped=fresh.edition.skipped,
            lost=fresh.changes.removed,
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
