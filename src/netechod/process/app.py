"""The composition root: it builds the services from the configuration and handles the signals."""

import gc
import logging
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from netechod import __version__
from netechod.errors import NetechodError
from netechod.process.config.load import Loaded
from netechod.process.config.values import Address
from netechod.process.control.requests import commands
from netechod.process.control.run_files import ControlSocket, RunFiles
from netechod.process.control.status import Outcome, Status
from netechod.process.dictionary.editions import Editions
from netechod.process.dictionary.in_use import Words
from netechod.process.dictionary.loader import Loader
from netechod.process.listeners import Retries, Socket, Sockets, discard
from netechod.process.log.writer import Logs
from netechod.process.reload import Fresh, Reading, Reload, Reloader
from netechod.process.service.running import Context, Shared
from netechod.process.services import Services
from netechod.process.unix.clock import ClockWatch
from netechod.process.unix.handover import Incoming, Outgoing
from netechod.process.unix.pidfile import Pidfile
from netechod.process.unix.service_manager import Notifier, extended
from netechod.reactor.jobs.children import Children
from netechod.reactor.jobs.orphans import keep_reaping
from netechod.reactor.loop import Callback, Loop
from netechod.reactor.selectors import SELECTORS
from netechod.reactor.signals import SignalSource
from netechod.reactor.tasks import Work, within

LOG_PATIENCE = 10.0  # seconds that a reload waits for the log files to be opened anew
LOGS_HANG = f"the log files are not opened anew within {LOG_PATIENCE:g} s"
HAND_OVER_PATIENCE = 1.0  # seconds; bytes that a client has not taken by then are sent by the next process

log = logging.getLogger(__name__)


class App:
    """The running daemon. Every method is an event: a signal's, a timer's or the service manager's."""

    def __init__(
        self, loaded: Loaded, sockets: Sockets, editions: Editions, logs: Logs, notifier: Notifier
    ) -> None:
        config = loaded.config
        self.loop = Loop(SELECTORS[config.daemon.selector]())
        self._started = time.monotonic()
        self._last_reload: Outcome | None = None
        self._loaded = loaded
        self.words = Words(editions, config.dictionary, loaded.texts)
        self._at_start = config
        self._sockets = sockets
        Retries(self.loop, config, sockets.taken, self._on_opened)
        for sock in sockets.unused:
            self.loop.watch(sock.fileno(), partial(discard, sock))
        self._logs = logs
        self._notifier = notifier
        notifier.retry_on(self.loop)
        self._loader = Loader(Children(self.loop))
        reading = Reading(self.loop, self._loader)
        self._reload = Reload(config, lambda: reading.steps(self._loaded, self.words.editions), self._adopt)
        self._reloader = Reloader(self.loop, self._reload_steps)
        self._stopping = ""
        self._signals: SignalSource | None = None
        self._outgoing = Outgoing() if notifier.keeps else None
        keeps, renew = bool(notifier.keeps), self._renew_status
        context = Context(
            self.loop, loaded, Shared(self.loop), self.words, self.status, renew, hands_over=keeps
        )
        self._services = Services(context, sockets)
        self.members = self._services.members
        self.sessions = self._services.sessions
        self._clock = ClockWatch(self.loop, self._on_clock_set_back)
        self._control: ControlSocket | None = None
        if config.daemon.control is not None:
            self._control = ControlSocket(
                self.loop, config.daemon.control, sockets.control, commands(self), {0, os.geteuid()}
            )
        self._run_files: RunFiles | None = None

    def watch_names(self, pidfile: Pidfile | None) -> None:
        """From now on make pidfile and control socket again when somebody has removed them."""
        files = {"pidfile": pidfile, "control socket": self._control}
        renewals = {name: file.renew for name, file in files.items() if file is not None}
        self._run_files = RunFiles(self.loop, renewals)

    def _on_opened(self, service: str, address: Address, sock: Socket) -> None:
        """Serve at an address that has become free."""
        if self._stopping:
            sock.close()
            return
        self._sockets = self._sockets.with_address(service, address, sock)
        try:
            self._services.add(service, sock, self._sockets, self._loaded)
        except NetechodError as error:  # at a start it would be fatal; by now others are served
            log.error("%s cannot be served: %s", service, error)

    def obey(self, signals: SignalSource) -> None:
        """Have the signals delivered here, those first that have come already."""
        handlers: dict[signal.Signals, Callback] = {
            signal.SIGHUP: self.reload,
            signal.SIGUSR1: self._logs.reopen,
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
        if os.getpid() == 1:  # of a container without an init
            keep_reaping(self.loop)
        self._loader.look_after(self.words.in_use, self.reload)
        gc.collect()
        gc.freeze()  # the objects of the start live for ever: the collector need not look at them
        announce(self.status().line())
        self.loop.run()
        self._leave()
        if self._signals is not None:
            self._signals.close()
        self.loop.close()
        log.info("stopped reason=%s", self._stopping)

    def inherit(self, incoming: Incoming) -> None:
        """Go on where the process before us has stopped."""
        if incoming.problem:
            log.error("%s", incoming.problem)
        self._services.inherit(incoming)

    def _leave(self) -> None:
        """Give everything back, or to the process after us."""
        self._reloader.cancel()
        self._loader.close()
        self._services.close()
        if self._control is not None:
            self._control.close()
        if self._outgoing is not None:
            self._services.leave(self._outgoing)
            self._outgoing.leave(self._notifier)

    def status(self) -> Status:
        """Return the status of this moment."""
        return Status(
            version=__version__,
            pid=os.getpid(),
            uptime=time.monotonic() - self._started,
            config=str(self._loaded.base / self._loaded.path) if self._loaded.path else "",
            listeners=[(service, str(address)) for service, address in self._sockets.bound],
            complaints=[*self._sockets.complaints, *self._warnings()],
            counters=self._services.counters(),
            gauges=self._services.gauges(),
            reports=self._services.reports(),
            summaries=self._services.summaries(),
            log_lost=self._logs.lost,
            last_reload=self._last_reload,
        )

    def _warnings(self) -> list[str]:
        """Return what has gone wrong since the start and still is, a sentence each."""
        return [*filter(None, [self._clock.complaint]), *self._services.complaints()]

    def _on_clock_set_back(self) -> None:
        """Tell the operator, with the consequences for each service."""
        log.warning("%s", "; ".join(self._warnings()))
        self._renew_status()

    def _renew_status(self) -> None:
        """Have the service manager show the present status."""
        if not self._stopping:
            self._notifier.status(self.status().line())

    def reload(self, done: Callable[[Outcome], None] = lambda outcome: None) -> None:
        """Read configuration and dictionary again. A mistake in them leaves everything as it was."""
        if self._stopping:  # there is nothing left that could be given the settings
            done(Outcome(error="the daemon is stopping"))
        else:
            self._reloader.request(done)

    def reopen_logs(self, done: Callable[[str], object]) -> None:
        """Open the log files anew, after a rotation; then call `done` with the errors, empty for none."""
        self._logs.reopen(lambda error: self.loop.call_soon_threadsafe(lambda: done(error)))

    def set_log_level(self, level: str) -> None:
        """Write from this level on, until the next reload."""
        self._logs.level = level

    def report(self) -> None:
        """Write the status to the log."""
        for line in self.status().report():
            log.info("%s", line)

    def stop(self, reason: str) -> None:
        """Close the listeners and deliver the owed bytes within the drain timeout; asked twice, stop now."""
        if self._stopping:
            self.loop.stop()
            return
        self._stopping = reason
        self._notifier.stopping(f"stopping: {reason}")
        self._reloader.cancel()
        timeout = self._loaded.config.daemon.drain_timeout
        if self._outgoing is not None and self._services.hands_over:
            timeout = min(timeout, HAND_OVER_PATIENCE)
        connections = self._services.reports().get("connections", 0)
        log.info("stopping reason=%s connections=%d", reason, connections)
        self.loop.call_at(self.loop.now + timeout, self.loop.stop)
        self._services.drain(self.loop.stop, self._outgoing)

    def stop_now(self, reason: str) -> None:
        """Stop at once, and hand nothing over to the next process."""
        self._outgoing = self._outgoing if self._stopping else None
        self._stopping = self._stopping or reason
        self._notifier.stopping(f"stopping: {reason}")
        self.loop.stop()

    def _reload_steps(self) -> Work[Outcome]:
        """One reload, as the service manager sees it."""
        self._notifier.reloading()
        with extended(self._notifier, self.loop):
            outcome = yield from self._reload.steps()
            unopened = yield within(self.loop, LOG_PATIENCE, self.reopen_logs, LOGS_HANG)
        unmade = self._run_files.check() if self._run_files is not None else []
        self._last_reload = replace(outcome, troubles=tuple(filter(None, [unopened, *unmade])))
        self._notifier.ready(self.status().line())
        return self._last_reload

    def _adopt(self, fresh: Fresh) -> None:
        """Swap in the result of a reload."""
        self._loaded = fresh.loaded
        settings = fresh.loaded.config.log
        self._logs.level, self._logs.format = settings.level, settings.format
        self._services.apply(fresh.loaded)
        if fresh.loaded.config.dictionary.enabled:
            self.words.replace(fresh.editions, fresh.loaded.config.dictionary, fresh.loaded.texts)
            self._loader.look_after(self.words.in_use, self.reload)

    def _feed_watchdog(self, interval: float) -> None:
        """Feed the watchdog and renew the status line, now and once an interval."""
        self._notifier.feed_watchdog()
        self._notifier.status(self.status().line())
        self.loop.call_at(self.loop.now + interval, partial(self._feed_watchdog, interval))
