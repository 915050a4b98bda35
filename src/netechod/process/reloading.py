"""A reload: in slices, so that the loop serves between two of them; and what came of it."""

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass

from netechod.errors import ConfigError, DictionaryError, NetechodError
from netechod.process.command_keys import with_keys
from netechod.process.config_file import Loaded
from netechod.process.dictionary_file import load_dictionary
from netechod.reactor.loop import Loop
from netechod.services.dictionary import Dictionary

SLICE = 0.002  # seconds of reloading per turn of the loop; then every socket has its turn
STEP = 2000  # words compared in one step


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What the words of two editions have to do with one another."""

    before: int = 0
    after: int = 0
    added: int = 0
    removed: int = 0
    changed: int = 0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a reload did; with an `error` it did nothing."""

    error: str = ""
    when: float = 0.0  # seconds since the epoch
    seconds: float = 0.0
    dictionary: Changes = Changes()
    keys: tuple[str, ...] = ()  # of the configuration, that have changed and hold now
    waiting: tuple[str, ...] = ()  # that have changed and hold after a restart


class ReloadError(NetechodError):
    """A reload that changed nothing: a sentence for the log, the reason alone, and the service concerned."""

    def __init__(self, sentence: str, reason: str, service: str) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.service = service


def compared(old: Dictionary, new: Dictionary) -> Generator[None, None, Changes]:
    """Compare two editions, in steps; the value is the result."""
    added = changed = 0
    for number, (word, meaning) in enumerate(new.items(), 1):
        known = old.exact(word)
        if known is None:
            added += 1
        elif known != meaning:
            changed += 1
        if not number % STEP:
            yield
    removed = len(old) - (len(new) - added)
    return Changes(before=len(old), after=len(new), added=added, removed=removed, changed=changed)


@dataclass(frozen=True)
class Fresh:
    """What a reload has read, whole and beside what is in use."""

    loaded: Loaded
    edition: Dictionary
    changes: Changes


def read_again(loaded: Loaded, old: Dictionary) -> Generator[None, None, Fresh]:
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
        edition = yield from load_dictionary(section.file, max_size=section.max_size, strict=section.strict)
    except DictionaryError as error:
        sentence = f"dictionary reload failed, {len(old)} entries stay in use: {error}"
        raise ReloadError(sentence, str(error), "dictionary") from None
    changes = yield from compared(old, edition)
    return Fresh(fresh, edition, changes)


class Reloader:
    """Runs one reload at a time, step by step; asked again meanwhile, however often, it runs once more."""

    def __init__(self, loop: Loop, begin: Callable[[], Generator[None, None, Outcome]]) -> None:
        self._loop = loop
        self._begin = begin
        self._steps: Generator[None, None, None] | None = None
        self._waiting: list[Callable[[Outcome], None]] = []  # for the reload that runs
        self._again: list[Callable[[Outcome], None]] | None = None  # for the one after it

    def request(self, done: Callable[[Outcome], None] = lambda outcome: None) -> None:
        """Reload, now or after the reload that is running, and call `done` with what came of it."""
        if self._steps is None:
            self._waiting = [done]
            self._steps = self._run()
            self._loop.call_soon(self._slice)
        elif self._again is None:
            self._again = [done]
        else:
            self._again.append(done)

    def cancel(self) -> None:
        """Give up the reload that is running, and any after it: the daemon stops."""
        if self._steps is not None:
            self._steps.close()
        self._steps = self._again = None

    def _run(self) -> Generator[None, None, None]:
        outcome = yield from self._begin()
        for done in self._waiting:
            done(outcome)

    def _slice(self) -> None:
        """Take steps for the length of a slice."""
        if self._steps is None:
            return  # cancelled meanwhile
        end = time.perf_counter() + SLICE
        for _ in self._steps:
            if time.perf_counter() >= end:
                self._loop.call_soon(self._slice)
                return
        self._steps = None
        if self._again is not None:
            self._waiting, self._again = self._again, None
            self._steps = self._run()
            self._loop.call_soon(self._slice)
