"""The table on a terminal: it is drawn again every half a second, and obeys keys."""

import os
import re
import signal
import sys
import termios
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from netechod.client.i18n.translate import tr
from netechod.client.terminal.output import COLORS, put, takes_colors
from netechod.client.terminal.text import cut_to_cells
from netechod.client.watch.events import Event, Recorder
from netechod.client.watch.recorders import sentence, stamp
from netechod.client.watch.terminal import table
from netechod.client.watch.terminal.chart import chart
from netechod.client.watch.terminal.table import Look, Row
from netechod.client.watch.watched import Watched
from netechod.reactor.loop import Callback, Loop
from netechod.services.wire import escape_controls

REDRAW = 0.5  # seconds between two drawings
FOOT = 2  # lines below the table
ENTER = "\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J"  # the other screen of the terminal, without a cursor (xterm)
LEAVE = "\x1b[?25h\x1b[?1049l"
_KEY = re.compile(r"\x1b(?:\[[0-9;]*[A-Za-z~]|O[A-Za-z])|.", re.DOTALL)
_NAMES = {
    **dict.fromkeys(("\x1b[A", "\x1bOA", "k"), "up"),
    **dict.fromkeys(("\x1b[B", "\x1bOB", "j"), "down"),
    **dict.fromkeys(("\x1b[5~",), "page up"),
    **dict.fromkeys(("\x1b[6~", " "), "page down"),
    **dict.fromkeys(("\x1b[H", "\x1bOH", "g"), "home"),
    **dict.fromkeys(("\r", "\n", "\x1b[C", "\x1bOC", "l"), "open"),
    **dict.fromkeys(("\x1b", "\x7f", "\x1b[D", "\x1bOD", "h"), "back"),
    **dict.fromkeys(("q", "\x04"), "end"),
}


class Screen(Recorder):
    """Shows the targets until the person ends it, and then calls `end`."""

    def __init__(
        self, loop: Loop, all_watched: Sequence[Watched], end: Callback, *, ascii_only: bool
    ) -> None:
        self._loop = loop
        self._watched = all_watched
        self._end = end
        self._ascii_only = ascii_only
        self._order = list(all_watched)
        self._chosen = 0
        self._top = 0  # the first row that is shown
        self._opened: Watched | None = None  # the target that is shown as a chart
        self._notice = ""
        self._keyboard = sys.stdin.fileno() if sys.stdin.isatty() else -1
        self._cooked: list[Any] = []

    def __enter__(self) -> Self:
        self._take_terminal()
        if self._keyboard >= 0:
            self._loop.watch(self._keyboard, self._on_keys)
        self._loop.call_at(self._loop.now, self._redraw)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give_terminal_back()

    def _take_terminal(self) -> None:
        if self._keyboard >= 0:
            self._cooked = termios.tcgetattr(self._keyboard)
            raw = termios.tcgetattr(self._keyboard)
            raw[3] &= ~(termios.ICANON | termios.ECHO)
            termios.tcsetattr(self._keyboard, termios.TCSADRAIN, raw)
        put(ENTER)

    def _give_terminal_back(self) -> None:
        put(LEAVE)
        if self._keyboard >= 0:
            with suppress(termios.error):  # the terminal has hung up
                termios.tcsetattr(self._keyboard, termios.TCSADRAIN, self._cooked)

    def suspend(self) -> None:
        """Stop as Ctrl-Z wants it, and go on later."""
        self._give_terminal_back()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._take_terminal()
        self.draw()

    def ring(self) -> None:
        """Ring the terminal's bell."""
        put("\a")

    def happened(self, event: Event) -> None:
        """See Recorder."""
        self.notify(f"{stamp(event.at)[11:19]}  {sentence(event)}")

    def notify(self, text: str) -> None:
        """Show a sentence below the table."""
        self._notice = escape_controls(text)

    def _redraw(self) -> None:
        self.draw()
        self._loop.call_at(self._loop.now + REDRAW, self._redraw)

    def draw(self) -> None:
        """Draw everything."""
        size = os.get_terminal_size(sys.stdout.fileno())
        look = Look(size.columns or 80, self._ascii_only, time.monotonic(), datetime.now(UTC))
        rows = self._chart(size.lines or 24, look) if self._opened else self._table(size.lines or 24, look)
        lines = [_painted(row) for row in rows[: size.lines]]
        put("\x1b[H" + "\x1b[K\n".join(lines) + "\x1b[J")

    def _table(self, height: int, look: Look) -> list[Row]:
        chosen = self._order[self._chosen]
        self._order = table.sorted_by_trouble(self._watched, look.now)
        if self._chosen:  # the first place is chosen, unless somebody has chosen a target
            self._chosen = self._order.index(chosen)
        room = max(1, height - 1 - FOOT)
        self._top = min(max(self._top, self._chosen - room + 1), self._chosen)
        widest = table.label_width(self._watched)
        shown = self._order[self._top : self._top + room]
        rows = [table.row(watched, widest, look) for watched in shown]
        place = self._chosen - self._top
        rows[place] = Row(rows[place].text, f"chosen {rows[place].kind}")
        rows += [Row("", "")] * (room - len(rows))
        return [Row(table.heading(widest, look.width), "strong"), *rows, *self._foot(look)]

    def _chart(self, height: int, look: Look) -> list[Row]:
        watched = self._opened
        assert watched is not None  # noqa: S101 (for the type checker)
        widest = table.label_width([watched])
        head = [Row(table.heading(widest, look.width), "strong"), table.row(watched, widest, look)]
        where = f"{watched.target.url} {watched.where}"
        lines = [Row(cut_to_cells(where, look.width), "faint"), Row("", "")]
        room = max(0, height - len(head) - len(lines) - FOOT)
        drawn = [Row(line, "") for line in chart(watched, room, look)][:room]
        drawn += [Row("", "")] * (room - len(drawn))
        return [*head, *lines, *drawn, *self._foot(look)]

    def _foot(self, look: Look) -> list[Row]:
        keys = tr("Esc back  q end") if self._opened else tr("up, down choose  Enter chart  q end")
        status = f"{table.counts(self._watched)}   {keys}"
        return [
            Row(cut_to_cells(self._notice, look.width), ""),
            Row(cut_to_cells(status, look.width), "faint"),
        ]

    def _on_keys(self) -> None:
        try:
            typed = os.read(self._keyboard, 1024).decode(errors="replace")
        except OSError:
            typed = ""
        if not typed:  # the terminal has hung up
            self._loop.unwatch(self._keyboard)
            self._end()
        for key in _KEY.findall(typed):
            self._obey(_NAMES.get(key, ""))
        self.draw()

    def _obey(self, name: str) -> None:
        page = max(1, os.get_terminal_size(sys.stdout.fileno()).lines - 1 - FOOT)
        steps = {"up": -1, "down": 1, "page up": -page, "page down": page, "home": -len(self._order)}
        if name == "end":
            self._end()
        elif name == "open":
            self._opened = self._order[self._chosen]
        elif name == "back":
            self._opened = None
        elif name in steps:
            self._chosen = min(max(0, self._chosen + steps[name]), len(self._order) - 1)
            if self._opened:
                self._opened = self._order[self._chosen]


def _painted(row: Row) -> str:
    """Return a row in its colours."""
    kind, is_chosen = row.kind.removeprefix("chosen "), row.kind.startswith("chosen")
    codes = ["7"] if is_chosen else []
    if kind and takes_colors(sys.stdout):
        codes.append(COLORS[kind])
    return f"\x1b[{';'.join(codes)}m{row.text}\x1b[m" if codes else row.text
