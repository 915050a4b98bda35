"""Renders the chat's screen: lines of the scrollback, rows of unsaid messages, prompt and status bar.

The result is fragments, pairs of a style and a text. Texts have no control characters; widths are in cells.
"""

import zlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple, TypeAlias

from netechod.client.chat.events import Event, Kind
from netechod.client.chat.sentences import ARROWS, TROUBLE, sentence
from netechod.client.chat.ui import ChatStatus
from netechod.client.i18n.translate import tr
from netechod.client.terminal.text import cut_to_cells, without_modifiers
from netechod.services.cells import cells
from netechod.services.wire import escape_controls

Fragments: TypeAlias = list[tuple[str, str]]

NARROW = 60  # columns; on a narrower terminal names are not aligned, and times have no seconds
NAME_WIDTH = 22  # cells that names are aligned to at most: 255.255.255.255--65535
MOST_UNSAID = 3  # unsaid messages that are shown above the prompt

STYLES = {
    "faint": "ansibrightblack",
    "good": "ansigreen",
    "error": "ansired",
    "own": "bold",
    "mention": "bold ansiyellow",
    "name0": "ansicyan",
    "name1": "ansigreen",
    "name2": "ansimagenta",
    "name3": "ansiblue",
    "name4": "ansiyellow",
}
_NAME_COLORS = 5


class Marks(NamedTuple):
    """Characters that not every terminal can show."""

    received: str
    waiting: str
    between: str


FINE, PLAIN = Marks("✓", "…", " · "), Marks("ok", "...", " | ")


class Painter:
    """Renders events and the state of the conversation, for a screen that is `columns()` wide."""

    def __init__(self, prompt: str, place: str, columns: Callable[[], int], marks: Marks = FINE) -> None:
        self.status = ChatStatus(0, [], None, [], is_away=False, is_leaving=False)
        self._prompt = prompt
        self._place = place
        self._columns = columns
        self._marks = marks
        self._name_width = 0

    def event(self, event: Event, *, is_mention: bool, at: datetime) -> Fragments:
        """Return a line for the scrollback."""
        if event.kind is Kind.MESSAGE:
            name = "own" if event.own else f"name{zlib.crc32(event.sender.encode()) % _NAME_COLORS}"
            receipt = [("class:good", f" {self._marks.received}")] if event.own else []
            text = ("class:mention" if is_mention else "", escape_controls(event.text))
            return [
                *self._head(f"class:{name}", escape_controls(event.label), at),
                text,
                *receipt,
                ("", "\n"),
            ]
        if event.kind in (Kind.JOIN, Kind.LEAVE):
            head = self._head("class:faint", ARROWS[event.kind], at)
            return [*head, ("class:faint", f"{escape_controls(event.label)} {event.text}\n")]
        if event.kind is Kind.EARLIER:
            said = at - timedelta(seconds=event.seconds or 0.0)
            date = "" if said.date() == at.date() else f"{said:%m-%d} "
            head = self._head("class:faint", escape_controls(event.label), said)
            return [("class:faint", date), *head, ("class:faint", f"{escape_controls(event.text)}\n")]
        return self.note(sentence(event), at, is_trouble=event.kind in TROUBLE)

    def note(self, text: str, at: datetime, *, is_trouble: bool = False) -> Fragments:
        """Return lines that no member has said. Each begins as in irssi."""
        style = "class:error" if is_trouble else "class:faint"
        fragments: Fragments = []
        for line in text.split("\n"):
            fragments += [*self._head(style, "-!-", at), (style, f"{escape_controls(line)}\n")]
        return fragments

    def prompt(self) -> Fragments:
        """Return what stands before the line being typed, and above it the unsaid messages."""
        width = self._columns() - 1
        unsaid = self.status.unsaid
        rows = [
            f"{self._marks.waiting} {without_modifiers(escape_controls(text))}"
            for text in unsaid[:MOST_UNSAID]
        ]
        if len(unsaid) > MOST_UNSAID:
            rows.append(tr("and {count} more", count=len(unsaid) - MOST_UNSAID))
        return [*(("class:faint", f"{cut_to_cells(row, width)}\n") for row in rows), ("", self._prompt)]

    def bar(self, typed: str) -> Fragments:
        """Return the status bar, as much of it as there is room for."""
        status = self.status
        unsaid = tr("unsaid: {count}", count=len(status.unsaid))
        # The first number is the order in which texts are left out when there is no room, highest first.
        texts = [
            (1, *self._state()),
            (3, "class:faint", self._place),
            (4, "class:faint", _milliseconds(status.round_trip)),
            (2, "class:error" if status.unsaid else "class:faint", unsaid),
            (5, "class:faint", _advice(typed)),
        ]
        shown = [entry for entry in texts if entry[2]]
        while (
            len(shown) > 1
            and cells(self._marks.between.join(text for _, _, text in shown)) >= self._columns()
        ):
            shown.remove(max(shown))
        fragments: Fragments = []
        for _, style, text in shown:
            fragments += [("class:faint", self._marks.between if fragments else ""), (style, text)]
        return fragments

    def _head(self, style: str, name: str, at: datetime) -> Fragments:
        """Return the time and the sender, aligned to the right if there is room."""
        is_narrow = self._columns() < NARROW
        self._name_width = max(self._name_width, min(cells(name), NAME_WIDTH))
        padding = "" if is_narrow else " " * (self._name_width - cells(name))
        time = f"{at:%H:%M}" if is_narrow else f"{at:%H:%M:%S}"
        return [("class:faint", f"{time} {padding}"), (style, name), ("", " ")]

    def _state(self) -> tuple[str, str]:
        """Return whether we are online, and how many members were seen."""
        if self.status.is_leaving:
            return "", tr("leaving, Ctrl-C drops what is unsaid")
        if self.status.is_away:
            return "class:error", tr("cut off")
        return "class:faint", tr("online: {count}", count=self.status.members)


def _advice(typed: str) -> str:
    """Return a hint what to press."""
    lines = sum(bool(line.strip()) for line in typed.split("\n"))
    return tr("Enter says {count} lines", count=lines) if lines > 1 else tr("Tab completes, /help")


def _milliseconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1000:.1f} ms"
