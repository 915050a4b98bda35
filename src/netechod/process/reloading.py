"""A reload: in slices, so that the loop serves between two of them; and what came of it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from netechod.errors import ConfigError, DictionaryError, NetechodError
from netechod.process.command_keys import with_keys
from netechod.process.config_file import Loaded
from netechod.process.dictionary_changes import Changes, check_loss, compared
from netechod.process.dictionary_loader import Loader
from netechod.process.slices import Task, Work
from netechod.reactor.loop import Loop
from netechod.services.dictionary import Dictionary


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a reload did; with an `error` it did nothing."""

    error: str = ""
    when: float = 0.0  # seconds since the epoch
    seconds: float = 0.0
    dictionary: Changes = field(default_factory=Changes)
    skipped: int = 0  # lines of the dictionary that are no entries
    lost: int = 0  # words that were in use and are none any more
    keys: tuple[str, ...] = ()  # of the configuration, that have changed and hold now
    waiting: tuple[str, ...] = ()  # that have changed and hold after a restart


class ReloadError(NetechodError):
    """A reload that changed nothing: a sentence for the log, the reason alone, and the service concerned."""

    def __init__(self, sentence: str, reason: str, service: str) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.service = service


@dataclass(frozen=True)
class Fresh:
    """What a reload has read, whole and beside what is in use."""

    loaded: Loaded
    edition: Dictionary
    changes: Changes


def read_again(loaded: Loaded, old: Dictionary, loader: Loader) -> Work[Fresh]:
    """Read configuration and dictionary anew, in steps. Raises ReloadError with a sentence for the log."""
    try:
        fresh = with_keys(loaded.reread())
    except ConfigError as error:
        summary = error.summary()
        sentence = f"configuration reload failed, nothing changes: {summary}"
        raise ReloadError(sentence, summary, "daemon") from None
    section = fresh.config.dictionary
    if not section.enabled:
        return Fresh(fresh, old, Changes())
    try:
        edition = yield from loader.load(section, old)
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


class Reloader:
    """Runs one reload at a time, in slices; asked again meanwhile, however often, it runs once more."""

    def __init__(self, loop: Loop, begin: Callable[[], Work[Outcome]]) -> None:
        self._loop = loop
        self._begin = begin
        self._running: Task[Outcome] | None = None
        self._waiting: list[Callable[[Outcome], None]] = []  # for the reload that runs
        self._again: list[Callable[[Outcome], None]] = []  # for the one after it

    def request(self, done: Callable[[Outcome], None] = lambda outcome: None) -> None:
        """Reload, now or after the reload that is running, and call `done` with what came of it."""
        self._again.append(done)
        if self._running is None:
            self._start()

    def cancel(self) -> None:
        """Give up the reload that is running, and any after it: the daemon stops."""
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
