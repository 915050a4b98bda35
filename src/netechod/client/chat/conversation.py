"""A conversation: one asyncio task between a member, its socket and a user interface."""

import asyncio
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from netechod.client.chat.events import Event, Kind
from netechod.client.chat.people.mentions import Mentions
from netechod.client.chat.people.people import People
from netechod.client.chat.sentences import record
from netechod.client.chat.slash_commands import Commands, DictionaryCommand
from netechod.client.chat.states import State
from netechod.client.chat.transcript import Transcript
from netechod.client.chat.transport import ChatSocket
from netechod.client.chat.ui import ChatStatus, UserInterface
from netechod.client.errors import ClientError
from netechod.client.i18n.translate import tr
from netechod.client.net import Target
from netechod.client.terminal.text import decoded
from netechod.services.wire import text_error

MAX_MESSAGE = 1024  # bytes of one message; the room refuses more

TAB = 4  # columns between tab stops: tabs become spaces, because the room takes no control characters

INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The first one makes us leave, the second one drops everything."""


class ChatOptions(NamedTuple):
    """The options of a chat."""

    as_json: bool = False
    is_plain: bool = False
    mentions: Sequence[str] = ()  # words that ring the bell
    nick: str = ""  # our name
    log: str = ""  # file for the conversation


class Conversation:
    """Says the lines of the user interface, and shows what is heard, until the farewell."""

    def __init__(
        self,
        chat_socket: ChatSocket,
        ui: UserInterface,
        dictionary: Target,
        options: ChatOptions,
        transcript: Transcript,
    ) -> None:
        self.failures = 0  # messages that did not get through
        self._socket = chat_socket
        self._member = member = chat_socket.member
        self._ui = ui
        self._mentions = Mentions(options.mentions)
        self._people = People(options.nick, time.monotonic())
        self._transcript = transcript
        look_up = DictionaryCommand(dictionary, ui, self._wake)
        self._commands = Commands(member, self._people, transcript, ui, look_up.run)
        self._bell = asyncio.Event()
        self._interruptions = 0

    async def talk(self) -> None:
        """Show what was heard while coming online, and go on until we are offline."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._socket.sock, self._wake)
        for number in INTERRUPTIONS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup(1) has it
                loop.add_signal_handler(number, self._interrupt)
        self._ui.open(self._wake, self._interrupt)
        try:
            self._note(self._socket.heard)
            while self._member.state is not State.GONE:
                self._introduce()
                self._take_lines()
                self._introduce()
                self._note(self._socket.send())
                self._look_at_log()
                self._ui.refresh(self._status())
                await self._wait()
                self._note(self._socket.receive())
                self._note(self._socket.look_at_clock())
            self._report_unsaid()
        finally:
            await self._ui.close()

    def _wake(self) -> None:
        """End the waiting: there is something to do."""
        self._bell.set()

    def _interrupt(self) -> None:
        self._interruptions += 1
        self._member.leave(time.monotonic(), at_once=True)
        self._wake()

    async def _wait(self) -> None:
        """Wait until something happens or is due."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(min(self._member.deadline, self._people.introductions.due)):
                await self._bell.wait()
        self._bell.clear()
        if self._interruptions > 1:
            raise KeyboardInterrupt

    def _introduce(self) -> None:
        """Say our name if that is due."""
        now = time.monotonic()
        if text := self._people.introductions.take(now):
            self._member.introduce(text, now)

    def _take_lines(self) -> None:
        """Take all lines of a person; of a script the next one, when the last one has its receipt."""
        if self._ui.ended:
            self._member.hurry(time.monotonic())
        while not self._member.is_leaving and (self._ui.is_person or not self._member.unsaid):
            line = self._ui.next_line()
            if line is not None:
                self._take(line)
            elif self._ui.ended:
                self._member.leave(time.monotonic())
            else:
                return

    def _take(self, line: bytes) -> None:
        """Say a line, or run the command in it. Several lines at once are a paste, and no commands."""
        if self._ui.is_person and line.startswith(b"/") and b"\n" not in line:
            if not line.startswith(b"//"):
                self._note(self._commands.run(decoded(line)))
                return
            line = line[1:]
        for text in line.split(b"\n"):
            self._say(_without_tabs(text.rstrip(b"\r \t")))

    def _say(self, text: bytes) -> None:
        """Say a text; report it at once if the room would refuse it."""
        is_long = len(text) > MAX_MESSAGE
        flaw = f"{len(text)} bytes, at most {MAX_MESSAGE}" if is_long else text_error(text)
        if flaw is not None:
            self._note([Event(Kind.UNSENT, text=flaw, said=decoded(text))])
        elif text:
            now = time.monotonic()
            if self._people.introductions.is_owed:
                self._member.introduce(self._people.introductions.introduce(now), now)
            self._member.say(text, now)

    def _note(self, events: Iterable[Event]) -> None:
        """Show events, and count the messages that did not get through."""
        for event in events:
            if shown := self._people.note(event, time.monotonic()):
                self._show(shown)

    def _show(self, event: Event) -> None:
        self.failures += event.kind in (Kind.REFUSED, Kind.UNSENT, Kind.LOST)
        names = self._member.name, self._people.introductions.nick
        self._ui.show(event, is_mention=self._mentions.is_mention(event, *names))
        if text := record(event):
            self._log(partial(self._transcript.write, text))

    def _look_at_log(self) -> None:
        self._log(self._transcript.look_at_clock)

    def _log(self, write: Callable[[], None]) -> None:
        """Write to the log. When that fails, the log ends, and the conversation goes on."""
        try:
            write()
        except ClientError as error:
            self._ui.complain(str(error), tr("the conversation goes on without it"))

    def _report_unsaid(self) -> None:
        """At the end, report what was not said: nothing gets lost in silence."""
        self._note(Event(Kind.LOST, self._member.name, decoded(text)) for text in self._member.unsaid)
        if count := sum(1 for _ in iter(self._ui.next_line, None)):
            self.failures += 1
            self._ui.complain(tr("lines that were not said any more: {count}", count=count))

    def _status(self) -> ChatStatus:
        return ChatStatus(
            members=len(self._people.roster),
            others=[
                self._people.roster.nick(name) or name
                for name in self._people.roster.names()
                if name != self._member.name
            ],
            round_trip=self._member.round_trip,
            unsaid=[decoded(text) for text in self._member.unsaid],
            is_away=self._member.state is State.AWAY,
            is_leaving=self._member.is_leaving,
        )


def _without_tabs(text: bytes) -> bytes:
    if b"\t" not in text:
        return text
    return text.decode(errors="surrogateescape").expandtabs(TAB).encode(errors="surrogateescape")
