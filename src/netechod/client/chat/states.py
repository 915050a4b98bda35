"""The parts of a member's state: what it waits for, a request, an outage, its own name."""

from dataclasses import dataclass, replace
from enum import Enum, auto

from netechod.client.chat.events import Event, Kind

KEEP_ALIVE = 30.0  # seconds without a request after which the room is asked; it forgets the silent after 120
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 8.0  # seconds between tries to come online again: they double


class State(Enum):
    """The states of a member, each with what it waits for."""

    JOINING = auto()  # for the room to confirm the first `online`
    READY = auto()  # for something to say
    SAYING = auto()  # for the receipt of a message
    ASKING = auto()  # for the answer to an enquiry
    AWAY = auto()  # for a room that can be reached, and knows us
    LEAVING = auto()  # for the farewell
    GONE = auto()


class Stimulus(Enum):
    """The stimuli that a member reacts to."""

    CHALLENGE = auto()  # the room wants our address proved
    STRANGER = auto()  # the room does not know us
    OWN_JOIN = auto()  # our own `online` came back
    OWN_LEAVE = auto()  # our own `offline` came back
    RECEIPT = auto()  # the text of our request came back
    ANSWER = auto()  # the refusal of our enquiry, which proves that the room is there
    REFUSED = auto()  # another refusal
    NOTICE = auto()  # anything else that the room says
    LINE = auto()  # any other line of a member
    ERROR = auto()  # the socket cannot reach the room
    DEADLINE = auto()


@dataclass
class Request:
    """A datagram that is sent again until it is answered. Times are a monotonic clock, in seconds."""

    text: bytes
    since: float
    deadline: float
    tries_left: int
    is_repeated: bool = False
    room_is_there: bool = False  # whether it was heard, although it has not answered this

    def repeat(self, patience: float, now: float) -> None:
        """Use up a try, and wait `patience` seconds for its answer."""
        self.is_repeated = True
        self.tries_left -= 1
        self.deadline = now + patience

    def took(self, now: float) -> float | None:
        """Return the round trip; None if it is not known which try was answered (RFC 6298, 3: Karn)."""
        return None if self.is_repeated else now - self.since


@dataclass
class Outage:
    """A time in which the room is out of reach."""

    why: str
    since: float
    deadline: float
    tries_left: int  # for a member that is not patient
    pause: float

    def wait(self, now: float) -> None:
        """Use up a try; the next one comes after a longer pause."""
        self.tries_left -= 1
        self.deadline = now + self.pause
        self.pause = min(self.pause * 2, LONGEST_PAUSE)

    def explained(self, why: str) -> list[Event]:
        """Note why the room is out of reach; return the event to tell, if the reason is new."""
        if why == self.why:
            return []
        self.why = why
        return [Event(Kind.AWAY, text=why)]


@dataclass
class KeepAlive:
    """The interval at which a silent member gives a sign of life, so that the room keeps it online."""

    interval: float = KEEP_ALIVE

    def shorten(self, silence: float) -> None:
        """Note that the room has put us offline after so many seconds of silence."""
        self.interval = min(self.interval, max(1.0, silence / 2))


class OwnName:
    """Our name in the room, learnt from the lines that answer us: behind a NAT a socket does not know it."""

    def __init__(self, local: str) -> None:
        self.text = local
        self._local = local
        self._is_sure = False

    def forget(self) -> None:
        """Expect another name: after an outage we may come back through another port of the NAT."""
        self._is_sure = False

    def marked(self, event: Event, *, answers: bool) -> Event:
        """Return `event` with `own` set if we sent it.

        As long as we are not sure of our name, the sender of a line that answers our request is taken to be
        us. Two answers from one name make us sure; the socket's own address does at once.
        """
        if event.sender == self._local or (answers and not self._is_sure):
            self._is_sure = event.sender in (self._local, self.text)
            self.text = event.sender
        return replace(event, own=event.sender == self.text)
