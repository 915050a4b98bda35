"""A realm under test: entries and times go in, lines, entries and events come out."""

from collections.abc import Sequence

from netechod.services.realm.entry import Entry, decode
from netechod.services.realm.events import Event
from netechod.services.realm.log import EntryId, Found
from netechod.services.realm.realm import Realm
from netechod.services.realm.terms import Settings

LEASE, BEAT = 15.0, 5.0
START_MS = 1_700_000_000_000  # the log's clock at 0 s
EARLY, MIDDLE, LATE = (f"018bcfe56800000{number}" for number in (1, 2, 3))
"""Epochs of three processes, one after the other."""


def moment(now: float, sequence: int = 0) -> EntryId:
    """Return the id of an entry that the log takes at this time."""
    return EntryId(START_MS + int(now * 1000), sequence)


class Bench:
    """The realm of the node `a`, connected at 0 s with an empty log. It is its own engine."""

    def __init__(self, node: str = "a") -> None:
        self.asked: list[str] = []
        self.heard: list[bytes] = []
        self.events: list[Event] = []
        self.has_room = True
        self.epochs = [MIDDLE, LATE]
        self.realm = Realm(
            Settings("test", node, LEASE),
            make_epoch=lambda: self.epochs.pop(0),
            tell=self.heard.append,
            has_room=lambda: self.has_room,
            on_event=self.events.append,
        )
        self.realm.attach(self)

    # What the realm asks

    def append_soon(self) -> None:
        """See Log."""
        self.asked.append("append")

    def read_soon(self) -> None:
        """See Log."""
        self.asked.append("read")

    def connect_anew(self, why: str) -> None:
        """See Log."""
        self.asked.append(why)

    # What a test does

    def connect(self, now: float = 0.0, **changes: object) -> EntryId:
        """Connect, and find the same log as before, unless `changes` say otherwise."""
        found = Found(moment(now).ms, moment(0.0), moment(now), has_last=True, has_mine=True)
        return self.realm.connected(found._replace(**changes), now)  # type: ignore[arg-type]

    def said(self, now: float) -> list[bytes]:
        """Let the log take all that the realm has to say. Return the lines."""
        return [line for entry in self.entries(now) for line in entry.lines()]

    def entries(self, now: float, *, is_deaf: bool = False) -> list[Entry]:
        """Let the log take all that the realm has to say. Return the entries. They come back, too."""
        entries: list[Entry] = []
        while (fields := self.realm.entry(now)) is not None:
            entries.append(decode(list(fields), 1024))
            at = moment(now, len(entries))
            self.realm.taken(at, now)
            if not is_deaf:
                self.realm.read(at, list(fields), now)
        return entries

    def read(
        self,
        *lines: bytes,
        number: int = 0,
        now: float = 0.0,
        node: str = "b",
        epoch: str = MIDDLE,
        members: int = 0,
        age: float = 0.0,
    ) -> list[bytes]:
        """Let the realm read an entry. Return what the members are told."""
        entry = Entry(node, epoch, number, members, b"\n".join(lines))
        self.realm.read(moment(now - age), entry.fields(), now)
        return self.take()

    def take(self) -> list[bytes]:
        """Return what the members were told since the last call."""
        heard = list(self.heard)
        self.heard.clear()
        return heard

    def kinds(self) -> Sequence[tuple[str, str, int, str]]:
        """Return the events since the last call."""
        events = [tuple(event) for event in self.events]
        self.events.clear()
        return events  # type: ignore[return-value]

    def pass_time(self, until: float, now: float) -> float:
        """Let the realm do what is due, each at its time, and read nothing meanwhile."""
        while (when := self.realm.next_deadline()) <= until:
            now = max(now, when)
            self.realm.deadline_reached(now)
        self.realm.deadline_reached(until)
        return until
