"""One run of the daemon, from the command line to the last log line, in the order of its steps."""

import faulthandler
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
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
from netechod.process.dictionary.editions import Editions, load_all, log_all
from netechod.process.dictionary.loader import Loader
from netechod.process.listeners import Sockets, open_sockets
from netechod.process.log.sinks import journal_wanted
from netechod.process.log.writer import Logs
from netechod.process.services import service_class
from netechod.process.unix.control_socket import remove_control
from netechod.process.unix.daemonize import Readiness, detach, ensure_stdio, outlive_terminal, settle_in
from netechod.process.unix.handover import inherit
from netechod.process.unix.pidfile import Pidfile
from netechod.process.unix.privileges import become, forbid_dumps, identity_of
from netechod.process.unix.service_manager import Notifier, extended, listen_fds, taker
from netechod.reactor.jobs.children import Children
from netechod.reactor.loop import Loop
from netechod.reactor.signals import SignalSource
from netechod.reactor.tasks import Work, finished
from netechod.services.dictionary.service import Dictionary, MemoryDictionary

GLANCE = 0.1  # seconds between two checks for a stop signal while the dictionary is loaded

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """The options of the command line."""

    config: Path | None
    overrides: Sequence[str] = ()
    foreground: bool = False


def run(options: Options) -> None:
    """Start, serve and stop. Raises NetechodError when the start fails, with the exit code of the program.

    A start that detaches returns or raises only in the daemon. The starter's process ends in `detach`.
    """
    signals = _prepare()
    notifier = Notifier()
    try:
        _run(options, signals, notifier)
    except NetechodError as error:
        notifier.status(f"not running: {_first_line(error)}")
        raise
    except Exception:  # a defect; `_run` has logged its traceback
        notifier.status("not running: internal error, see log.error")
        raise


def _run(options: Options, signals: SignalSource, notifier: Notifier) -> None:
    """Do the steps of `run`. Each of them may fail."""
    loaded = with_keys(load(options.config, options.overrides), bus_may_fail=True)
    adopted = listen_fds()  # before any fork: they are passed to this process id
    start = _Start(loaded, notifier, foreground=options.foreground)
    try:
        with _explained():
            incoming = inherit(adopted)
            sockets = start.open_sockets(adopted)
            start.settle(sockets)
            editions = start.load_dictionaries(signals)
            start.open_logs()
            app = App(loaded, sockets, editions, start.logs, notifier)
            app.inherit(incoming)
            for name in incoming.names:
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
    """Return the error in one line, without hints and lines of files."""
    return error.summary() if isinstance(error, ConfigError) else str(error).partition("\n")[0]


def _prepare() -> SignalSource:
    """Repair inherited descriptors, umask and signals. This comes first."""
    ensure_stdio()
    os.umask(0o022)  # for missing directories above ours; `settle_in` sets the final one
    faulthandler.enable(2)  # when a watchdog sends SIGABRT, the journal then shows where the loop hangs
    signals = SignalSource(SIGHUP, SIGUSR1, SIGUSR2, SIGTERM, SIGINT)
    outlive_terminal()
    return signals


@contextmanager
def _explained() -> Iterator[None]:
    """Turn an OSError that nobody handles into a failed start with a sentence."""
    try:
        yield
    except OSError as error:
        raise NetechodError(f"cannot start: {reason_of(error)}") from error


def _first_edition(loader: Loader, settings: Settings, _: Dictionary | None) -> Work[Dictionary]:
    """Load a dictionary. If its index cannot be made, load it into memory."""
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
        journal = journal_wanted(config.log.journal)
        if not (foreground or journal or config.log.directory):
            raise ConfigError(
                "error: log.directory: is empty, and a detached daemon has no standard error to log to\n"
                "  = hint: start it with --foreground, or name a directory"
            )
        self.notifier = notifier
        self.logs = Logs(
            directory=config.log.directory,
            level=config.log.level,
            format=config.log.format,
            copy_to=2 if foreground else None,
            journal=journal,
        )
        log.info("netechod %s starts, configuration %s", __version__, loaded.path or "built in")
        log.info("sockets passed by systemd are taken by %s", taker())
        self._identity = identity_of(config.daemon.user, config.daemon.group)
        path = config.daemon.pidfile
        self.pidfile = None if path is None else Pidfile(path, self._identity)
        if self.pidfile is not None:
            self.pidfile.lock()  # before binding, so that a second instance cannot disturb the first

    def open_sockets(self, adopted: Mapping[str, Sequence[int]]) -> Sockets:
        """Adopt the passed sockets and bind the others."""
        for listener in enabled(self._config):
            service_class(listener).prepare(self._config)
        self._sockets = open_sockets(self._config, adopted, self._identity, self._explicit)
        return self._sockets

    def load_dictionaries(self, signals: SignalSource) -> Editions:
        """Load them as the daemon's user, as a reload does. Raises NetechodError if that fails."""
        section = self._config.dictionary
        if not section.enabled:
            return {section.name: MemoryDictionary()}
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
                editions = finished(loop, load_all(partial(_first_edition, loader), section.all, {}))
        finally:
            loader.close()
            loop.close()
        if editions is None:
            raise StoppedError("stopped by a signal before the dictionary was loaded")
        log_all(editions, time.monotonic() - begun)
        return editions

    def settle(self, sockets: Sockets) -> None:
        """Become the daemon's process, and then the daemon's user."""
        if self._foreground:
            settle_in()
            if self.pidfile is not None:
                self.pidfile.__enter__()
        else:
            self._readiness = detach(sockets.filenos(), self.pidfile)
        become(self._identity)
        if self._config.command.enabled:
            forbid_dumps()  # after the change of user, which resets it (prctl(2))

    def open_logs(self) -> None:
        """Start writing log lines, first those that wait in memory."""
        self.logs.open()
        self._logs_open = True

    def announce(self, status: str) -> None:
        """Tell the log, the service manager and the starter that the daemon serves."""
        log.info("ready: %s", status)
        self.notifier.ready(status)
        self._readiness.ready("\nnetechod: warning: ".join(self._sockets.complaints))

    def fail(self, error: NetechodError) -> None:
        """Report the error to the logs and to the starter, which prints it."""
        level = logging.INFO if isinstance(error, StoppedError) else logging.CRITICAL
        log.log(level, "start failed: %s", _first_line(error))
        if self._config.daemon.control is not None and self._sockets.control is not None:
            remove_control(self._config.daemon.control, self._identity)
        if not self._logs_open and not isinstance(error, PermissionRefusedError):
            with suppress(NetechodError):  # without logs, stderr alone has the sentence
                become(self._identity)
                self.logs.open(copies=False)
        self._readiness.failed(error.exit_code or 1, str(error))

    def close(self) -> None:
        """Remove the pidfile and write the last log lines."""
        if self.pidfile is not None:
            self.pidfile.remove()
        self.logs.close()
