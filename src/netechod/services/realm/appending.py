"""What this node appends to the log: entries of its lines, and beats."""

from collections.abc import Callable
from typing import Literal

from netechod.services.realm.entry import STOPS, Entry, renamed
from netechod.services.realm.log import EntryId
from netechod.services.realm.names import Names
from netechod.services.realm.nodes import Node
from netechod.services.realm.sending import Origin, Sending


class Appending:
    """Makes entries, one at a time: the next one when the log has taken that in flight.

    A beat is an entry without lines. It is due every `beat` seconds, and goes when no line waits.
    """

    def __init__(
        self, node: str, make_epoch: Callable[[], str], *, beat: float, sending: Sending, names: Names
    ) -> None:
        self._make_epoch = make_epoch
        self._beat = beat
        self._names = names
        self._sending = sending
        self.origin = Origin(node, make_epoch())
        self.mine: EntryId | None = None  # the entry that the log has taken last
        self.is_in_flight = False
        self.next_beat = 0.0
        self._is_beat_due = False
        self._is_stopping = False

    def stop(self, now: float) -> None:
        """Say that this node stops. After that it says nothing."""
        self.say(STOPS, now)
        self._is_stopping, self._is_beat_due = True, False

    def say(self, line: bytes, now: float) -> None:
        """Queue a line."""
        if not self._is_stopping:
            self._sending.add(line, now)

    def beat(self) -> None:
        """Have a beat sent soon."""
        self._is_beat_due = not self._is_stopping

    def is_beat_due(self, now: float) -> bool:
        """Return whether it is time for a beat. If so, that is noted."""
        if now < self.next_beat:
            return False
        self.next_beat = now + self._beat
        self.beat()
        return True

    def connected(self, has_mine: bool) -> None:
        """Begin to use a connection. If the log has lost our last entry, all kept lines go again."""
        self.beat()
        if self.mine is not None and not has_mine:
            self.mine = None
            self._sending.repeat_kept()

    def entry(self, now: float) -> Entry | None:
        """Return the next entry, which is in flight then; None: one is in flight, or there is none."""
        if self.is_in_flight:
            return None
        lines = self._sending.next(self.origin, now)
        if not lines and not self._is_beat_due:
            return None
        self.is_in_flight = True
        members = len(self._names)
        if lines:
            body = b"\n".join([line.text for line in lines])
            return Entry(*lines[0].origin, lines[0].number, members, body)
        self._is_beat_due, self.next_beat = False, now + self._beat
        return Entry(*self.origin, self._sending.number, members, b"")

    def taken(self, at: EntryId) -> tuple[int, bool]:
        """Note that the log has taken the entry in flight. Return its lines, and whether ids went back."""
        self.is_in_flight = False
        went_back = self.mine is not None and at < self.mine
        self.mine = at
        return self._sending.taken(), went_back

    def not_taken(self) -> None:
        """Note that the log has not taken the entry in flight, as far as we know."""
        if self.is_in_flight:
            self.is_in_flight = False
            self._sending.not_taken()
            self.beat()

    def maker(self, entry: Entry) -> Literal["this", "earlier", "later", "copy"]:
        """Return which process has made an entry with our name. A copy of this one has our epoch, too."""
        if entry.epoch == self.origin.epoch:
            return "this" if entry.number + entry.size <= self._sending.number else "copy"
        return "later" if entry.epoch > self.origin.epoch else "earlier"

    def rename(self, *, is_copy: bool) -> Node:
        """Leave our name to another process. Return it as a node that has said what we have.

        Lines that go again keep their origin: they may be in the log.
        """
        former = self.origin
        epoch = self._make_epoch() if is_copy else former.epoch
        self.origin = Origin(renamed(former.node, epoch), epoch)
        self.beat()
        return Node(*former, self._sending.number)
