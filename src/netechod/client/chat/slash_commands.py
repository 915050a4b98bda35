"""Commands of a person in a chat: lines that begin with a slash."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Protocol

from netechod.client.chat.events import Event
from netechod.client.chat.people.nickname import flaw_of, normal
from netechod.client.chat.people.people import People
from netechod.client.chat.protocol import Member
from netechod.client.chat.transcript import Transcript
from netechod.client.errors import ClientError
from netechod.client.i18n.translate import tr
from netechod.client.net import Target
from netechod.client.terminal.input import to_utf8
from netechod.client.terminal.text import padded
from netechod.services.cells import cells

NAMES = ("dict", "help", "log", "nick", "ping", "quit", "who")


class Teller(Protocol):
    """Shows answers."""

    def tell(self, text: str) -> None:
        """Show an answer."""

    def complain(self, message: str, hint: str = "") -> None:
        """Show an error."""


class Commands:
    """Runs commands and shows their answers."""

    def __init__(
        self,
        member: Member,
        people: People,
        transcript: Transcript,
        teller: Teller,
        look_up: Callable[[str], None],
    ) -> None:
        self._member = member
        self._people = people
        self._transcript = transcript
        self._teller = teller
        self._look_up = look_up

    def run(self, line: str) -> Iterable[Event]:
        """Run `/NAME ARGUMENT`; return the events that it causes in the room."""
        name, _, argument = line[1:].strip().partition(" ")
        if name == "ping":
            return self._member.enquire(time.monotonic())
        runners: dict[str, Callable[[str], None]] = {
            "dict": self._look_up,
            "help": lambda _: self._teller.tell(_help()),
            "log": self._log,
            "msg": lambda _: self._teller.complain(
                tr("there are no private messages"), tr("UDP hides nothing, and a name proves nothing")
            ),
            "nick": self._nick,
            "quit": lambda _: self._member.leave(time.monotonic()),
            "who": lambda _: self._who(),
        }
        if name in runners:
            runners[name](argument.strip())
        else:
            self._teller.complain(
                tr("no command /{name}", name=name), tr("/help shows them; // at the start says /")
            )
        return []

    def _nick(self, text: str) -> None:
        """Take another name, or tell the one that we have. The room's receipt shows the new one."""
        nick, own, address = normal(text), self._people.introductions.nick, self._member.name
        if nick and (flaw := flaw_of(nick)):
            self._teller.complain(flaw, tr("such as: /nick ann"))
        elif nick:
            self._people.introductions.claim(nick, time.monotonic())
        elif own:
            self._teller.tell(tr("you are {nick}, at {address}", nick=own, address=address))
        else:
            self._teller.tell(tr("you have no name, only {address}: /nick NAME", address=address))

    def _log(self, file: str) -> None:
        """Begin or end the log, or tell where it is."""
        if file == "off":
            self._transcript.end()
        elif file:
            try:
                self._transcript.begin(file)
            except ClientError as error:
                self._teller.complain(str(error), error.hint)
                return
        if self._transcript.path is None:
            self._teller.tell(tr("nothing is logged: /log FILE"))
        else:
            self._teller.tell(tr("the log is {file}; /log off ends it", file=self._transcript.path))

    def _who(self) -> None:
        """Show who was seen. The room has no list of members that could be asked for."""
        now = time.monotonic()
        roster = self._people.roster
        names = roster.names()
        lines = [
            tr("{name}, {seconds:.0f} s ago", name=self._full(name), seconds=roster.silence(name, now))
            + (tr(" (you)") if name == self._member.name else "")
            for name in names
        ]
        self._teller.tell("\n".join([tr("seen since you came: {count}", count=len(names)), *lines]))

    def _full(self, address: str) -> str:
        nick = self._people.roster.nick(address)
        return f"{nick} ({address})" if nick else address


class DictionaryCommand:
    """Looks words up. When the answer is there, which may be late, it calls `wake`."""

    def __init__(self, dictionary: Target, teller: Teller, wake: Callable[[], None]) -> None:
        self._dictionary = dictionary
        self._teller = teller
        self._wake = wake

    def run(self, word: str) -> None:
        """Ask the dictionary in a thread. It may not answer, and the conversation goes on."""
        if not word:
            self._teller.complain(tr("which word?"), tr("such as: /dict apple"))
            return
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
        ("/nick NAME", tr("have this name")),
        ("/log FILE", tr("write the conversation to a file, with dates")),
        ("/ping", tr("how long the room takes to answer")),
        ("/dict WORD", tr("look a word up")),
        ("/quit", tr("say what is still unsaid, and leave")),
        (tr("//text"), tr("says /text")),
    )
    width = max(cells(usage) for usage, _ in texts) + 2
    return "\n".join(f"{padded(usage, width)}{text}" for usage, text in texts)
