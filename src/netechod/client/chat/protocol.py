"""One member's side of the chat protocol, without I/O: a table of states.

UDP loses datagrams, and the room confirms each of ours by a line that comes back: our own `online`, message
or `offline`. So there is one request at a time, in order, repeated until its line comes back. A message whose
receipt is lost is said twice, because lines have no numbers: nobody can tell a repetition from a person who
repeats himself. Twice is better than not at all.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeAlias

from netechod.client.chat.events import ENQUIRY, PUT_OFFLINE, SILENT, UNKNOWN, Event, Kind
from netechod.client.chat.events import event_of as parse
from netechod.client.chat.member_state import FAREWELLS, MemberState
from netechod.client.chat.states import State, Stimulus
from netechod.client.terminal.text import decoded
from netechod.services.wire import OFFLINE, ONLINE


class Member(MemberState):
    """A member from `online` to `offline`. `now` is a monotonic clock, in seconds.

    The driver sends what `take_outgoing` returns, hands in what arrives, and calls `deadline_reached` at
    `deadline`. What happens is returned as events.

    A patient member keeps a message for as long as the room is out of reach. Another member gives a message
    up after its tries, and leaves: what is still to be said would fare no better.
    """

    def take_outgoing(self) -> list[bytes]:
        """Return the datagrams to send now, in order."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def say(self, text: bytes, now: float) -> None:
        """Say something, after what was said before. `online` and `offline` are commands, as in the room."""
        if text == OFFLINE:
            self.leave(now)
        elif text == ONLINE:
            self._outgoing.append(ONLINE)  # the room confirms no second one: nothing to wait for
        else:
            self._queue.append(text)
            self._go_on(now)

    def introduce(self, text: bytes, now: float) -> None:
        """Say a text that tells our name, unless it is already to be said. It is no message of the person."""
        self._introduction = text
        if not self.is_leaving and text not in self._queue:
            self._queue.append(text)
            self._go_on(now)

    def enquire(self, now: float) -> list[Event]:
        """Ask the room whether it is there. The answer is an event, now or later."""
        if self.state is State.AWAY:
            return [Event(Kind.AWAY, text=self._outage.why)]
        self._is_asked = True
        if ENQUIRY not in self._queue:
            self._queue.append(ENQUIRY)
            self._go_on(now)
        return []

    # Stimuli: each is looked up in the table at the end of this module.

    def received(self, payload: bytes, now: float) -> list[Event]:
        """Handle a datagram of the room."""
        event = parse(payload)
        joins = event.kind is Kind.JOIN and self.state in (State.JOINING, State.AWAY)
        event = self.own_name.marked(event, answers=joins or self._is_receipt(event))
        return self._react(self._stimulus_of(event), event, now)

    def unreachable(self, why: str, now: float) -> list[Event]:
        """Handle an error of the socket: a datagram could not be sent, or not be delivered."""
        return self._react(Stimulus.ERROR, Event(Kind.AWAY, text=why), now)

    def deadline_reached(self, now: float) -> list[Event]:
        """Repeat what is unanswered, give it up after the last try, or ask whether the room is there."""
        return self._react(Stimulus.DEADLINE, Event(Kind.AWAY, text=SILENT), now)

    def _react(self, stimulus: Stimulus, event: Event, now: float) -> list[Event]:
        action = _TABLE[self.state].get(stimulus, Member._tell)
        return action(self, event, now)

    def _stimulus_of(self, event: Event) -> Stimulus:
        if event.own and event.kind in _OWN:
            return _OWN[event.kind]
        if event.own and self._is_receipt(event):
            return Stimulus.RECEIPT
        return _OTHERS.get(event.kind, Stimulus.LINE)

    def _is_receipt(self, event: Event) -> bool:
        """Return whether `event` confirms our request, if it is our own line."""
        is_due = self.state in (State.SAYING, State.ASKING) and event.kind in (Kind.MESSAGE, Kind.NICK)
        return is_due and event.text == decoded(self._request.text)

    # Actions: a stimulus in a state leads to one of them. Each returns the events to tell.

    def _tell(self, event: Event, now: float) -> list[Event]:
        return [event]

    def _ignore(self, event: Event, now: float) -> list[Event]:
        return []

    def _prove(self, event: Event, now: float) -> list[Event]:
        """Answer a challenge with its cookie."""
        self._outgoing.append(ONLINE + b" " + event.text.encode())
        if self.state in (State.JOINING, State.AWAY):
            self._request.is_repeated = True  # the time from now on is no round trip
        return []

    def _enter(self, event: Event, now: float) -> list[Event]:
        """Be in the room. Any line or answer proves it, because only members get those."""
        self.round_trip = self._request.took(now)
        self._inside_since = now
        self._rest(now)
        return [] if event.kind is Kind.ANSWER else [event]

    def _return(self, event: Event, now: float) -> list[Event]:
        """Be in the room again after an outage."""
        round_trip, since = self.round_trip, self._outage.since
        told = self._enter(event, now)
        self.round_trip = round_trip
        return [*told, Event(Kind.BACK, seconds=now - since)]

    def _explain(self, event: Event, now: float) -> list[Event]:
        """Tell why the room is still out of reach, if the reason is new."""
        return self._outage.explained(event.text)

    def _note_life(self, event: Event, now: float) -> list[Event]:
        """Note that the room is there, though it has not confirmed the request."""
        self._request.room_is_there = True
        return [] if event.kind is Kind.ANSWER else [event]

    def _come_back(self, event: Event, now: float) -> list[Event]:
        """The room had lost us, and took our repeated `online`."""
        return [event, Event(Kind.BACK)]

    def _be_put_offline(self, event: Event, now: float) -> list[Event]:
        """The room has put us offline; a long silence before that shows its idle limit."""
        silence = now - self._request.since
        if silence > self._timeout:  # else the line is a late answer
            self._keep_alive.shorten(silence)
        return [event, *self._lose_the_room(PUT_OFFLINE, now)]

    def _be_forgotten(self, event: Event, now: float) -> list[Event]:
        return self._lose_the_room(UNKNOWN, now)

    def _be_cut_off(self, event: Event, now: float) -> list[Event]:
        return self._lose_the_room(event.text, now)

    def _confirm(self, event: Event, now: float) -> list[Event]:
        """The receipt of our message."""
        return [replace(event, seconds=self._finish(now))]

    def _be_refused(self, event: Event, now: float) -> list[Event]:
        said = decoded(self._request.text)
        self._finish(now)
        return [replace(event, said=said)]

    def _be_answered(self, event: Event, now: float) -> list[Event]:
        """The answer to our enquiry, in whatever words; told only if the person has asked."""
        is_asked, self._is_asked = self._is_asked, False
        seconds = self._finish(now)
        return [Event(Kind.ANSWER, seconds=seconds)] if is_asked else []

    def _be_passed_on(self, event: Event, now: float) -> list[Event]:
        """The room takes our enquiry for a message, and shows it to everybody: do not ask it again."""
        self._enquires = False
        return self._be_answered(event, now)

    def _refresh(self, event: Event, now: float) -> list[Event]:
        """Tell the room that we are there, and ask whether it is."""
        if self._enquires:
            self._queue.append(ENQUIRY)
        else:
            self._outgoing.append(ONLINE)
        self._go_on(now)
        return []

    def _join_again(self, event: Event, now: float) -> list[Event]:
        """A room that knows us already does not confirm `online`, but answers the enquiry."""
        return self._repeat([ONLINE, ENQUIRY], now) if self._request.tries_left else self._go()

    def _say_again(self, event: Event, now: float) -> list[Event]:
        """A room that has restarted needs our `online` first."""
        if self._request.tries_left:
            return self._repeat([ONLINE, self._request.text, ENQUIRY], now)
        if self._is_patient and not self._request.room_is_there:
            return self._lose_the_room(SILENT, now)
        return [self._lose_message(now)]

    def _ask_again(self, event: Event, now: float) -> list[Event]:
        if self._request.tries_left:
            return self._repeat([ONLINE, ENQUIRY], now)
        return self._lose_the_room(SILENT, now)

    def _try_to_return(self, event: Event, now: float) -> list[Event]:
        """Join again. A room that still knows us does not say so, but answers the enquiry."""
        if self._queue and not self._is_patient and not self._outage.tries_left:
            return [self._lose_message(now)]
        self._outgoing += [ONLINE, ENQUIRY]
        self._outage.wait(now)
        return []

    def _say_farewell_again(self, event: Event, now: float) -> list[Event]:
        if not self._request.tries_left:
            return self._go()  # the room forgets the silent by itself
        self._outgoing.append(OFFLINE)
        self._request.repeat(self._timeout / FAREWELLS, now)
        return []

    def _hear_farewell(self, event: Event, now: float) -> list[Event]:
        return [*self._go(), event]

    def _end(self, event: Event, now: float) -> list[Event]:
        return self._go()


_OWN = {Kind.JOIN: Stimulus.OWN_JOIN, Kind.LEAVE: Stimulus.OWN_LEAVE}
_OTHERS = {
    Kind.CHALLENGE: Stimulus.CHALLENGE,
    Kind.STRANGER: Stimulus.STRANGER,
    Kind.ANSWER: Stimulus.ANSWER,
    Kind.REFUSED: Stimulus.REFUSED,
    Kind.NOTICE: Stimulus.NOTICE,
}

Action: TypeAlias = Callable[[Member, Event, float], list[Event]]
_Row: TypeAlias = Mapping[Stimulus, Action]

_OUTSIDE: _Row = {
    Stimulus.CHALLENGE: Member._prove,
    Stimulus.STRANGER: Member._ignore,
    Stimulus.OWN_LEAVE: Member._ignore,
}
_INSIDE: _Row = {
    Stimulus.CHALLENGE: Member._prove,
    Stimulus.STRANGER: Member._be_forgotten,
    Stimulus.OWN_JOIN: Member._come_back,
    Stimulus.OWN_LEAVE: Member._be_put_offline,
    Stimulus.ANSWER: Member._note_life,
    Stimulus.REFUSED: Member._note_life,
    Stimulus.ERROR: Member._be_cut_off,
}
_TABLE: Mapping[State, _Row] = {
    State.JOINING: {
        **_OUTSIDE,
        Stimulus.OWN_JOIN: Member._enter,
        Stimulus.LINE: Member._enter,
        Stimulus.ANSWER: Member._enter,
        Stimulus.ERROR: Member._ignore,
        Stimulus.DEADLINE: Member._join_again,
    },
    State.AWAY: {
        **_OUTSIDE,
        Stimulus.OWN_JOIN: Member._return,
        Stimulus.LINE: Member._return,
        Stimulus.ANSWER: Member._return,
        Stimulus.REFUSED: Member._explain,
        Stimulus.ERROR: Member._explain,
        Stimulus.DEADLINE: Member._try_to_return,
    },
    State.READY: {**_INSIDE, Stimulus.DEADLINE: Member._refresh},
    State.SAYING: {
        **_INSIDE,
        Stimulus.RECEIPT: Member._confirm,
        Stimulus.REFUSED: Member._be_refused,
        Stimulus.DEADLINE: Member._say_again,
    },
    State.ASKING: {
        **_INSIDE,
        Stimulus.RECEIPT: Member._be_passed_on,
        Stimulus.ANSWER: Member._be_answered,
        Stimulus.REFUSED: Member._be_answered,
        Stimulus.DEADLINE: Member._ask_again,
    },
    State.LEAVING: {
        Stimulus.CHALLENGE: Member._ignore,
        Stimulus.STRANGER: Member._end,
        Stimulus.OWN_LEAVE: Member._hear_farewell,
        Stimulus.ANSWER: Member._ignore,
        Stimulus.ERROR: Member._end,
        Stimulus.DEADLINE: Member._say_farewell_again,
    },
    State.GONE: {
        Stimulus.CHALLENGE: Member._ignore,
        Stimulus.STRANGER: Member._ignore,
        Stimulus.ANSWER: Member._ignore,
        Stimulus.ERROR: Member._ignore,
        Stimulus.DEADLINE: Member._ignore,
    },
}
"""The action for each stimulus in each state. Without one, the event is told."""
