"""Events of a chat: what the room says, and what happens to our connection and our messages."""

import re
from dataclasses import dataclass
from enum import Enum

from netechod.client.chat.people.nickname import flaw_of
from netechod.client.terminal.text import decoded
from netechod.services.wire import CHALLENGE, EARLIER, NICK, NOT_ONLINE, REFUSED, text_error, text_of

ENQUIRY = b"\x05"
"""ENQ, "who is there?" in ASCII. A room refuses control characters, and tells only their sender. So this is a
question that a room answers to its members, that nobody else sees, and that counts as a sign of life."""

UNKNOWN = "the room does not know us any more"
PUT_OFFLINE = "the room has put us offline"
SILENT = "no answer"

_ANSWER = f"{REFUSED}{text_error(ENQUIRY)}"
_LINE = re.compile(r"([^\s#]+--\d+)#(.*)", re.DOTALL)
_CHALLENGE = re.compile(CHALLENGE + rb"([0-9a-f]{16})")


class Kind(Enum):
    """The kinds of events."""

    MESSAGE = "message"
    JOIN = "join"
    LEAVE = "leave"
    NICK = "nick"  # a member gives itself a name
    EARLIER = "earlier"  # a line from before we came
    REFUSED = "refused"  # the room will not pass our message on, or not let us in
    UNSENT = "unsent"  # our message was not sent, because the room would refuse it
    NOTICE = "notice"  # anything else that the room says
    STRANGER = "stranger"  # the room does not know us (any more)
    CHALLENGE = "challenge"  # prove your address first
    ANSWER = "answer"  # to our enquiry
    LOST = "lost"  # our message got no receipt, and is given up
    AWAY = "away"  # the room is out of reach; the text says why
    BACK = "back"  # and within it again


@dataclass(frozen=True)
class Event:
    """An event: its sender (`ip--port`, empty for the room) and its text."""

    kind: Kind
    sender: str = ""
    text: str = ""
    own: bool = False  # our own line, which is the receipt
    said: str = ""  # the message of ours that is refused or not sent
    seconds: float | None = None  # how long the receipt or the answer took, we were away, or ago it was said
    nick: str = ""  # the sender's name; of NICK the new one
    before: str = ""  # of NICK: the name before
    is_shared: bool = False  # whether another member has a name that looks like it

    @property
    def label(self) -> str:
        """The sender for people: the name. Where that is not enough to tell who it is, the address, too."""
        if not self.nick:
            return self.sender
        return f"{self.nick} ({self.sender})" if self.is_shared else self.nick


def event_of(payload: bytes) -> Event:
    """Parse a datagram of the room. A name has no `#`, so the first one ends it."""
    raw = text_of(payload)
    text = decoded(raw)
    if line := _LINE.match(text):
        sender, said = line.groups()
        if nick := _nick_in(said):
            return Event(Kind.NICK, sender, said, nick=nick)
        kind = {"online": Kind.JOIN, "offline": Kind.LEAVE}.get(said, Kind.MESSAGE)
        return Event(kind, sender, said)
    if earlier := EARLIER.fullmatch(text):
        age, sender, said = earlier.groups()
        return Event(Kind.EARLIER, sender, said, seconds=float(age), nick=_nick_in(said))
    if text.startswith(REFUSED):
        return Event(Kind.ANSWER if text == _ANSWER else Kind.REFUSED, text=text)
    if challenge := _CHALLENGE.fullmatch(raw):
        return Event(Kind.CHALLENGE, text=challenge[1].decode())
    return Event(Kind.STRANGER if raw == NOT_ONLINE else Kind.NOTICE, text=text)


def _nick_in(said: str) -> str:
    """Return the name that a member gives itself with these words; empty if it does not."""
    nick = said.removeprefix(NICK.decode())
    return nick if nick != said and flaw_of(nick) is None else ""
