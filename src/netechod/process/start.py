"""One start, from the command line to the last log line: the list to read top to bottom."""

import faulthandler
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2

from netechod import __version__
from netechod.errors import (
    ConfigError,
    DictionaryIndexError,
    NetechodError,
    PermissionRefusedError,
    StoppedError,
    reason_of,
)
from netechod.process.app import App
from netechod.process.command.keys import with_keys
from netechod.process.config.listeners import enabled
from netechod.process.config.load import Loaded, load
from netechod.process.config.schema import Dictionary as Settings
from netechod.process.dictionary.file import log_loaded
from netechod.process.dictionary.loader import Loader
from netechod.process.listeners import Sockets, open_sockets
from netechod.process.log.writer import Logs, journal_wanted
from netechod.process.services import service_class
from netechod.process.unix.control_socket import remove_control
from netechod.process.unix.daemonize import Readiness, detach, ensure_stdio, outlive_terminal, settle_in
from netechod.process.unix.handover import inherit
from netechod.process.unix.pidfile import Pidfile
from netechod.process.unix.privileges import become, forbid_dumps, identity_of
from netechod.process.unix.service_manager import Notifier, extended, listen_fds
from netechod.reactor.jobs.children import Children
from netechod.reactor.loop import Loop
from netechod.reactor.signals import SignalSource
from netechod.reactor.tasks import Work, finished
from netechod.services.dictionary import Dictionary, MemoryDictionary

GLANCE = 0.1  # seconds of loading between two looks whether we are to stop

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wishes:
    """The options of the command line."""

    config: Path | None
    overrides: Sequence[str] = ()
    foreground: bool = False


def run(wishes: Wishes) -> None:
    """Start, serve, stop. Raises NetechodError when the start fails; its exit code is the program's.

    A start that detaches returns, or raises, in the daemon only: the starter's process ends in `detach`.
    """
    signals = _prepare()
    notifier = Notifier()
    try:
        _run(wishes, signals, notifier)
    except NetechodError as error:
        notifier.status(f"not running: {_first_line(error)}")
        raise
    except Exception:  # a defect; `_run` has logged its traceback
        notifier.status("not running: internal error, see log.error")
        raise


def _run(wishes: Wishes, signals: SignalSource, notifier: Notifier) -> None:
    """The steps of `run`, each of which may fail."""
    loaded = with_keys(load(wishes.config, wishes.overrides))
    adopted = listen_fds()  # before any fork: they are passed to this process id
    start = _Start(loaded, notifier, foreground=wishes.foreground)
    try:
        with _explained():
            legacy = inherit(adopted)
            sockets = start.open_sockets(adopted)
            start.settle(sockets)
            dictionary = start.load_dictionary(signals)
            start.open_logs()
            app = App(loaded, sockets, dictionary, start.logs, notifier)
            app.inherit(legacy)
            for name in legacy.names:
                notifier.take_back(name)
            app.watch_names(start.pidfile)
            app.obey(signals)
        app.run(start.announce)
    except NetechodError as error:
        start.fail(error)
        raise
    except Exception:
        log.critical("internal error, stopping", exc_info=True)
        raise
    finally:
        start.close()


def _first_line(error: NetechodError) -> str:
    """The error in one line, without its pictures and hints."""
    return error.summary() if isinstance(error, ConfigError) else str(error).partition("\n")[0]


def _prepare() -> SignalSource:
    """Put inherited state in order, first of all: descriptors, umask, signals."""
    ensure_stdio()
    os.umask(0o022)  # of directories that are missing on the way to ours; `settle_in` has the one that stays
    faulthandler.enable(2)  # a watchdog's SIGABRT then shows, in the journal, where the loop hangs
    signals = SignalSource(SIGHUP, SIGUSR1, SIGUSR2, SIGTERM, SIGINT)
    outlive_terminal()
    return signals


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
    """The steps of a start, and the state that they share."""

    def __init__(self, loaded: Loaded, notifier: Notifier, *, foreground: bool) -> None:
        config = loaded.config
        self._config = config
        self._explicit = loaded.origins.keys()
        self._foreground = foreground
        self._sockets = Sockets()
        self._logs_open = False
        self._readiness = Readiness()
        self.notifier = notifier
        self.logs = Logs(
            directory=config.log.directory,
            level=config.log.level,
            format=config.log.format,
            copy_to=2 if foreground else None,
            journal=journal_wanted(config.log.journal),
        )
        log.info("netechod %s starts, configuration %s", __version__, loaded.path or "built in")
        self._identity = identity_of(config.daemon.user, config.daemon.group)
        self.pidfile = Pidfile(config.daemon.pidfile, self._identity)
        self.pidfile.lock()  # before binding: a second instance must not get as far as to disturb the first

    def open_sockets(self, adopted: Mapping[str, Sequence[int]]) -> Sockets:
        """Adopt the passed sockets and bind the others."""
        for listener in enabled(self._config):
            service_class(listener).prepare(self._config)
        self._sockets = open_sockets(self._config, adopted, self._identity, self._explicit)
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
            self.pidfile.__enter__()
        else:
            self._readiness = detach(sockets.filenos(), self.pidfile)
        become(self._identity)
        if self._config.command.enabled:
            forbid_dumps()  # after the change of user, which the kernel takes as a reason to allow them

    def open_logs(self) -> None:
        """From here on lines are written, those until now first."""
        self.logs.open()
        self._logs_open = True

    def announce(self, status: str) -> None:
        """Tell the log, the service manager and the starter that the daemon serves."""
        log.info("ready: %s", status)
        self.notifier.ready(status)
        self._readiness.ready("\nnetechod: warning: ".join(self._sockets.complaints))

    def fail(self, error: NetechodError) -> None:
        """Say why, where the operator looks: the starter's stderr, and the logs."""
        level = logging.INFO if isinstance(error, StoppedError) else logging.CRITICAL
        log.log(level, "start failed: %s", _first_line(error))
        if self._sockets.control is not None:
            remove_control(self._config.daemon.control, self._identity)
        if not self._logs_open and not isinstance(error, PermissionRefusedError):
            with suppress(NetechodError):  # then the sentence on stderr has to do
                become(self._identity)
                self.logs.open(copies=False)
        self._readiness.failed(error.exit_code or 1, str(error))

    def close(self) -> None:
        """The last lines are written, the name of the pidfile is gone."""
        self.pidfile.remove()
        self.logs.close()
