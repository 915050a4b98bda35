"""`netecho chat`: come online, say what is typed or piped, show what the others say, go offline."""

import asyncio
import selectors
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from netechod.client.chat_conversation import Conversation, Form
from netechod.client.chat_events import Event, Kind
from netechod.client.chat_lines import JsonForm, LineForm
from netechod.client.chat_people import Mentions
from netechod.client.chat_tries import State
from netechod.client.membership import Member
from netechod.client.net import RECEIVE_SIZE, ClientError, Server, Target
from netechod.client.screen import interactive, is_smart, takes_colors
from netechod.client.words import tr
from netechod.services.wire import OFFLINE, display_name


class Manner(NamedTuple):
    """How somebody wants to take part."""

    as_json: bool = False
    is_plain: bool = False
    mentions: Sequence[str] = ()  # words that ring the bell


def run(target: Target, dictionary: Target, manner: Manner) -> int:
    """Chat until the end of input or Ctrl-C; 1 if not all was heard that a pipe said."""
    form = _form(target, manner)
    server = Server(target, socket.SOCK_DGRAM)
    is_patient = form.is_person or manner.as_json
    with server.first(lambda sock: Presence(sock, target, is_patient=is_patient)) as presence:
        talk = Conversation(presence.sock, presence.member, form, Mentions(manner.mentions), dictionary)
        # Not epoll(7), which refuses regular files: a file may be redirected into a conversation.
        with asyncio.Runner(
            loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())
        ) as loop:
            loop.run(talk.talk(presence.heard))
    return 1 if talk.failures and not form.is_person else 0


class Presence:
    """A member with its socket, from the room's first line on."""

    def __init__(self, sock: socket.socket, target: Target, *, is_patient: bool) -> None:
        """Come online, or raise the OSError that prevents it."""
        name = display_name(*sock.getsockname()[:2])
        self.sock = sock
        self.member = Member(name, target.timeout, target.retries, time.monotonic(), patient=is_patient)
        self.heard: list[Event] = []
        while self.member.state is State.JOINING:
            self._turn()
        if self.member.state is State.GONE:
            raise TimeoutError
        sock.setblocking(False)

    def _turn(self) -> None:
        for datagram in self.member.take_outgoing():
            self.sock.send(datagram)
        try:
            self.sock.settimeout(max(0.001, self.member.deadline - time.monotonic()))
            self.heard += self.member.received(self.sock.recv(RECEIVE_SIZE), time.monotonic())
        except TimeoutError:
            self.member.deadline_reached(time.monotonic())
        for event in self.heard:
            if event.kind is Kind.REFUSED:
                raise ClientError(event.text)  # such as a full room: to ask again would not help

    def __enter__(self) -> "Presence":
        return self

    def __exit__(self, *_: object) -> None:
        """Free the socket; a room that has seen no farewell is told at least that we go."""
        with self.sock, suppress(OSError):
            if self.member.state is not State.GONE:
                self.sock.send(OFFLINE)


def _form(target: Target, manner: Manner) -> Form:
    """The best form that is wanted and possible."""
    if manner.as_json:
        return JsonForm()
    if not interactive():
        return LineForm()
    prompt = tr("say> ")
    if manner.is_plain or not is_smart(sys.stdout):
        return LineForm(prompt)
    try:
        from netechod.client.chat_screen import ScreenForm
    except ImportError:
        return _readline_form(prompt)
    host = f"[{target.host}]" if ":" in target.host else target.host
    return ScreenForm(prompt, f"{host}:{target.port}", has_colors=takes_colors(sys.stdout))


def _readline_form(prompt: str) -> Form:
    """The form for who has no prompt_toolkit."""
    try:
        from netechod.client.chat_readline import ReadlineForm
    except ImportError:  # a Python without readline
        return LineForm(prompt)
    return ReadlineForm(prompt)
