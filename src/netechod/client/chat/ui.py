"""The interface between a conversation and the front ends that show it."""

import sys
from collections.abc import Callable
from typing import NamedTuple, Protocol

from netechod.client.chat.events import Event
from netechod.client.i18n.translate import tr
from netechod.client.terminal.input import take_typed_ahead
from netechod.client.terminal.text import decoded


class ChatStatus(NamedTuple):
    """The state of a conversation, for a status bar and for completion."""

    members: int  # seen, ourselves included
    others: list[str]  # names, the latest speaker first
    round_trip: float | None  # seconds
    unsaid: list[str]
    is_away: bool
    is_leaving: bool


class UserInterface(Protocol):
    """A front end: it reads lines, and shows events."""

    @property
    def is_person(self) -> bool:
        """Whether a person types: lines may be commands, and are taken as soon as they are there."""

    @property
    def ended(self) -> bool:
        """Whether the input has ended. Lines may still wait in `next_line`."""

    def open(self, wake: Callable[[], None], interrupt: Callable[[], None]) -> None:
        """Begin, on the running loop. Call `wake` when there is a line, or the input has ended."""

    def next_line(self) -> bytes | None:
        """Return the next line; a paste may have several in one. None while there is none."""

    def show(self, event: Event, *, is_mention: bool) -> None:
        """Show an event."""

    def tell(self, text: str) -> None:
        """Show the answer to a command, in one line or several."""

    def complain(self, message: str, hint: str = "") -> None:
        """Show an error."""

    def refresh(self, status: ChatStatus) -> None:
        """Bring the screen up to date, the prompt included."""

    async def close(self) -> None:
        """Restore the terminal."""


def warn_of_typed_ahead(ui: UserInterface) -> None:
    """Drop what was typed or pasted before there was a prompt, and show it: it was not meant for the room."""
    for line in take_typed_ahead(sys.stdin.fileno()):
        ui.complain(tr("typed before the prompt, and not said: {text}", text=decoded(line)))
