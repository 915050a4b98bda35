"""The realm as its room, its engine and the operator know it."""

from collections.abc import Callable, Sequence

from netechod.services.api import Others
from netechod.services.realm import state as states
from netechod.services.realm.appending import Appending
from netechod.services.realm.entry import Entry, EntryError, came, decode, left, said
from netechod.services.realm.events import Event
from netechod.services.realm.log import START, EntryId, Found, Log
from netechod.services.realm.names import Names
from netechod.services.realm.nodes import Nodes
from netechod.services.realm.questions import Questions
from netechod.services.realm.reading import SLACK, Reading
from netechod.services.realm.receiving import Receiving
from netechod.services.realm.sending import Sending
from netechod.services.realm.telling import Telling
from netechod.services.realm.terms import Settings, Tally, Terms

BEATS = 3  # beats in a lease: two of them may be lost or late


class Realm(Others):
    """This node's part in a realm: it makes entries of what its members say, and lines of others' entries.

    `make_epoch` returns a new epoch: 16 hexadecimal digits, the first 11 of them the wall clock in
    milliseconds, the others random. `tell` sends a line to all members of this node. `has_room` returns
    whether their outbox takes more lines now. `now` is the loop's clock everywhere.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        make_epoch: Callable[[], str],
        tell: Callable[[bytes], object],
        has_room: Callable[[], bool],
        on_event: Callable[[Event], object],
    ) -> None:
        self._settings = settings
        self._lease = lease = settings.lease
        self._beat = beat = lease / BEATS
        self._on_event = on_event
        self._log: Log | None = None
        tally = Tally()
        self.counters, self.missed = tally.lines, tally.missed
        self.lost, self.refused = tally.lost, tally.refused
        self._names = Names()
        self._sending = Sending(lease, tally.lost)
        self._questions = Questions(self._sending, self._names)
        self._own = Appending(settings.node, make_epoch, beat=beat, sending=self._sending, names=self._names)
        self._telling = Telling(tell, has_room)
        self._nodes = Nodes(self._names, self._telling, tally, on_event)
        self._receiving = Receiving(self._nodes, self._telling, tally, self._questions, on_event)
        self._reading = Reading(lease=lease, patience=2 * beat)
        self._must_ask = True
        self._is_resting = False  # nothing is read until the members here were told what was
        self.members = self._nodes.members
        self.nodes = self._nodes.shown

    def attach(self, log: Log) -> None:
        """Connect the realm with its engine."""
        self._log = log

    def configure(self, terms: Terms) -> None:
        """Change the terms. They hold for what is read from now on."""
        self._nodes.terms = terms

    def said(self, name: str, text: bytes, now: float) -> None:
        """See Others."""
        self._say(said(name, text), now)

    def came(self, name: str, now: float) -> None:
        """See Others."""
        if self._names.came(name):
            self._nodes.make_way(name)
            self._say(came(name), now)
            self._drain(now)

    def left(self, name: str, reason: str, now: float) -> None:
        """See Others."""
        if self._names.left(name):
            self._say(left(name, reason), now)

    def stayed(self, name: str) -> None:
        """See Others."""
        self._names.came(name)

    def stop(self, now: float) -> None:
        """Say that this node stops and its members leave. After that it says nothing."""
        self._own.stop(now)
        self._append_soon()

    def _say(self, line: bytes, now: float) -> None:
        self._turn(now)
        self._own.say(line, now)
        self._append_soon()

    def _append_soon(self) -> None:
        if self._log is not None and self._reading.is_connected and not self._own.is_in_flight:
            self._log.append_soon()

    def connected(self, found: Found, now: float) -> EntryId:
        """Begin to use a connection. Return the id behind which to read."""
        self._turn(now)
        if self._reading.connected(found, now):
            self._on_event(Event("another log"))
        self._own.connected(found.has_mine)
        if self._must_ask:
            self._must_ask = False
            self._questions.ask()
            self._questions.put(now)
        return self.last or START

    def disconnected(self, now: float) -> None:
        """Note that the log can be neither read nor written. It may be called more than once."""
        self._turn(now)
        self._reading.disconnected(now)
        self._own.not_taken()

    def entry(self, now: float) -> Sequence[bytes] | None:
        """Return the next entry to append, as its fields and their values in turn; None: there is none.

        The entry is in flight until `taken`, `not_taken` or `disconnected` is called.
        """
        self._turn(now)
        entry = self._own.entry(now) if self._reading.is_connected else None
        if entry is None:
            return None
        self._reading.made((entry.number, entry.size), now)
        return entry.fields()

    def taken(self, at: EntryId, now: float) -> None:
        """Note that the log has appended the entry in flight, with this id."""
        self._turn(now)
        count, went_back = self._own.taken(at)
        self.counters["sent"] += count
        self._reading.taken(at, now)
        if went_back:
            self._connect_anew("the ids of the log went back")

    def not_taken(self, now: float) -> None:
        """Note that the log has refused the entry in flight. Its lines go again with the next `entry`."""
        self._turn(now)
        self._own.not_taken()

    @property
    def may_read(self) -> bool:
        """Whether `read` may be called. If not, the realm calls `log.read_soon` as soon as it may."""
        return not self._telling

    def read(self, at: EntryId, fields: object, now: float) -> None:
        """Take one entry of the log, in the order of the log. `fields` is anything that a reply can hold."""
        self._turn(now)
        is_old = self._reading.read(at, now) > self._lease
        try:
            entry = decode(fields, self._nodes.terms.max_message)
        except EntryError as error:
            self._receiving.refuse(str(error))
            return
        if entry.node != self.node or self._is_foreign(entry, at, is_old, now):
            self._receiving.read(entry, is_old=is_old, listened=self._reading.listened(now), now=now)
            if self._questions.put(now):
                self._append_soon()
            self._drain(now)

    def caught_up(self, now: float) -> None:
        """Note that the log holds nothing that was not read. The leases of the others run only from then."""
        self._turn(now)
        if self.may_read:
            self._reading.caught_up(now)

    def _is_foreign(self, entry: Entry, at: EntryId, is_old: bool, now: float) -> bool:
        """Return whether an entry under our name is of another process, to which we leave the name."""
        maker = self._own.maker(entry)
        if maker == "this":
            self._reading.came_back(at, (entry.number, entry.size), now)
        elif maker == "earlier" or is_old:
            self.counters["stale"] += entry.size
        else:
            former = self._own.rename(is_copy=maker == "copy")
            self._nodes.add_former(former, self._reading.listened(now), now)
            self._on_event(Event("renamed", self.node, why=former.name))
            self._questions.answer()
            return True
        return False

    def _turn(self, now: float) -> None:
        """Notice that this process was stopped: what the connection had to tell is old then."""
        pause = self._reading.turn(now)
        if pause:
            self._on_event(Event("stopped", number=int(pause)))
            if self._reading.is_connected:
                self._connect_anew(f"this process was stopped for {pause:.0f} s")

    def _connect_anew(self, why: str) -> None:
        self._reading.rest(self._reading.now)
        if self._log is not None:
            self._log.connect_anew(why)

    def next_deadline(self) -> float:
        """Return the time for the next `deadline_reached`. Ask again after every call of the realm."""
        heard = self._nodes.first_heard()
        times = [self._reading.now + self._beat / 2, self._reading.next_deadline(heard)]
        times.append(self._telling.next_deadline())
        if self._reading.is_connected:
            times += [self._own.next_beat, self._questions.next_deadline()]
        return min(at for at in times if at is not None)

    def deadline_reached(self, now: float) -> None:
        """Do everything that is due."""
        self._turn(now)
        self._sending.expire(now)
        for why, count in self._sending.losses().items():
            self._on_event(Event("not sent", self.node, count, why))
        if self._reading.is_connected:
            self._speak(now)
        if self._reading.is_listening:
            self._nodes.lose_silent(self._reading.listened(now) - self._lease + SLACK)
        if self._reading.is_deaf(now):
            self._connect_anew("our own lines do not come back")
        if self._reading.is_cut_off(now):
            self._must_ask = True
            self._nodes.cut_off()
        self._drain(now)

    def _speak(self, now: float) -> None:
        """Queue a beat and the questions that are due."""
        is_beat_due = self._own.is_beat_due(now)
        if self._questions.put(now) or is_beat_due:
            self._append_soon()

    def _drain(self, now: float) -> None:
        """Tell the members here what they may be told now. Reading rests until that is all."""
        self._telling.drain(now)
        if self._telling:
            self._is_resting = True
            self._reading.rest(now)
        elif self._is_resting:
            self._is_resting = False
            if self._log is not None:
                self._log.read_soon()

    def state(self) -> dict[str, object]:
        """Return what the next process needs to go on as the same node, as JSON has it."""
        sending = self._sending
        return states.written(
            states.State(
                realm=self._settings.realm,
                origin=self._own.origin,
                number=sending.number,
                last=self.last,
                mine=self._own.mine,
                waiting=sending.waiting(),
                again=sending.unsure(),
                kept=list(sending.kept),
                nodes=list(self._nodes),
                untold=self._telling.lines(),
            )
        )

    def restore(self, document: object, now: float) -> None:
        """Go on where the process before this one stopped. Raises ValueError for what is no such state.

        Call it before `connected`. After an error the realm is a new node.
        """
        state = states.read(document, realm=self._settings.realm, node=self.node)
        self._own.origin, self._own.mine = state.origin, state.mine
        self._reading.restore(state.last, now)
        self._sending.restore(state.number, state.waiting, state.again, state.kept)
        self._nodes.restore(state.nodes)
        for news in state.untold:
            self._telling.add(*news)

    @property
    def node(self) -> str:
        """The name of this node. It changes if another process has the same."""
        return self._own.origin.node

    @property
    def last(self) -> EntryId | None:
        """The entry that was read last, or behind which reading begins."""
        return self._reading.last

    @property
    def mine(self) -> EntryId | None:
        """The entry of ours that was appended last."""
        return self._own.mine

    @property
    def waiting(self) -> int:
        """The number of lines that wait for the log or are in flight."""
        return len(self._sending)

    @property
    def lag(self) -> float:
        """Seconds from the making of the entry of ours that came back last to its return by the reader."""
        return self._reading.lag
