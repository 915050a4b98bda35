"""The interface between a conversation and the front ends that show it."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from netechod.client.chat.events import Event


class ChatStatus(NamedTuple):
    """How things are, for a status bar and for completion."""

    members: int  # seen, ourselves included
    others: list[str]  # who spoke last first
    round_trip: float | None  # seconds
    unsaid: list[str]
    is_away: bool
    is_leaving: bool


class UserInterface(Protocol):
    """How somebody takes part: where the lines come from, and where events are shown."""

    @property
    def is_person(self) -> bool:
        """Whether lines may be commands, and are to be taken as soon as they are there."""

    @property
    def ended(self) -> bool:
        """Whether nobody is left who would give more lines than there are already."""

    def open(self, wake: Callable[[], None], interrupt: Callable[[], None]) -> None:
        """Begin, on the running loop. `wake` is to be called when a line is there, or none will be."""

    def next_line(self) -> bytes | None:
        """The next line, of a person perhaps several in one; None while there is none."""

    def show(self, event: Event, *, is_mention: bool) -> None:
        """Show what happened."""

    def tell(self, text: str) -> None:
        """Show the answer to a command; it may have several lines."""

    def complain(self, message: str, hint: str = "") -> None:
        """Show what went wrong."""

    def refresh(self, status: ChatStatus) -> None:
        """Have everything on the screen that was shown, and the prompt."""

    async def close(self) -> None:
        """Give the terminal back."""
