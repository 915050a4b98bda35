"""The composition root: builds the house out of its configuration, and is what the signals talk to."""

import gc
import logging
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from netechod import __version__
from netechod.process.commands import commands
from netechod.process.config_file import Loaded, changed, needs_restart
from netechod.process.control import ControlServer
from netechod.process.dictionary_file import log_loaded
from netechod.process.dictionary_index import IndexedDictionary
from netechod.process.dictionary_loader import Loader
from netechod.process.handover import Estate, Legacy
from netechod.process.house import House
from netechod.process.logs import Logs
from netechod.process.metrics import serve
from netechod.process.notify import Notifier, extended
from netechod.process.reloading import Fresh, Outcome, Reloader, ReloadError, read_again
from netechod.process.slices import Work
from netechod.process.sockets import Sockets, remove_control
from netechod.process.status import DictionaryStatus, Presence, Status, wall_clock
from netechod.reactor.children import Children
from netechod.reactor.loop import Callback, Loop
from netechod.reactor.selectors import SELECTORS
from netechod.reactor.signals import SignalSource
from netechod.services.dictionary import Dictionary

HAND_OVER_PATIENCE = 1.0  # seconds: who has not taken what it is owed by then gets it from our successor

log = logging.getLogger(__name__)


class App:
    """The running daemon. Every method is an event: a signal's, a timer's or the service manager's."""

    def __init__(
        self, loaded: Loaded, sockets: Sockets, dictionary: Dictionary, logs: Logs, notifier: Notifier
    ) -> None:
        config = loaded.config
        self.loop = Loop(SELECTORS[config.daemon.selector]())
        self._started = time.monotonic()
        self._generation = 1
        self._loaded_at = wall_clock()
        self._house = House(self.loop, loaded, sockets, dictionary)
        self._last_reload: Outcome | None = None
        self._loaded = loaded
        self._at_start = config
        self._sockets = sockets
        self._listeners = [(service, str(address)) for service, address in sockets.bound]
        self._logs = logs
        self._notifier = notifier
        self._loader = Loader(Children(self.loop))
        self._reloader = Reloader(self.loop, self._reload_steps)
        self._stopping = ""
        self._signals: SignalSource | None = None
        self._estate = Estate() if notifier.keeps else None
        if self._estate is not None and not self._house.hands_over:
            log.warning(
                "TCP connections end at a restart: echo.tcp.model = %s keeps none", config.echo.tcp.model
            )
        self._control = (
            ControlServer(self.loop, sockets.control, commands(self), {0, os.geteuid()})
            if sockets.control is not None
            else None
        )

    def obey(self, signals: SignalSource) -> None:
        """Have the signals delivered here, those first that have come already."""
        handlers: dict[signal.Signals, Callback] = {
            signal.SIGHUP: self.reload,
            signal.SIGUSR1: self.reopen_logs,
            signal.SIGUSR2: self.report,
            signal.SIGTERM: partial(self.stop, "SIGTERM"),
            signal.SIGINT: partial(self.stop_now, "SIGINT"),
        }
        signals.deliver_to(self.loop, handlers)
        self._signals = signals

    def run(self, announce: Callable[[str], None]) -> None:
        """Serve until told to stop. `announce` is given the first status, when everything serves."""
        if self._notifier.watchdog_interval is not None:
            self._feed_watchdog(self._notifier.watchdog_interval)
        if addresses := self._at_start.metrics.listen:
            serve(addresses, self.loop, self.status)
        self._loader.look_after(self._loaded.config.dictionary, self.edition, self.reload)
        gc.collect()
        gc.freeze()  # what start-up made stays for good: the collector need never look at it again
        announce(self.status().line())
        self.loop.run()
        self._leave()
        if self._signals is not None:
            self._signals.close()
        self.loop.close()
        log.info("stopped reason=%s", self._stopping)

    def inherit(self, legacy: Legacy) -> None:
        """Go on where the process before us has stopped."""
        self._house.inherit(legacy)

    def _leave(self) -> None:
        """Give everything back, or to the process after us."""
        self._reloader.cancel()
        self._loader.close()
        self._house.close()
        if self._control is not None:
            remove_control(self._at_start.daemon.control)
            self._control.close()
        if self._estate is not None:
            self._house.leave_members(self._estate)
            self._estate.leave(self._notifier)

    @property
    def edition(self) -> Dictionary:
        """The dictionary in use."""
        return self._house.dictionary.dictionary

    def status(self) -> Status:
        """What is going on right now."""
        return Status(
            version=__version__,
            pid=os.getpid(),
            uptime=time.monotonic() - self._started,
            config=str(self._loaded.base / self._loaded.path) if self._loaded.path else "",
            listeners=self._listeners,
            counters=self._house.counters(),
            connections=self._house.connections,
            dictionary=self._dictionary_status() if "dictionary" in self._house.udp else None,
            members=self._house.member_count,
            commands=None if self._house.commands is None else self._house.commands.running,
            log_lost=self._logs.lost,
            last_reload=self._last_reload,
        )

    def _dictionary_status(self) -> DictionaryStatus:
        return DictionaryStatus(
            file=str(self._loaded.config.dictionary.file),
            entries=len(self.edition),
            skipped=self.edition.skipped,
            sha256=self.edition.sha256,
            store="index" if isinstance(self.edition, IndexedDictionary) else "memory",
            generation=self._generation,
            loaded=self._loaded_at,
        )

    def members(self) -> Sequence[Presence]:
        """Who is online in the chat."""
        return self._house.members()

    def reload(self, done: Callable[[Outcome], None] = lambda outcome: None) -> None:
        """Read configuration and dictionary again; what is wrong with them leaves everything as it was."""
        if self._stopping:  # there is nothing left that could be given the settings
            done(Outcome(error="the daemon is stopping"))
        else:
            self._reloader.request(done)

    def reopen_logs(self) -> None:
        """Open the log files anew, after a rotation."""
        self._logs.reopen()

    def set_log_level(self, level: str) -> None:
        """Write from this level on, until the next reload."""
        self._logs.level = level

    def report(self) -> None:
        """Write the status to the log."""
        for line in self.status().report():
            log.info("%s", line)

    def stop(self, reason: str) -> None:
        """Close the listeners and deliver what is owed, within the drain timeout; asked twice, stop now."""
        if self._stopping:
            self.loop.stop()
            return
        self._stopping = reason
        self._notifier.stopping(f"stopping: {reason}")
        self._reloader.cancel()
        timeout = self._loaded.config.daemon.drain_timeout
        if self._estate is not None and self._house.hands_over:
            timeout = min(timeout, HAND_OVER_PATIENCE)
        log.info("stopping reason=%s connections=%d", reason, self._house.connections or 0)
        self.loop.call_at(self.loop.now + timeout, self.loop.stop)
        self._house.drain(self.loop.stop, self._estate)

    def stop_now(self, reason: str) -> None:
        """Stop without waiting for anybody; who asks for that wants nothing to go on after us."""
        self._estate = self._estate if self._stopping else None
        self._stopping = self._stopping or reason
        self._notifier.stopping(f"stopping: {reason}")
        self.loop.stop()

    def _reload_steps(self) -> Work[Outcome]:
        """One reload: build everything beside what is in use, then swap, or keep it and say why."""
        self._notifier.reloading()
        begun = time.monotonic()
        try:
            with extended(self._notifier, self.loop):
                fresh = yield from read_again(self._loaded, self.edition, self._loader)
        except ReloadError as error:
            log.error("%s", error, extra={"event": "reload-failed", "service": error.service})
            outcome = Outcome(error=error.reason)
        else:
            keys, waiting = self._adopt(fresh)
            outcome = Outcome(
                dictionary=fresh.changes,
                skipped=fresh.edition.skipped,
                lost=fresh.changes.removed,
                keys=keys,
                waiting=waiting,
            )
            log_loaded(fresh.edition, time.monotonic() - begun)
        self._last_reload = replace(outcome, when=wall_clock(), seconds=time.monotonic() - begun)
        self._logs.reopen()
        self._notifier.ready(self.status().line())
        return self._last_reload

    def _adopt(self, fresh: Fresh) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Swap in what a reload has read; returns the keys that changed, and those that need a restart."""
        loaded = fresh.loaded
        waiting = tuple(key for key in changed(self._at_start, loaded.config) if needs_restart(key))
        keys = tuple(key for key in changed(self._loaded.config, loaded.config) if not needs_restart(key))
        if waiting:
            log.warning("configuration changes that need a restart: %s", ", ".join(waiting))
        self._loaded = loaded
        self._logs.level, self._logs.format = loaded.config.log.level, loaded.config.log.format
        self._house.apply(loaded)
        old = self.edition
        self._house.dictionary.replace(fresh.edition)
        if old is not fresh.edition:
            old.close()
        self._generation += 1
        self._loaded_at = wall_clock()
        self._loader.look_after(self._loaded.config.dictionary, self.edition, self.reload)
        return keys, waiting

    def _feed_watchdog(self, interval: float) -> None:
        """Tell the service manager that the loop turns, and what it does, and come back."""
        self._notifier.feed_watchdog()
        self._notifier.status(self.status().line())
        self.loop.call_at(self.loop.now + interval, partial(self._feed_watchdog, interval))
