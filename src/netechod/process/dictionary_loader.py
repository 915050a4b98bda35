"""Loads the dictionary: a small one into memory, a large one by way of an index from another process."""

import logging
import stat
from pathlib import Path
from signal import SIGKILL

from netechod.errors import DictionaryError, DictionaryIndexError
from netechod.process import index_child
from netechod.process.config import Dictionary as Settings
from netechod.process.dictionary_file import CHANGED, Stamp, load_dictionary
from netechod.process.dictionary_index import IndexedDictionary, UnusableIndexError, open_index
from netechod.process.slices import Steps
from netechod.reactor.children import SIGNALLED, Children
from netechod.reactor.loop import Callback
from netechod.services.api import Ending, Job
from netechod.services.dictionary import Dictionary, MemoryDictionary

LIMIT = 540.0  # seconds for an index; `netechoctl reload` waits a bit longer

log = logging.getLogger(__name__)


class Loader:
    """Loads editions. It has its `children` to itself."""

    def __init__(self, children: Children) -> None:
        self._children = children
        self._closed = False

    def load(self, settings: Settings, current: Dictionary | None = None) -> Steps[Dictionary]:
        """Load the file in steps. An index that fits it is used at once, be it that of the `current` edition.

        Raises DictionaryError, at whatever step: DictionaryIndexError where the file may be well.
        """
        if settings.index is None or not is_large(settings):
            return (yield from in_memory(settings))
        edition = _found(settings, settings.index, current)
        if edition is not None:
            return edition
        ending = yield from self._build(settings)
        if ending.status == index_child.NO_PLACE:
            log.warning("dictionary not indexed, its words are held in memory: %s", _reason(ending))
            return (yield from in_memory(settings))
        return _built(settings, settings.index, ending)

    def verify(self, settings: Settings, on_mismatch: Callback) -> None:
        """Have the file's digest compared with the one in the index; call `on_mismatch` if they differ."""

        def done(ending: Ending) -> None:
            if self._closed or ending.status == index_child.DONE:
                return
            if ending.status == index_child.OTHER_SOURCE:
                log.warning("dictionary index was made of another %s; it is made anew", settings.file)
                on_mismatch()
            else:
                log.warning("dictionary index cannot be verified: %s", _reason(ending))

        self._children.spawn(_job(settings, verify=True), done)

    def close(self) -> None:
        """End what still runs; nobody wants to hear of it any more."""
        self._closed = True
        self._children.kill_all()

    def _build(self, settings: Settings) -> Steps[Ending]:
        """Have an index built, and wait for that."""
        endings: list[Ending] = []

        def build(go_on: Callback) -> None:
            def done(ending: Ending) -> None:
                endings.append(ending)
                go_on()

            self._children.spawn(_job(settings, verify=False), done)

        try:
            yield build
        except GeneratorExit:  # given up
            self._children.kill_all()
            raise
        return endings[0]


def in_memory(settings: Settings) -> Steps[MemoryDictionary]:
    """Load the file without an index, whatever its size."""
    return load_dictionary(settings.file, max_size=settings.max_size, strict=settings.strict)


def is_large(settings: Settings) -> bool:
    """Whether the file is one that an index is made of."""
    stamp = _stamp_of(settings)
    return settings.index is not None and stamp is not None and stamp.size >= settings.index_from


def fits(settings: Settings, edition: IndexedDictionary) -> bool:
    """Whether an edition is what loading the file would make, as far as can be told without reading it."""
    facts = edition.facts
    acceptable = facts.stamp.size <= settings.max_size and not (settings.strict and facts.skipped)
    return acceptable and facts.stamp == _stamp_of(settings)


def _job(settings: Settings, *, verify: bool) -> Job:
    task = index_child.Task(
        verify=verify,
        source=str(settings.file),
        index=str(settings.index),
        max_size=settings.max_size,
        strict=settings.strict,
    )
    return Job(task.argv, timeout=LIMIT, nice=index_child.NICENESS)


def _stamp_of(settings: Settings) -> Stamp | None:
    """The stamp of the dictionary's file; None for what cannot be read anyway."""
    try:
        status = settings.file.stat()
    except OSError:
        return None
    return Stamp.of(status) if stat.S_ISREG(status.st_mode) else None


def _found(settings: Settings, index: Path, current: Dictionary | None) -> IndexedDictionary | None:
    """The edition in the index that is there, if it is that of the file."""
    if isinstance(current, IndexedDictionary) and current.is_at(index):
        edition = current
    else:
        try:
            edition = open_index(index)
        except UnusableIndexError:
            return None
    if not fits(settings, edition):
        return None
    edition.proven = False
    log.info("dictionary index found %s", index)
    return edition


def _built(settings: Settings, index: Path, ending: Ending) -> IndexedDictionary:
    """The edition in the index that was to be built, or DictionaryError."""
    if ending.status == index_child.BAD_SOURCE:
        raise DictionaryError(_reason(ending))
    try:
        if ending.status != index_child.DONE:
            raise UnusableIndexError(_reason(ending))
        edition = open_index(index)
    except UnusableIndexError as error:
        raise DictionaryIndexError(f"no index could be built of {settings.file}: {error}") from None
    if not fits(settings, edition):
        raise DictionaryError(f"{settings.file}: {CHANGED}")
    edition.proven = True
    log.info("dictionary index built %s seconds=%.3f", index, ending.seconds)
    return edition


def _reason(ending: Ending) -> str:
    """Why a process has failed."""
    if ending.timed_out:
        return f"not done within {LIMIT:g} s"
    if ending.status > SIGNALLED:
        number = ending.status - SIGNALLED
        hint = ", for want of memory?" if number == SIGKILL else ""
        return f"the process was ended by signal {number}{hint}"
    lines = ending.output.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"the process ended with status {ending.status}"
