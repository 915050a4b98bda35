"""One start, from the command line's wishes to the last log line: the list to read top to bottom."""

import faulthandler
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2

from netechod import __version__
from netechod.errors import (
    DictionaryIndexError,
    NetechodError,
    PermissionRefusedError,
    StoppedError,
    reason_of,
)
from netechod.process.app import App
from netechod.process.command_keys import with_keys
from netechod.process.config import Dictionary as Settings
from netechod.process.config_file import Loaded, load
from netechod.process.detach import Readiness, detach, ensure_stdio, settle_in
from netechod.process.dictionary_file import log_loaded
from netechod.process.dictionary_loader import Loader
from netechod.process.handover import inherit
from netechod.process.logs import Logs, journal_wanted
from netechod.process.notify import Notifier, extended, listen_fds
from netechod.process.pidfile import Pidfile
from netechod.process.privileges import drop_privileges, forbid_dumps
from netechod.process.slices import Work, finished
from netechod.process.sockets import Sockets, open_sockets, remove_control
from netechod.process.status import await_next_second
from netechod.reactor.children import Children
from netechod.reactor.loop import Loop
from netechod.reactor.signals import SignalSource
from netechod.services.dictionary import Dictionary, MemoryDictionary

GLANCE = 0.1  # seconds of loading between two looks whether we are to stop

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wishes:
    """What the command line asks for."""

    config: Path | None
    overrides: Sequence[str] = ()
    foreground: bool = False


def run(wishes: Wishes) -> None:
    """Start, serve, stop. Raises NetechodError when the start fails; its exit code is the program's.

    A start that detaches returns, or raises, in the daemon only: the starter's process ends in `detach`.
    """
    ensure_stdio()
    faulthandler.enable(2)  # a watchdog's SIGABRT then shows, in the journal, where the loop hangs
    loaded = with_keys(load(wishes.config, wishes.overrides))
    signals = SignalSource(SIGHUP, SIGUSR1, SIGUSR2, SIGTERM, SIGINT)  # before anybody knows whom to signal
    adopted = listen_fds()  # before any fork: they are passed to this process id
    legacy = inherit(adopted)
    start = _Start(loaded, foreground=wishes.foreground)
    try:
        with _explained():
            sockets = start.open_sockets(adopted)
            start.settle(sockets)
            dictionary = start.load_dictionary(signals)
            start.open_logs()
            app = App(loaded, sockets, dictionary, start.logs, start.notifier)
            app.inherit(legacy)
            for name in legacy.names:
                start.notifier.take_back(name)
            app.obey(signals)
        app.run(start.announce)
    except NetechodError as error:
        start.fail(error)
        raise
    except Exception:  # a defect: its traceback belongs in log.error, whoever started us
        log.critical("internal error, stopping", exc_info=True)
        raise
    finally:
        start.close()


@contextmanager
def _explained() -> Iterator[None]:
    """A system call that fails where nothing else is to be done about it ends the start, with a sentence."""
    try:
        yield
    except OSError as error:
        raise NetechodError(f"cannot start: {reason_of(error)}") from error


def _first_edition(loader: Loader, settings: Settings) -> Work[Dictionary]:
    """The dictionary, if need be without the index that it should have: better than none at all."""
    try:
        edition = yield from loader.load(settings)
    except DictionaryIndexError as error:
        log.warning("dictionary not indexed, its words are held in memory: %s", error)
        edition = yield from loader.in_memory(settings)
    return edition


class _Start:
    """What the steps of a start have in common."""

    def __init__(self, loaded: Loaded, *, foreground: bool) -> None:
        config = loaded.config
        self._config = config
        self._foreground = foreground
        self._sockets = Sockets()
        self._logs_open = False
        self._readiness = Readiness()
        self.notifier = Notifier()
        self.logs = Logs(
            directory=config.log.directory,
            level=config.log.level,
            format=config.log.format,
            copy_to=2 if foreground else None,
            journal=journal_wanted(config.log.journal),
        )
        log.info("netechod %s starts, configuration %s", __version__, loaded.path or "built in")
        self._pidfile = Pidfile(config.daemon.pidfile)
        self._pidfile.lock()  # before binding: a second instance must not get as far as to disturb the first

    def open_sockets(self, adopted: Mapping[str, Sequence[int]]) -> Sockets:
        """Adopt what was passed and bind the rest."""
        if self._config.command.enabled:
            await_next_second()
        self._sockets = open_sockets(self._config, adopted)
        return self._sockets

    def load_dictionary(self, signals: SignalSource) -> Dictionary:
        """Load it, as the user that we stay: start-up is the first reload, only a failure is fatal here."""
        section = self._config.dictionary
        if not section.enabled:
            return MemoryDictionary()
        begun = time.monotonic()
        loop = Loop()
        loader = Loader(Children(loop))

        def look_for_stop() -> None:
            if signals.noted(SIGTERM, SIGINT):
                loop.stop()
            loop.call_at(loop.now + GLANCE, look_for_stop)

        look_for_stop()
        try:
            with extended(self.notifier, loop):
                dictionary = finished(loop, _first_edition(loader, section))
        finally:
            loader.close()
            loop.close()
        if dictionary is None:
            raise StoppedError("stopped by a signal before the dictionary was loaded")
        log_loaded(dictionary, time.monotonic() - begun)
        return dictionary

    def settle(self, sockets: Sockets) -> None:
        """Become the process that stays, as the user that it stays."""
        if self._foreground:
            settle_in()
            self._pidfile.__enter__()
        else:
            self._readiness = detach(sockets.filenos(), self._pidfile)
        settings = self._config.daemon
        made = self._pidfile.made_directory
        drop_privileges(settings.user, settings.group, settings.control, *([made] if made else []))
        if self._config.command.enabled:
            forbid_dumps()  # after the change of user, which the kernel takes as a reason to allow them

    def open_logs(self) -> None:
        """From here on lines are written, those until now first."""
        self.logs.open()
        self._logs_open = True

    def announce(self, status: str) -> None:
        """Tell everybody who waits for it that the daemon serves."""
        log.info("ready: %s", status)
        self.notifier.ready(status)
        self._readiness.ready()

    def fail(self, error: NetechodError) -> None:
        """Say why, where the operator looks: the starter's stderr, and the logs."""
        level = logging.INFO if isinstance(error, StoppedError) else logging.CRITICAL
        log.log(level, "start failed: %s", str(error).partition("\n")[0])
        if self._sockets.control is not None:
            remove_control(self._config.daemon.control)
        if not self._logs_open and not isinstance(error, PermissionRefusedError):
            with suppress(NetechodError):  # then the sentence on stderr has to do
                drop_privileges(self._config.daemon.user, self._config.daemon.group)
                self.logs.open(copies=False)
        self._readiness.failed(error.exit_code or 1, str(error))

    def close(self) -> None:
        """The last lines are written, the name of the pidfile is gone."""
        self._pidfile.remove()
        self.logs.close()
