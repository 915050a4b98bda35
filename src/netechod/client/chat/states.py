"""What a member of a chat goes through: states, a request that is repeated, an absence, its own name."""

from dataclasses import dataclass, replace
from enum import Enum, auto

from netechod.client.chat.events import Event, Kind

KEEP_ALIVE = 30.0  # seconds without a request after which the room is asked; it forgets the silent after 120
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 8.0  # seconds between tries to come online again: they double


class State(Enum):
    """What a member waits for."""

    JOINING = auto()  # for the room to confirm the first `online`
    READY = auto()  # for something to say
    SAYING = auto()  # for the receipt of a message, or the answer to an enquiry
    AWAY = auto()  # for a room that can be reached, and knows us
    LEAVING = auto()  # for the farewell
    GONE = auto()


@dataclass
class Request:
    """Something that is sent again until it is answered; times are a monotonic clock, in seconds."""

    text: bytes
    since: float
    deadline: float
    tries_left: int
    is_repeated: bool = False
    room_is_there: bool = False  # though it has not answered this

    def repeat(self, patience: float, now: float) -> None:
        """Use a try."""
        self.is_repeated = True
        self.tries_left -= 1
        self.deadline = now + patience

    def took(self, now: float) -> float | None:
        """The round trip, unless nobody can tell which try was answered (RFC 6298, 3: Karn's algorithm)."""
        return None if self.is_repeated else now - self.since


@dataclass
class Outage:
    """The time in which the room is out of reach."""

    why: str
    since: float
    deadline: float
    tries_left: int  # of who is not patient
    pause: float

    def wait(self, now: float) -> None:
        """Use a try, and be in less of a hurry for the next."""
        self.tries_left -= 1
        self.deadline = now + self.pause
        self.pause = min(self.pause * 2, LONGEST_PAUSE)

    def explained(self, why: str) -> list[Event]:
        """What there is to tell when the room is out of reach for `why`: nothing, if that is no news."""
        if why == self.why:
            return []
        self.why = why
        return [Event(Kind.AWAY, text=why)]


@dataclass
class KeepAlive:
    """How often a silent member has to give a sign of life."""

    interval: float = KEEP_ALIVE

    def shorten(self, silence: float) -> None:
        """Learn that the room has put us offline after so many seconds of silence."""
        self.interval = min(self.interval, max(1.0, silence / 2))


class OwnName:
    """What the room calls us, learnt from the lines that answer us: a socket behind a NAT can't know it."""

    def __init__(self, local: str) -> None:
        self.text = local
        self._local = local
        self._is_sure = False

    def forget(self) -> None:
        """Expect another one: who was away may come back through another port of the NAT."""
        self._is_sure = False

    def marked(self, event: Event, *, answers: bool) -> Event:
        """`event`, marked if it is ours. As long as we are not sure, whoever says what `answers` us is us.

        Two answers under one name make us sure, and the local name does at once.
        """
        if event.sender == self._local or (answers and not self._is_sure):
            self._is_sure = event.sender in (self._local, self.text)
            self.text = event.sender
        return replace(event, own=event.sender == self.text)
