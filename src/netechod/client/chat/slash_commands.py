"""Commands of a person in a chat: lines that begin with a slash."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Protocol

from netechod.client.chat.events import Event
from netechod.client.chat.protocol import Member
from netechod.client.chat.roster import Roster
from netechod.client.errors import ClientError
from netechod.client.i18n.translate import tr
from netechod.client.net import Target
from netechod.client.terminal.input import to_utf8
from netechod.client.terminal.text import padded
from netechod.services.cells import cells

NAMES = ("dict", "help", "ping", "quit", "who")


class Teller(Protocol):
    """Shows answers."""

    def tell(self, text: str) -> None:
        """Show an answer."""

    def complain(self, message: str, hint: str = "") -> None:
        """Show an error."""


class Commands:
    """Runs commands and shows their answers. After a late answer it calls `wake`."""

    def __init__(
        self, member: Member, roster: Roster, teller: Teller, dictionary: Target, wake: Callable[[], None]
    ) -> None:
        self._member = member
        self._roster = roster
        self._teller = teller
        self._dictionary = dictionary
        self._wake = wake

    def run(self, line: str) -> Iterable[Event]:
        """Run `/NAME ARGUMENT`; return the events that it causes in the room."""
        name, _, argument = line[1:].strip().partition(" ")
        if name == "ping":
            return self._member.enquire(time.monotonic())
        if name == "quit":
            self._member.leave(time.monotonic())
        elif name == "who":
            self._who()
        elif name == "help":
            self._teller.tell(_help())
        elif name == "dict" and argument:
            self._look_up(argument.strip())
        elif name == "dict":
            self._teller.complain(tr("which word?"), tr("such as: /dict apple"))
        else:
            self._teller.complain(
                tr("no command /{name}", name=name), tr("/help shows them; // at the start says /")
            )
        return []

    def _who(self) -> None:
        """Show who was seen. The room has no list of members that could be asked for."""
        now = time.monotonic()
        names = self._roster.names()
        lines = [
            tr("{name}, {seconds:.0f} s ago", name=name, seconds=self._roster.silence(name, now))
            + (tr(" (you)") if name == self._member.name else "")
            for name in names
        ]
        self._teller.tell("\n".join([tr("seen since you came: {count}", count=len(names)), *lines]))

    def _look_up(self, word: str) -> None:
        """Ask the dictionary in a thread. It may not answer, and the conversation goes on."""
        loop = asyncio.get_running_loop()

        def ask() -> None:
            from netechod.client.dictionary.lookups import Dictionary

            try:
                result = Dictionary(self._dictionary).look_up(to_utf8(word))
                text = result.trouble or (tr("unknown") if result.text is None else result.text)
                answer = partial(self._teller.tell, f"{word}: {text}")
            except ClientError as error:
                answer = partial(self._teller.complain, str(error), error.hint)
            with suppress(RuntimeError):  # the conversation has ended meanwhile
                loop.call_soon_threadsafe(answer)
                loop.call_soon_threadsafe(self._wake)

        threading.Thread(target=ask, name="dictionary", daemon=True).start()


def completions(before: str, names: Iterable[str]) -> tuple[str, list[str]]:
    """Return the word that ends at the cursor, and what it may become: a command, or a member's name.

    >>> completions("/w", []), completions("hi 192", ["192.0.2.1--5"])
    (('/w', ['/who']), ('192', ['192.0.2.1--5']))
    """
    word = before.rpartition(" ")[2]
    choices: Iterable[str] = names
    if before.startswith("/") and word == before:
        choices = (f"/{name}" for name in NAMES)
    return word, [choice for choice in choices if word and choice.startswith(word)]


def _help() -> str:
    texts = (
        ("/who", tr("who was seen, and when")),
        ("/ping", tr("how long the room takes to answer")),
        ("/dict WORD", tr("look a word up")),
        ("/quit", tr("say what is still unsaid, and leave")),
        (tr("//text"), tr("says /text")),
    )
    width = max(cells(usage) for usage, _ in texts) + 2
    return "\n".join(f"{padded(usage, width)}{text}" for usage, text in texts)
