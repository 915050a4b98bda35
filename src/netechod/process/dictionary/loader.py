"""Loads the dictionary: a small one into memory, a large one as an index that another process builds."""

import logging
import stat
from functools import partial
from pathlib import Path
from signal import SIGKILL

from netechod.errors import DictionaryError, DictionaryIndexError
from netechod.process.config.schema import Dictionary as Settings
from netechod.process.dictionary import index_process as index_child
from netechod.process.dictionary.file import CHANGED, Stamp, load_dictionary
from netechod.process.dictionary.index import IndexedDictionary, TouchedIndexError, open_index
from netechod.process.dictionary.index_facts import UnusableIndexError
from netechod.reactor.jobs.children import SIGNALLED, Children
from netechod.reactor.loop import Callback, Timer
from netechod.reactor.tasks import Work
from netechod.services.api import Ending, Job
from netechod.services.dictionary.service import Dictionary, MemoryDictionary

LIMIT = 540.0  # seconds for an index; `netechoctl reload` waits a bit longer
INTERVAL = 1.0  # seconds between two looks at the file of the index that is in use

log = logging.getLogger(__name__)


class Loader:
    """Loads editions. Nobody else uses its `children`."""

    def __init__(self, children: Children) -> None:
        self._children = children
        self._closed = False
        self._timer: Timer | None = None

    def load(self, settings: Settings, current: Dictionary | None = None) -> Work[Dictionary]:
        """Load the file in steps. An index that fits it is used, be it that of the `current` edition.

        Raises DictionaryError at any step: DictionaryIndexError where the file may be good.
        """
        if settings.index is None or not is_large(settings):
            return (yield from in_memory(settings))
        edition = yield from self._found(settings, settings.index, current)
        if edition is not None:
            return edition
        ending = yield from self._run(settings, verify=False)
        try:
            if ending.status != index_child.NO_PLACE:
                return _built(settings, settings.index, ending)
            reason = _reason(ending)
        except DictionaryIndexError as error:
            if not isinstance(current, IndexedDictionary) or current.is_sound:
                raise
            reason = str(error)  # nothing is worse than to go on with a damaged index
        log.warning("dictionary not indexed, its words are held in memory: %s", reason)
        return (yield from in_memory(settings))

    def look_after(self, settings: Settings, edition: Dictionary, reload: Callback) -> None:
        """Watch the index of the edition that is in use from now on, and have it verified if it was found.

        Calls `reload` when the index proves to be damaged, or to be made of another file.
        """
        if self._timer is not None:
            self._timer.cancel()
        if isinstance(edition, IndexedDictionary):
            edition.on_damage = reload
            self._watch(edition)
            if not edition.proven:
                self.verify(settings, edition, reload)

    def _watch(self, edition: IndexedDictionary) -> None:
        """See every now and then whether somebody has written to the index."""
        edition.look()
        loop = self._children.loop
        self._timer = loop.call_at(loop.now + INTERVAL, partial(self._watch, edition))

    def verify(self, settings: Settings, edition: IndexedDictionary, on_mismatch: Callback) -> None:
        """Have the index of an edition in use verified.

        Calls `on_mismatch` when it was made of another file, and tells the edition of damage.
        """

        def done(ending: Ending) -> None:
            if self._closed or ending.status == index_child.DONE:
                return
            if ending.status == index_child.OTHER_SOURCE:
                log.warning("dictionary index was made of another %s; it is made anew", settings.file)
                on_mismatch()
            elif ending.status == index_child.DAMAGED:
                edition.note_damage("its bytes are not those that were written")
            else:
                log.warning("dictionary index cannot be verified: %s", _reason(ending))

        self._children.spawn(_job(settings, verify=True), done)

    def close(self) -> None:
        """End the processes that run. Nobody is told of their ends."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._children.kill_all()

    def _found(
        self, settings: Settings, index: Path, current: Dictionary | None
    ) -> Work[IndexedDictionary | None]:
        """The edition in the index that is there, if it is one of the file and not known to be damaged."""
        edition = yield from self._opened(settings, index, current)
        if edition is None:
            return None
        if not fits(settings, edition):
            if edition is not current:
                edition.close()
            return None
        log.info("dictionary index found %s", index)
        return edition

    def _opened(
        self, settings: Settings, index: Path, current: Dictionary | None
    ) -> Work[IndexedDictionary | None]:
        """The edition in the index that is there. One that somebody has written to is verified first."""
        if isinstance(current, IndexedDictionary) and current.is_at(index):
            current.proven = False
            current.look()
            return None if current.damaged else current
        try:
            return open_index(index)
        except TouchedIndexError as error:
            ending = yield from self._run(settings, verify=True)
            if ending.status != index_child.DONE:
                log.warning("dictionary index %s is not used: it %s", index, error)
                return None
            return _verified(index)
        except UnusableIndexError:
            return None

    def _run(self, settings: Settings, *, verify: bool) -> Work[Ending]:
        """Have an index built or verified, and wait for the end of that."""
        try:
            ending: Ending = yield partial(self._children.spawn, _job(settings, verify=verify))
        except GeneratorExit:  # given up
            self._children.kill_all()
            raise
        return ending


def in_memory(settings: Settings) -> Work[MemoryDictionary]:
    """Load the file without an index, whatever its size."""
    return load_dictionary(settings.file, max_size=settings.max_size, strict=settings.strict)


def is_large(settings: Settings) -> bool:
    """Whether the file is so large that its words are looked up in an index."""
    stamp = _stamp_of(settings)
    return settings.index is not None and stamp is not None and stamp.size >= settings.index_from


def fits(settings: Settings, edition: IndexedDictionary) -> bool:
    """Whether loading the file would make this edition, as far as one can tell without reading the file."""
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
    """The stamp of the dictionary's file; None when it is no regular file."""
    try:
        status = settings.file.stat()
    except OSError:
        return None
    return Stamp.of(status) if stat.S_ISREG(status.st_mode) else None


def _verified(index: Path) -> IndexedDictionary | None:
    """The edition in an index that was verified just now."""
    try:
        edition = open_index(index, verified=True)
    except UnusableIndexError:
        return None
    edition.proven = True
    return edition


def _built(settings: Settings, index: Path, ending: Ending) -> IndexedDictionary:
    """The edition in the index that was built. Raises DictionaryError when there is none."""
    if ending.status == index_child.BAD_SOURCE:
        raise DictionaryError(_reason(ending))
    try:
        if ending.status != index_child.DONE:
            raise UnusableIndexError(_reason(ending))
        edition = open_index(index)
    except UnusableIndexError as error:
        raise DictionaryIndexError(f"no index could be built of {settings.file}: {error}") from None
    if not fits(settings, edition):
        edition.close()
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
