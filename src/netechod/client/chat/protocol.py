"""One member's side of the chat protocol: what to send, when to send it again, and what was heard. No I/O.

UDP loses datagrams, and the room confirms each by a line that comes back: the member's own `online`, message
or `offline`. So there is one request at a time, in order, repeated until its line is heard. A message whose
receipt got lost is said twice, because no line has a number by which a repetition could be told from somebody
who repeats himself: heard twice is better than not at all.
"""

from collections import deque
from dataclasses import replace

from netechod.client.chat.events import ENQUIRY, PUT_OFFLINE, SILENT, UNKNOWN, Event, Kind, event_of
from netechod.client.chat.states import FIRST_PAUSE, KeepAlive, Outage, OwnName, Request, State
from netechod.client.terminal.text import decoded
from netechod.services.wire import OFFLINE, ONLINE

FAREWELLS = 4  # tries to say `offline`, within the time that one answer may take


class Member:
    """One presence in the room, from `online` to `offline`. `now` is a monotonic clock, in seconds.

    Whoever drives it sends what `take_outgoing` returns, hands in what arrives, and calls
    `deadline_reached` at `deadline`. What is worth telling comes back as events.

    A patient member keeps a message for as long as the room is out of reach. Another gives it up after the
    tries that were granted, and leaves: what is still to be said would fare no better.
    """

    def __init__(self, name: str, timeout: float, retries: int, now: float, *, patient: bool = False) -> None:
        self.state = State.JOINING
        self.round_trip: float | None = None  # seconds, of the latest request that needed no repetition
        self.own_name = OwnName(name)
        self._timeout = timeout
        self._retries = retries
        self._is_patient = patient
        self._is_to_leave = False
        self._enquires = True  # until a room passes the enquiry on, as the tutorials' rooms do
        self._is_asked = False  # somebody waits for the answer to the enquiry
        self._keep_alive = KeepAlive()
        self._inside_since = self._next_enquiry = now
        self._queue: deque[bytes] = deque()  # to be said; in state SAYING the first is under way
        self._outgoing: list[bytes] = []
        self._outage = Outage(SILENT, now, now, retries, FIRST_PAUSE)
        self._request = self._asked(ONLINE, now)

    @property
    def name(self) -> str:
        """What the room calls us, as far as we know."""
        return self.own_name.text

    @property
    def is_leaving(self) -> bool:
        """Whether nothing more can be said."""
        return self._is_to_leave or self.state is State.GONE

    @property
    def unsaid(self) -> list[bytes]:
        """The messages that stay without receipt so far, in order."""
        return [text for text in self._queue if text != ENQUIRY]

    @property
    def deadline(self) -> float:
        """When `deadline_reached` is to be called."""
        if self.state is State.READY:
            return self._next_enquiry
        return (self._outage if self.state is State.AWAY else self._request).deadline

    def take_outgoing(self) -> list[bytes]:
        """The datagrams to send now, in order."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def say(self, text: bytes, now: float) -> None:
        """Say something, behind what was said before. `online` and `offline` do what they say."""
        if text == OFFLINE:
            self.leave(now)
        elif text == ONLINE:
            self._outgoing.append(ONLINE)  # the room confirms no second one: there is nothing to wait for
        else:
            self._queue.append(text)
            self._go_on(now)

    def enquire(self, now: float) -> list[Event]:
        """Ask the room whether it is there; an event will tell, or tells already."""
        if self.state is State.AWAY:
            return [Event(Kind.AWAY, text=self._outage.why)]
        self._is_asked = True
        if ENQUIRY not in self._queue:
            self._queue.append(ENQUIRY)
            self._go_on(now)
        return []

    def hurry(self, now: float) -> None:
        """Be patient no more: nobody waits for the room to come back."""
        if self._is_patient and self.state is State.AWAY:
            self._outage.tries_left = self._retries
            self._outage.deadline = now
        self._is_patient = False

    def leave(self, now: float, *, at_once: bool = False) -> None:
        """Go offline when everything is said, or else at once."""
        self.hurry(now)
        self._is_to_leave = True
        if self.state in (State.LEAVING, State.GONE):
            return
        if at_once or (self.state is State.AWAY and not self.unsaid):
            self._take_leave(now)
        else:
            self._go_on(now)

    def received(self, payload: bytes, now: float) -> list[Event]:
        """Hear a datagram of the room."""
        event = event_of(payload)
        joins = event.kind is Kind.JOIN and self.state in (State.JOINING, State.AWAY)
        event = self.own_name.marked(event, answers=joins or self._is_receipt(event))
        if self.state in (State.LEAVING, State.GONE):
            return self._heard_in_leaving(event)
        if event.kind is Kind.CHALLENGE:
            self._outgoing.append(ONLINE + b" " + event.text.encode())
            self._request.is_repeated = True  # what it takes now is not a round trip
            return []
        if self.state in (State.JOINING, State.AWAY):
            return self._heard_outside(event, now)
        return self._heard_inside(event, now)

    def unreachable(self, why: str, now: float) -> list[Event]:
        """Know that a datagram could not be sent, or not be delivered."""
        if self.state is State.LEAVING:
            self.state = State.GONE
        elif self.state is State.AWAY:
            return self._outage.explained(why)
        elif self.state in (State.READY, State.SAYING):
            return self._lose_the_room(why, now)
        return []

    def deadline_reached(self, now: float) -> list[Event]:
        """Repeat what is unanswered, give it up after the last try, or see whether the room is there."""
        if self.state is State.READY:
            self._refresh(now)
        elif self.state is State.AWAY:
            return self._try_to_return(now)
        elif not self._request.tries_left:
            return self._give_up(now)
        elif self.state is State.LEAVING:
            self._outgoing.append(OFFLINE)
            self._request.repeat(self._timeout / FAREWELLS, now)
        else:
            # A room that has restarted does not know us; one that still does says nothing to `online`, but
            # answers the enquiry.
            again = [self._request.text] if self._request.text not in (ONLINE, ENQUIRY) else []
            self._outgoing += [ONLINE, *again, ENQUIRY]
            self._request.repeat(self._timeout, now)
        return []

    def _is_receipt(self, event: Event) -> bool:
        """Whether `event`, if it is our own line, is the receipt that we wait for."""
        is_due = self.state is State.SAYING and event.kind is Kind.MESSAGE
        return is_due and event.text == decoded(self._request.text)

    def _heard_in_leaving(self, event: Event) -> list[Event]:
        """Listen on until the farewell; a room that does not know us gives none."""
        if event.kind is Kind.STRANGER or (event.own and event.kind is Kind.LEAVE):
            self.state = State.GONE
        return [] if event.kind in (Kind.STRANGER, Kind.ANSWER, Kind.CHALLENGE) else [event]

    def _heard_outside(self, event: Event, now: float) -> list[Event]:
        """Come in by any line or answer, because only members get those."""
        if event.kind is Kind.REFUSED and self.state is State.AWAY:
            return self._outage.explained(event.text)
        if event.kind in (Kind.REFUSED, Kind.NOTICE):
            return [event]
        if event.kind is Kind.STRANGER or (event.own and event.kind is Kind.LEAVE):
            return []
        told = [] if event.kind is Kind.ANSWER else [event]
        if self.state is State.AWAY:
            told.append(Event(Kind.BACK, seconds=now - self._outage.since))
        else:
            self.round_trip = self._request.took(now)
        self._inside_since = now
        self._rest(now)
        return told

    def _heard_inside(self, event: Event, now: float) -> list[Event]:
        """Find receipts and answers, and learn when the room has lost us."""
        if event.kind is Kind.STRANGER:
            return self._lose_the_room(UNKNOWN, now)
        if event.kind in (Kind.ANSWER, Kind.REFUSED):
            return self._heard_answer(event, now)
        if event.own and event.kind is Kind.JOIN:  # by our repeated `online`: it had lost us
            return [event, Event(Kind.BACK)]
        if event.own and event.kind is Kind.LEAVE:
            return [event, *self._be_put_offline(now)]
        return self._heard_receipt(event, now) if event.own and self._is_receipt(event) else [event]

    def _heard_receipt(self, event: Event, now: float) -> list[Event]:
        if self._request.text == ENQUIRY:
            self._enquires = False
            return self._heard_answer(event, now)
        return [replace(event, seconds=self._finish(now))]

    def _be_put_offline(self, now: float) -> list[Event]:
        silence = now - self._request.since
        if silence > self._timeout:  # no late answer
            self._keep_alive.shorten(silence)
        return self._lose_the_room(PUT_OFFLINE, now)

    def _heard_answer(self, event: Event, now: float) -> list[Event]:
        """The room is there, which is news for who has asked, or it refuses what we said."""
        if self.state is State.SAYING and self._request.text == ENQUIRY:  # refused in whatever words
            is_asked, self._is_asked = self._is_asked, False
            seconds = self._finish(now)
            return [Event(Kind.ANSWER, seconds=seconds)] if is_asked else []
        if self.state is State.SAYING and event.kind is Kind.REFUSED:
            said = decoded(self._request.text)
            self._finish(now)
            return [replace(event, said=said)]
        self._request.room_is_there = True
        return [] if event.kind is Kind.ANSWER else [event]

    def _go_on(self, now: float) -> None:
        """Turn to what is to be done next, unless something is under way."""
        if self.state is State.READY and self._queue:
            self.state = State.SAYING
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
        """Be done with what is under way; returns its round trip, if that can be told."""
        self._queue.popleft()
        seconds = self._request.took(now)
        self.round_trip = self.round_trip if seconds is None else seconds
        self._rest(now)
        return seconds

    def _rest(self, now: float) -> None:
        self.state = State.READY
        self._go_on(now)

    def _refresh(self, now: float) -> None:
        """Have the room know that we are there, and see whether it is."""
        if self._enquires:
            self._queue.append(ENQUIRY)
        else:
            self._outgoing.append(ONLINE)
        self._go_on(now)

    def _give_up(self, now: float) -> list[Event]:
        """Have had the last try."""
        if self.state is not State.SAYING:
            self.state = State.GONE  # the room forgets the silent by itself
            return []
        if self._request.text == ENQUIRY or (self._is_patient and not self._request.room_is_there):
            return self._lose_the_room(SILENT, now)
        return [self._lose_message(now)]

    def _lose_message(self, now: float) -> Event:
        """Give up the first message; if that is the end of our patience, leave."""
        lost = Event(Kind.LOST, self.name, decoded(self._queue.popleft()))
        if self._is_patient:
            self._rest(now)
        else:
            self.leave(now, at_once=True)
        return lost

    def _lose_the_room(self, why: str, now: float) -> list[Event]:
        """Be offline against our will, and try to return: at once if the room told us, and is not fickle."""
        is_told = why in (UNKNOWN, PUT_OFFLINE) and now - self._inside_since > FIRST_PAUSE
        pause = min(FIRST_PAUSE, self._timeout)
        self._outage = Outage(why, now, now if is_told else now + pause, self._retries, pause)
        self.state = State.AWAY
        self.own_name.forget()
        self._queue = deque(self.unsaid)
        self._is_asked = False
        return [Event(Kind.AWAY, text=why)]

    def _try_to_return(self, now: float) -> list[Event]:
        """Ask to come in. A room that still has us does not say so, but answers the enquiry."""
        if self._queue and not self._is_patient and not self._outage.tries_left:
            return [self._lose_message(now)]
        self._outgoing += [ONLINE, ENQUIRY]
        self._outage.wait(now)
        return []

    def _take_leave(self, now: float) -> None:
        """Say `offline`; a room that is out of reach is not waited for."""
        tries, patience = (0, 0.0) if self.state is State.AWAY else (FAREWELLS - 1, self._timeout / FAREWELLS)
        self.state = State.LEAVING
        self._outgoing.append(OFFLINE)
        self._request = Request(OFFLINE, now, now + patience, tries)
