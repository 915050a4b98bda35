"""The state of a chat member: the request under way, the messages behind it, and the steps between states."""

from collections import deque

from netechod.client.chat.events import ENQUIRY, PUT_OFFLINE, SILENT, UNKNOWN, Event, Kind
from netechod.client.chat.states import FIRST_PAUSE, KeepAlive, Outage, OwnName, Request, State
from netechod.client.terminal.text import decoded
from netechod.services.wire import OFFLINE, ONLINE

FAREWELLS = 4  # tries to say `offline`, within the time that one answer may take


class MemberState:
    """A member without its reactions, which `protocol` adds. `now` is a monotonic clock, in seconds."""

    def __init__(self, name: str, timeout: float, retries: int, now: float, *, patient: bool = False) -> None:
        self.state = State.JOINING
        self.round_trip: float | None = None  # seconds, of the latest request that needed no repetition
        self.own_name = OwnName(name)
        self._timeout = timeout
        self._retries = retries
        self._is_patient = patient
        self._is_to_leave = False
        self._enquires = True  # until a room passes the enquiry on, as the tutorials' rooms do
        self._introduction = b""  # the text that tells our name
        self._is_asked = False  # whether the person waits for the answer to the enquiry
        self._keep_alive = KeepAlive()
        self._inside_since = self._next_enquiry = now
        self._queue: deque[bytes] = deque()  # to be said; in SAYING and ASKING the first is under way
        self._outgoing: list[bytes] = []
        self._outage = Outage(SILENT, now, now, retries, FIRST_PAUSE)
        self._request = self._asked(ONLINE, now)

    @property
    def name(self) -> str:
        """Our name in the room, as far as we know."""
        return self.own_name.text

    @property
    def is_leaving(self) -> bool:
        """Whether nothing more can be said."""
        return self._is_to_leave or self.state is State.GONE

    @property
    def unsaid(self) -> list[bytes]:
        """The messages without receipt, in order."""
        return [text for text in self._queue if text not in (ENQUIRY, self._introduction)]

    @property
    def deadline(self) -> float:
        """When `deadline_reached` is to be called."""
        if self.state is State.READY:
            return self._next_enquiry
        return (self._outage if self.state is State.AWAY else self._request).deadline

    def hurry(self, now: float) -> None:
        """Stop being patient: the person does not wait for the room to come back."""
        if self._is_patient and self.state is State.AWAY:
            self._outage.tries_left = self._retries
            self._outage.deadline = now
        self._is_patient = False

    def leave(self, now: float, *, at_once: bool = False) -> None:
        """Go offline when everything is said, or at once."""
        self.hurry(now)
        self._is_to_leave = True
        if self.state in (State.LEAVING, State.GONE):
            return
        if at_once or (self.state is State.AWAY and not self.unsaid):
            self._take_leave(now)
        else:
            self._go_on(now)

    def _go(self) -> list[Event]:
        self.state = State.GONE
        return []

    def _repeat(self, datagrams: list[bytes], now: float) -> list[Event]:
        self._outgoing += datagrams
        self._request.repeat(self._timeout, now)
        return []

    def _go_on(self, now: float) -> None:
        """Turn to what is to be done next, unless something is under way."""
        if self.state is State.READY and self._queue:
            self.state = State.ASKING if self._queue[0] == ENQUIRY else State.SAYING
            self._request = self._asked(self._queue[0], now)
        elif self.state is State.READY and self._is_to_leave:
            self._take_leave(now)
        else:
            self._next_enquiry = now + self._keep_alive.interval

    def _asked(self, text: bytes, now: float) -> Request:
        """Send something that will be answered."""
        self._outgoing.append(text)
        return Request(text, now, now + self._timeout, self._retries)

    def _finish(self, now: float) -> float | None:
        """End the request under way; return its round trip, if that can be told."""
        self._queue.popleft()
        seconds = self._request.took(now)
        self.round_trip = self.round_trip if seconds is None else seconds
        self._rest(now)
        return seconds

    def _rest(self, now: float) -> None:
        self.state = State.READY
        self._go_on(now)

    def _lose_message(self, now: float) -> Event:
        """Give up the first message. Without patience, leave."""
        lost = Event(Kind.LOST, self.name, decoded(self._queue.popleft()))
        if self._is_patient:
            self._rest(now)
        else:
            self.leave(now, at_once=True)
        return lost

    def _lose_the_room(self, why: str, now: float) -> list[Event]:
        """Begin an outage. We join again at once if the room has told us, unless it does that often."""
        is_told = why in (UNKNOWN, PUT_OFFLINE) and now - self._inside_since > FIRST_PAUSE
        pause = min(FIRST_PAUSE, self._timeout)
        self._outage = Outage(why, now, now if is_told else now + pause, self._retries, pause)
        self.state = State.AWAY
        self.own_name.forget()
        self._queue = deque(self.unsaid)
        self._is_asked = False
        return [Event(Kind.AWAY, text=why)]

    def _take_leave(self, now: float) -> None:
        """Say `offline`. We do not wait for a room that is out of reach."""
        tries, patience = (0, 0.0) if self.state is State.AWAY else (FAREWELLS - 1, self._timeout / FAREWELLS)
        self.state = State.LEAVING
        self._outgoing.append(OFFLINE)
        self._request = Request(OFFLINE, now, now + patience, tries)
