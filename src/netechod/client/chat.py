"""`netecho chat`: come online, say what is typed or piped, show what the others say, go offline."""

import select
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from netechod.client.lines import Input
from netechod.client.membership import Event, Kind, Member, State
from netechod.client.net import RECEIVE_SIZE, ClientError, Server, Target
from netechod.client.screen import cells, complain, interactive, put, put_json
from netechod.client.words import tr
from netechod.services.wire import OFFLINE, display_name, flaw_of, harmless

MAX_MESSAGE = 1024  # bytes of one message; the room refuses more

_FORMS = {Kind.MESSAGE: "{0}: {1}", Kind.JOIN: "--> {0} {1}", Kind.LEAVE: "<-- {0} {1}"}


def run(target: Target, *, as_json: bool) -> int:
    """Chat until the end of input or Ctrl-C; 1 if not a person but a pipe spoke, and was not heard whole."""
    person = interactive() and not as_json
    screen = Screen(tr("say> ") if person else "", as_json=as_json)
    source = Input(sys.stdin.fileno())

    def join(sock: socket.socket) -> Conversation:
        conversation = Conversation(sock, target, source, screen)
        conversation.join()
        return conversation

    conversation = Server(target, socket.SOCK_DGRAM).first(join)
    try:
        conversation.talk()
    finally:
        conversation.close()
    return 1 if conversation.failures and not person else 0


class Screen:
    """Where events are shown: lines or JSON on stdout, trouble on stderr; and the prompt for a person."""

    def __init__(self, prompt: str, *, as_json: bool) -> None:
        self.person = bool(prompt)
        self._prompt = prompt
        self._as_json = as_json
        self._is_prompting = False

    def prompt(self) -> None:
        """Ask for a line, unless that is done already."""
        if self.person and not self._is_prompting:
            put(self._prompt)
            self._is_prompting = True

    def line_was_typed(self) -> None:
        """Know that the person has left the prompt's line."""
        self._is_prompting = False

    def show(self, event: Event) -> None:
        """Show what was heard; what is only between the room and the member is not for people."""
        if event.kind in (Kind.CHALLENGE, Kind.STRANGER):
            return
        if event.kind is Kind.LOST:
            self.complain(
                tr("no receipt, perhaps nobody read it: {text}", text=event.text),
                tr("is the server still there?"),
            )
        elif event.kind not in _FORMS:
            self.complain(event.text)
        elif self._as_json:
            put_json({"type": event.kind.value, "from": event.sender, "text": event.text})
        else:
            self._clear()
            put(harmless(_FORMS[event.kind].format(event.sender, event.text)) + "\n")

    def complain(self, message: str, hint: str = "") -> None:
        """Say what went wrong."""
        self._clear()
        complain(message, hint)

    def _clear(self) -> None:
        """Wipe the waiting prompt away, with no more than any terminal can."""
        if self._is_prompting:
            put(f"\r{' ' * cells(self._prompt)}\r")
            self._is_prompting = False


class Conversation:
    """A member, its socket, its input and its screen, in one loop."""

    def __init__(self, sock: socket.socket, target: Target, source: Input, screen: Screen) -> None:
        name = display_name(*sock.getsockname()[:2])
        self.failures = 0  # messages that did not get through
        self._sock = sock
        self._member = Member(name, target.timeout, target.retries, time.monotonic())
        self._source = source
        self._screen = screen

    def join(self) -> None:
        """Come online, or raise the OSError that prevents it."""
        while self._member.state is State.JOINING:
            self._turn()
        if self._member.state is State.GONE:
            raise TimeoutError

    def talk(self) -> None:
        """Say what the input holds and show what is heard, until the farewell."""
        while self._member.state is not State.GONE:
            self._turn()

    def close(self) -> None:
        """Free the socket; a room that has seen no farewell is told at least that we go."""
        with self._sock, suppress(OSError):
            if self._member.state is not State.GONE:
                self._sock.send(OFFLINE)

    def _turn(self) -> None:
        """Say a line or wait for something to happen; Ctrl-C means to leave, and once more, to drop all."""
        try:
            if self._member.state is not State.READY or not self._take_line():
                self._send()
                self._wait()
        except KeyboardInterrupt:
            if self._member.state is State.LEAVING:
                raise
            self._member.leave(time.monotonic())

    def _take_line(self) -> bool:
        """Say the next line, or leave when there will be none; False when there is none yet."""
        line = self._source.next_line()
        if line is None and not self._source.ended:
            self._screen.prompt()
            return False
        if line is None:
            self._member.leave(time.monotonic())
        else:
            self._say(line.rstrip(b"\r "))
        return True

    def _say(self, text: bytes) -> None:
        """Say what the room will take; the rest the person hears about at once."""
        flaw = (
            tr("{size} bytes, at most {most}", size=len(text), most=MAX_MESSAGE)
            if len(text) > MAX_MESSAGE
            else flaw_of(text)
        )
        if flaw is not None:
            self.failures += 1
            self._screen.complain(tr("message not sent: {why}", why=flaw))
        elif text:
            self._member.say(text, time.monotonic())

    def _send(self) -> None:
        for datagram in self._member.take_outgoing():
            with self._losses_allowed():
                self._sock.send(datagram)

    def _wait(self) -> None:
        """Sleep until something arrives, is typed, or is due."""
        readers: list[socket.socket | int] = [self._sock]
        if self._member.state is State.READY:
            readers.append(self._source.descriptor)
        readable, _, _ = select.select(readers, [], [], max(0.0, self._member.deadline - time.monotonic()))
        if self._sock in readable:
            with self._losses_allowed():
                payload = self._sock.recv(RECEIVE_SIZE)
                self._note(self._member.received(payload, time.monotonic()))
        if self._source.descriptor in readable:
            self._source.read()
            self._screen.line_was_typed()
        if time.monotonic() >= self._member.deadline:
            self._note(self._member.deadline_reached(time.monotonic()))

    def _note(self, event: Event | None) -> None:
        """Show what happened, and count what did not get through."""
        if event is None:
            return
        if event.kind is Kind.REFUSED and self._member.state is State.JOINING:
            raise ClientError(event.text)  # such as a full room: to ask again would not help
        self._screen.show(event)
        self.failures += event.kind in (Kind.REFUSED, Kind.LOST)
        if event.kind is Kind.LOST and not self._screen.person:
            self._source.give_up()  # the rest of a pipe would fare no better

    @contextmanager
    def _losses_allowed(self) -> Iterator[None]:
        """Pass over an error of the socket, which the missing receipt tells, except in coming online."""
        try:
            yield
        except OSError:
            if self._member.state is State.JOINING:
                raise
