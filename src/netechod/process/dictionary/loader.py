"""Loads the dictionary: a small one into memory, a large one as an index that another process builds.

Files are opened and read on threads and in processes: the loop never waits for a disk. It only waits for the
pages of an index that it maps, while it looks words up.
"""

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from signal import SIGKILL
from typing import TypeVar

from netechod.errors import DictionaryError, DictionaryFormatError, DictionaryIndexError, NetechodError
from netechod.process.config.schema import Dictionary as Settings
from netechod.process.dictionary import index_process as index_child
from netechod.process.dictionary.file import CHANGED, Stamp, parsed, read_blocks, stamp_of
from netechod.process.dictionary.foreign.advice import explained
from netechod.process.dictionary.index import IndexedDictionary, TouchedIndexError, open_index
from netechod.process.dictionary.index_facts import UnusableIndexError
from netechod.reactor.background import Background, TooLongError
from netechod.reactor.jobs.children import SIGNALLED, Children
from netechod.reactor.loop import Callback
from netechod.reactor.tasks import Task, Work
from netechod.services.api import Ending, Job
from netechod.services.dictionary.parser import Rules
from netechod.services.dictionary.service import Dictionary, MemoryDictionary
from netechod.services.dictionary.tabfile import is_tabfile

LIMIT = 540.0  # seconds for an index; `netechoctl reload` waits a bit longer
INTERVAL = 1.0  # seconds between two looks at the file of the index that is in use
PATIENCE = 30.0  # seconds that a disk may take to answer
SLOWEST = 1 << 20  # bytes a second that a disk delivers at least, beyond that

TOUCHED = "somebody has written to it"
OTHER = "dictionary index was made of another %s; it is made anew"

log = logging.getLogger(__name__)

T = TypeVar("T")


class Loader:
    """Loads editions. Nobody else uses its `children`."""

    def __init__(self, children: Children) -> None:
        loop = children.loop
        self._children = children
        self._closed = False
        self._watching: list[Task[None]] = []
        self._reader = Background(loop, "reading the dictionary", PATIENCE)
        self._opener = Background(loop, "opening the dictionary's index", PATIENCE)
        self._watcher = Background(loop, "looking at the dictionary's index", PATIENCE)

    def load(self, settings: Settings, current: Dictionary | None = None) -> Work[Dictionary]:
        """Load the file in steps. An index that fits it is used, be it that of the `current` edition.

        Raises DictionaryError at any step: DictionaryIndexError where the file may be good.
        """
        stamp = yield from self._stamp(settings)
        if settings.index is None or stamp is None or not is_large(settings, stamp):
            return (yield from self.in_memory(settings))
        edition = yield from self._found(settings, stamp, settings.index, current)
        if edition is not None:
            return edition
        ending = yield from self._run(settings, verify=False)
        try:
            if ending.status != index_child.NO_PLACE:
                return (yield from self._built(settings, settings.index, ending))
            reason = _reason(ending)
        except DictionaryIndexError as error:
            if not isinstance(current, IndexedDictionary) or not current.damaged:
                raise
            reason = str(error)  # nothing is worse than to go on with a damaged index
        log.warning("dictionary not indexed, its words are held in memory: %s", reason)
        return (yield from self.in_memory(settings))

    def in_memory(self, settings: Settings) -> Work[MemoryDictionary]:
        """Load the file without an index, whatever its size. Raises DictionaryError at any step."""
        file = settings.file
        stamp = yield from self._stamp(settings)
        limit = PATIENCE + (stamp.size if stamp else 0) / SLOWEST
        blocks = yield from self._read(file, partial(read_blocks, file, max_size=settings.max_size), limit)
        try:
            return (yield from parsed(file, blocks, rules_of(settings)))
        except DictionaryFormatError as error:
            blocks.clear()
            reason = error
        raise (yield from self._read(file, partial(explained, reason, file), limit))

    def _stamp(self, settings: Settings) -> Work[Stamp | None]:
        """The stamp of the dictionary's file."""
        return self._read(settings.file, partial(stamp_of, settings.file))

    def _read(self, file: Path, function: Callable[[], T], limit: float | None = None) -> Work[T]:
        """Call a function that reads `file`. Raises DictionaryError when the disk does not answer."""
        try:
            return (yield from self._reader.call(function, limit))
        except TooLongError as error:
            raise DictionaryError(f"{file}: {error}") from None

    def look_after(self, in_use: Iterable[tuple[Settings, Dictionary]], reload: Callback) -> None:
        """Watch the indexes of the editions in use from now on, and have those verified that were found.

        Calls `reload` when an index proves to be damaged, or to be made of another file.
        """
        self._stop_watching()
        for settings, edition in in_use:
            if isinstance(edition, IndexedDictionary):
                edition.on_damage = reload
                watch = self._watch(settings, edition, reload)
                self._watching.append(Task(self._children.loop, watch, lambda _: None))
                if not edition.proven:
                    self.verify(settings, edition, reload)

    def _stop_watching(self) -> None:
        while self._watching:
            self._watching.pop().cancel()

    def _watch(self, settings: Settings, edition: IndexedDictionary, reload: Callback) -> Work[None]:
        """Check every now and then whether somebody has written to the index."""
        while not edition.damaged:
            with suppress(
                NetechodError
            ):  # its disk does not answer, or there are no more threads: later, then
                if (yield from self._watcher.call(edition.is_touched)):
                    edition.note_damage(TOUCHED)
                elif (yield from self._watcher.call(edition.was_changed)):
                    self.verify(settings, edition, reload)
            yield self._pause

    def _pause(self, resume: Callback) -> None:
        """Wait for the next look."""
        loop = self._children.loop
        loop.call_at(loop.now + INTERVAL, resume)

    def verify(self, settings: Settings, edition: IndexedDictionary, on_mismatch: Callback) -> None:
        """Have the index of an edition in use verified.

        Calls `on_mismatch` when it was made of another file, and tells the edition of damage.
        """

        def done(ending: Ending) -> None:
            if self._closed or ending.status == index_child.DONE:
                return
            if ending.status == index_child.OTHER_SOURCE:
                log.warning(OTHER, settings.file)
                on_mismatch()
            elif ending.status == index_child.DAMAGED:
                edition.note_damage("its bytes are not those that were written")
            else:
                log.warning("dictionary index cannot be verified: %s", _reason(ending))

        self._children.spawn(_job(settings, verify=True), done)

    def close(self) -> None:
        """End the processes that run. Nobody is told of their ends."""
        self._closed = True
        self._stop_watching()
        self._children.kill_all()

    def _found(
        self, settings: Settings, stamp: Stamp, index: Path, current: Dictionary | None
    ) -> Work[IndexedDictionary | None]:
        """The edition in the index that is there, if it is one of the file and not known to be damaged."""
        edition = yield from self._opened(settings, index, current)
        if edition is None:
            return None
        usable = fits(settings, stamp, edition)
        if usable and edition.facts.stamp != stamp:
            # Another file has got the name, or this one another content with the old time.
            usable = edition.proven = yield from self._verify_now(settings)
        if not usable:
            if edition is not current:
                edition.close()
            return None
        log.info("dictionary index found %s", index)
        return edition

    def _opened(
        self, settings: Settings, index: Path, current: Dictionary | None
    ) -> Work[IndexedDictionary | None]:
        """The edition in the index that is there. One that somebody has written to is verified first."""
        if isinstance(current, IndexedDictionary) and (yield from self._open(partial(current.is_at, index))):
            current.proven = False
            if (yield from self._open(current.is_touched)):
                current.note_damage(TOUCHED)
            return None if current.damaged else current
        try:
            return (yield from self._open(partial(open_index, index)))
        except TouchedIndexError as error:
            if (yield from self._verify_now(settings)):
                return (yield from self._open(partial(_verified, index)))
            log.warning("dictionary index %s is not used: it %s", index, error)
            return None
        except UnusableIndexError:
            return None

    def _open(self, function: Callable[[], T]) -> Work[T]:
        """Call a function that opens the index. Raises DictionaryIndexError when its disk does not answer."""
        try:
            return (yield from self._opener.call(function))
        except TooLongError as error:
            raise DictionaryIndexError(str(error)) from None

    def _verify_now(self, settings: Settings) -> Work[bool]:
        """Have the index verified. Whether it is whole, and one of the file."""
        ending = yield from self._run(settings, verify=True)
        if ending.status == index_child.OTHER_SOURCE:
            log.warning(OTHER, settings.file)
        return ending.status == index_child.DONE

    def _built(self, settings: Settings, index: Path, ending: Ending) -> Work[IndexedDictionary]:
        """The edition in the index that was built. Raises DictionaryError when there is none."""
        if ending.status == index_child.BAD_SOURCE:
            raise DictionaryError(_reason(ending))
        try:
            if ending.status != index_child.DONE:
                raise UnusableIndexError(_reason(ending))
            edition = yield from self._open(partial(open_index, index))
        except UnusableIndexError as error:
            raise DictionaryIndexError(f"no index could be built of {settings.file}: {error}") from None
        stamp = yield from self._stamp(settings)
        if stamp != edition.facts.stamp:
            edition.close()
            raise DictionaryError(f"{settings.file}: {CHANGED}")
        edition.proven = True
        log.info("dictionary index built %s seconds=%.3f", index, ending.seconds)
        return edition

    def _run(self, settings: Settings, *, verify: bool) -> Work[Ending]:
        """Have an index built or verified, and wait for the end of that."""
        try:
            ending: Ending = yield partial(self._children.spawn, _job(settings, verify=verify))
        except GeneratorExit:  # given up
            self._children.kill_all()
            raise
        return ending


def rules_of(settings: Settings) -> Rules:
    """What the file has to be like."""
    form = settings.format
    if form == "auto":
        form = "tsv" if is_tabfile(settings.file.name) else "lines"
    return Rules(
        strict=settings.strict,
        max_skipped=settings.max_skipped,
        max_reply=settings.max_reply,
        format=form,
    )


def is_large(settings: Settings, stamp: Stamp) -> bool:
    """Whether the file with this stamp is so large that its words are looked up in an index."""
    return settings.index is not None and stamp.size >= settings.index_from


def fits(settings: Settings, stamp: Stamp, edition: IndexedDictionary) -> bool:
    """Whether loading the file with this stamp would make this edition, as far as the stamp tells."""
    facts = edition.facts
    if facts.stamp.size > settings.max_size or (settings.strict and facts.skipped):
        return False
    if edition.doubt > settings.max_skipped or facts.source_format != rules_of(settings).format:
        return False
    return facts.max_reply == settings.max_reply and facts.stamp.resembles(stamp)


def _job(settings: Settings, *, verify: bool) -> Job:
    task = index_child.Task(
        verify=verify,
        source=str(settings.file),
        index=str(settings.index),
        max_size=settings.max_size,
        rules=rules_of(settings),
    )
    return Job(task.argv, timeout=LIMIT, nice=index_child.NICENESS)


def _verified(index: Path) -> IndexedDictionary | None:
    """The edition in an index that was verified just now."""
    try:
        edition = open_index(index, verified=True)
    except UnusableIndexError:
        return None
    edition.proven = True
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
