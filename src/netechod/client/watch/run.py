"""`netecho watch`: puts the parts together, and ends with the exit status that the targets deserve.

What not every watch needs is imported when one does: a check must start fast.
"""

import math
import resource
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from netechod.client.errors import ClientError
from netechod.client.i18n.translate import tr
from netechod.client.signals import noted
from netechod.client.terminal.output import complain, is_smart, note, put
from netechod.client.watch.network.schemes import Schemes
from netechod.client.watch.recorders import Bell, CsvFile, JsonFile, JsonLines, Lines, LogFile, to_stdout
from netechod.client.watch.targets import Target, read_targets
from netechod.client.watch.terminal import table
from netechod.client.watch.terminal.table import Look
from netechod.client.watch.thresholds import Limits, Status, plugin_line
from netechod.client.watch.watched import State, Watched
from netechod.client.watch.watcher import Watcher
from netechod.reactor.loop import Loop

if TYPE_CHECKING:
    from netechod.client.watch.pages.server import PageServer, Place
    from netechod.client.watch.terminal.screen import Screen
    from netechod.services.http import Render

MOST_ROWS = 50  # of the table that stays on a terminal at the end


class NothingToWatchError(ClientError):
    """There is no target. To try again does not help."""

    exit_code = 64


class Options(NamedTuple):
    """The options of a watch."""

    words: Sequence[str]
    files: Sequence[Path]
    usual: Target  # what a target does not say itself
    most: int = 0  # probes of each target; 0: no limit
    deadline: float = math.inf  # seconds
    check: bool = False
    jsonl: bool = False
    csv: Path | None = None
    record: Path | None = None
    log: Path | None = None
    bell: bool = False
    on_loss: Sequence[str] = ()
    on_return: Sequence[str] = ()
    ascii_only: bool = False
    metrics: "Place | None" = None
    web: "Place | None" = None


def run(options: Options) -> int:
    """Watch until the person ends it; return the exit status."""
    found = read_targets(options.words, options.files, options.usual)
    if options.check and found.problems:
        put(f"NETECHO UNKNOWN - {found.problems[0].replace('|', '/')}\n")
        return Status.UNKNOWN
    for problem in found.problems:
        complain(problem)
    if not found.targets:
        hint = tr("name a target, as in netecho watch udp://localhost")
        raise NothingToWatchError(tr("there is nothing to watch"), hint)
    return Watch([Watched(target) for target in found.targets], options).run()


class Watch:
    """One run."""

    def __init__(self, all_watched: Sequence[Watched], options: Options) -> None:
        self._watched = all_watched
        self._options = options
        self._loop = Loop()
        self._network = Schemes(self._loop, lambda: self.watcher)
        self.watcher = Watcher(
            self._loop, all_watched, self._network, count=options.most, done=self._loop.stop
        )
        self._screen: Screen | None = None
        self._servers: list[PageServer] = []

    def run(self) -> int:
        """Watch, say at the end how it was, and return the exit status."""
        allow_descriptors()
        recorders = self.watcher.recorders
        with ExitStack() as stack:
            stack.callback(self._loop.close)
            stack.callback(self._close_servers)
            stack.callback(self._network.close)
            stack.callback(self.watcher.close)
            self._show(stack)
            self._record()
            for recorder in recorders:
                recorder.begin(self._watched)
            self._loop.now = self._loop.clock()
            self._loop.call_at(self._loop.now + self._options.deadline, self._loop.stop)
            self.watcher.start()
            self._loop.run()
        for recorder in recorders:
            recorder.end(self._watched)
        return self._conclude()

    def _close_servers(self) -> None:
        for server in self._servers:
            server.close()

    def _show(self, stack: ExitStack) -> None:
        """Begin to show what happens, in the form that suits."""
        options, stop = self._options, self._loop.stop
        handlers = dict.fromkeys((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), stop)
        if options.jsonl:
            self.watcher.recorders.append(JsonLines(to_stdout))
        elif not options.check and is_smart(sys.stdout):
            from netechod.client.ping.views import can_draw
            from netechod.client.watch.terminal.screen import Screen

            ascii_only = options.ascii_only or not can_draw()
            self._screen = Screen(self._loop, self._watched, stop, ascii_only=ascii_only)
            self.watcher.recorders.append(self._screen)
            handlers |= {signal.SIGTSTP: self._screen.suspend, signal.SIGWINCH: self._screen.draw}
        elif not options.check:
            self.watcher.recorders.append(Lines())
        stack.enter_context(
            noted(
                self._loop.bell,
                handlers,
                lambda number, _frame: self._loop.call_soon_threadsafe(handlers[signal.Signals(number)]),
            )
        )
        if self._screen is not None:
            stack.enter_context(self._screen)

    def _record(self) -> None:
        """Begin to write files, to ring, and to run programs."""
        options, recorders, notify = self._options, self.watcher.recorders, self._notify
        if options.csv:
            recorders.append(CsvFile(options.csv, notify))
        if options.record:
            recorders.append(JsonFile(options.record, notify))
        if options.log:
            recorders.append(LogFile(options.log, notify))
        if options.bell:
            recorders.append(Bell(self._screen.ring if self._screen else _ring_on_stderr))
        self._serve()
        if options.on_loss or options.on_return:
            from netechod.client.watch.commands import Commands

            is_quiet = self._screen is not None
            programs = options.on_loss, options.on_return
            recorders.append(Commands(self._loop, notify, *programs, is_quiet=is_quiet))

    def _serve(self) -> None:
        """Begin to serve pages."""
        options = self._options
        if options.web is None and options.metrics is None:
            return
        from netechod.client.watch.pages.server import PageServer

        pages: dict[Place, dict[str, Render]] = {}
        if options.web is not None:
            from netechod.client.watch.pages.live import LivePage

            pages.setdefault(options.web, {}).update(LivePage(self._watched).pages())
        if options.metrics is not None:
            from netechod.client.watch.pages.exporter import PATH, Exporter

            exporter = Exporter(self._watched)
            pages.setdefault(options.metrics, {})[PATH] = exporter.render
        for where, found in pages.items():
            self._servers.append(PageServer(self._loop, where, found, self._notify, self._announce))

    def _notify(self, text: str) -> None:
        """Tell the person what goes wrong."""
        if self._screen is not None:
            self._screen.notify(text)
        else:
            complain(text)

    def _announce(self, text: str) -> None:
        """Tell the person something that is no error."""
        if self._screen is not None:
            self._screen.notify(text)
        else:
            note(text)

    def _conclude(self) -> int:
        """Show the outcome; return the exit status."""
        findings = [watched.finding() for watched in self._watched]
        status, line = plugin_line(findings)
        if self._options.check:
            put(line + "\n")
            return status
        if not self._options.jsonl:
            self._show_table()
        if any(watched.target.limits != Limits() for watched in self._watched):
            return status
        return int(any(watched.state is not State.UP for watched in self._watched))

    def _show_table(self) -> None:
        """Leave the table behind."""
        most = MOST_ROWS if self._screen else len(self._watched)
        widest = table.label_width(self._watched)
        width = 2 + widest + sum(table.WIDTHS) + len(table.WIDTHS)
        look = Look(width, self._options.ascii_only, time.monotonic(), datetime.now(UTC))
        order = table.sorted_by_trouble(self._watched, look.now)
        lines = [table.heading(widest, width), *(table.row(it, widest, look).text for it in order[:most])]
        put("".join(f"{line}\n" for line in lines))


def _ring_on_stderr() -> None:
    """Ring the bell of the terminal that stderr is, if it is one."""
    if sys.stderr is not None and sys.stderr.isatty():
        with suppress(OSError):
            sys.stderr.write("\a")
            sys.stderr.flush()


def allow_descriptors() -> None:
    """Raise the soft limit of descriptors to the hard one: each target over TCP needs one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
