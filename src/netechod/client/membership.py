"""One member's side of the chat protocol: what to send, when to send it again, and what was heard. No I/O.

UDP loses datagrams, and the room confirms each one by a line that comes back: the member's own `online`,
message or `offline`. So there is one request at a time, repeated until its line is heard. That also keeps
the messages in order.
"""

import re
from enum import Enum, auto
from typing import NamedTuple

from netechod.services.wire import NOT_ONLINE, OFFLINE, ONLINE, REFUSED, text_of

KEEP_ALIVE = 60.0  # seconds without a datagram after which presence is refreshed; the room forgets after 120

_LINE = re.compile(r"(\S+--\d+)#(.*)", re.DOTALL)
_CHALLENGE = re.compile(rb"challenge ([0-9a-f]{16})")


class Kind(Enum):
    """What a datagram of the room says, or its silence."""

    MESSAGE = "message"
    JOIN = "join"
    LEAVE = "leave"
    REFUSED = "refused"  # the room will not pass our message on
    STRANGER = "stranger"  # the room does not know us (any more)
    CHALLENGE = "challenge"  # prove your address first
    NOTICE = "notice"  # anything else
    LOST = "lost"  # our message, which stayed without receipt


class Event(NamedTuple):
    """Something heard: from whom (`ip--port`, empty for the room itself), and its text."""

    kind: Kind
    sender: str
    text: str


class State(Enum):
    """What a member waits for."""

    JOINING = auto()  # for the room to confirm `online`
    READY = auto()  # for something to say
    SAYING = auto()  # for the receipt of a message
    LEAVING = auto()  # for the farewell
    GONE = auto()


def event_of(payload: bytes) -> Event:
    """What a datagram says; a name has no `#`, so the first one ends it."""
    raw = text_of(payload)
    text = _decoded(raw)
    if line := _LINE.match(text):
        sender, said = line.groups()
        kind = {"online": Kind.JOIN, "offline": Kind.LEAVE}.get(said, Kind.MESSAGE)
        return Event(kind, sender, said)
    if text.startswith(REFUSED):
        return Event(Kind.REFUSED, "", text)
    if challenge := _CHALLENGE.fullmatch(raw):
        return Event(Kind.CHALLENGE, "", challenge[1].decode())
    return Event(Kind.STRANGER if raw == NOT_ONLINE else Kind.NOTICE, "", text)


class Member:
    """One presence in the room, from `online` to `offline`. `now` is a monotonic clock, in seconds.

    Whoever drives it sends what `take_outgoing` returns, hands in what arrives, and calls
    `deadline_reached` at `deadline`.
    """

    def __init__(self, name: str, timeout: float, retries: int, now: float) -> None:
        self.state = State.JOINING
        self.deadline = now + timeout
        self._name = name  # as the local socket has it; behind a NAT the room has another
        self._name_confirmed = False
        self._timeout = timeout
        self._retries = retries
        self._retries_left = retries
        self._said = ONLINE
        self._outgoing = [ONLINE]

    def take_outgoing(self) -> list[bytes]:
        """The datagrams to send now, in order."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def say(self, text: bytes, now: float) -> None:
        """Say something, in state READY. `online` and `offline` do what they say."""
        if text == OFFLINE:
            self.leave(now)
        elif text == ONLINE:
            self._refresh(now)  # the room confirms no second `online`, so there is nothing to wait for
        else:
            self._request(State.SAYING, text, now)

    def leave(self, now: float) -> None:
        """Go offline, whatever is under way."""
        self._request(State.LEAVING, OFFLINE, now)

    def received(self, payload: bytes, now: float) -> Event:
        """Hear a datagram of the room."""
        event = event_of(payload)
        if event.sender == self._name:
            self._name_confirmed = True
        if self._is_answered_by(event):
            self._finish(now)
        elif event.kind is Kind.CHALLENGE and self.state is not State.LEAVING:
            self._outgoing.append(ONLINE + b" " + event.text.encode())
        elif event.kind is Kind.STRANGER and self.state is State.SAYING:
            self.deadline = now  # no need to wait: the repetition comes online first
        return event

    def deadline_reached(self, now: float) -> Event | None:
        """Repeat what is unanswered, give it up after the last try, or refresh an idle presence."""
        if self.state is State.READY:
            self._refresh(now)
        elif self.state is State.LEAVING:
            self.state = State.GONE  # the room forgets the silent by itself
        elif self._retries_left:
            self._repeat(now)
        elif self.state is State.JOINING:
            self.state = State.GONE
        else:
            self._finish(now)
            return Event(Kind.LOST, self._name, _decoded(self._said))
        return None

    def _is_answered_by(self, event: Event) -> bool:
        """Whether `event` is the line that the request under way waits for."""
        ours = event.sender == self._name or (event.sender != "" and not self._name_confirmed)
        if self.state is State.JOINING:
            return event.kind in (Kind.JOIN, Kind.MESSAGE)  # a stranger hears nobody
        if self.state is State.SAYING:
            return event.kind is Kind.REFUSED or (ours and event.text == _decoded(self._said))
        if self.state is State.LEAVING:
            return event.kind is Kind.STRANGER or (ours and event.kind is Kind.LEAVE)
        return False

    def _request(self, state: State, text: bytes, now: float) -> None:
        self.state = state
        self.deadline = now + self._timeout
        self._said = text
        self._retries_left = self._retries
        self._outgoing.append(text)

    def _repeat(self, now: float) -> None:
        """Send the request again.

        A room that had taken our `online` confirms no second one, so joining starts over by leaving. A room
        that has restarted meanwhile knows us no more, so a message goes after another `online`.
        """
        self._retries_left -= 1
        self.deadline = now + self._timeout
        self._outgoing += [OFFLINE, ONLINE] if self.state is State.JOINING else [ONLINE, self._said]

    def _refresh(self, now: float) -> None:
        self._outgoing.append(ONLINE)
        self.deadline = now + KEEP_ALIVE

    def _finish(self, now: float) -> None:
        self.state = State.GONE if self.state is State.LEAVING else State.READY
        self.deadline = now + KEEP_ALIVE


def _decoded(text: bytes) -> str:
    return text.decode(errors="backslashreplace")
