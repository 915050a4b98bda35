"""The realm as its room, its engine and the operator know it."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from netechod.services.api import Others
from netechod.services.realm.events import Event
from netechod.services.realm.log import EntryId, Found, Log


@dataclass(frozen=True)
class Terms:
    """The operator's limits on the members of other nodes, and the form of their names."""

    max_message: int = 1024  # bytes
    max_members: int = 4096  # of each node
    names: Literal["plain", "node"] = "plain"


class FarNode(NamedTuple):
    """Another node, as the status lists it."""

    name: str
    members: int
    silent: float  # seconds since an entry of it was read
    received: int  # lines
    missed: int  # lines


class FarMember(NamedTuple):
    """A member of another node. `since` is the loop's clock when this node learned of it."""

    node: str
    name: str  # as it is shown here
    since: float


class Realm(Others):
    """This node's part in a realm: it makes entries of what its members say, and lines of others' entries.

    `make_epoch` returns a new epoch: 16 hexadecimal digits, the first 11 of them the wall clock in
    milliseconds, the others random. `tell` sends a line to all members of this node. `has_room` returns
    whether their outbox takes more lines now. `now` is the loop's clock everywhere.
    """

    def __init__(
        self,
        *,
        node: str,
        make_epoch: Callable[[], str],
        lease: float,
        tell: Callable[[bytes], object],
        has_room: Callable[[], bool],
        on_event: Callable[[Event], object],
    ) -> None:
        self.node = node  # the name of this node; it changes if another process has the same
        self.last: EntryId | None = None  # the entry that was read last
        self.mine: EntryId | None = None  # the entry of ours that was appended last
        self.lag: float = 0.0  # seconds from the making of an entry of ours to its return by the reader
        self.counters: Counter[str] = Counter(sent=0, received=0, duplicates=0, stale=0, past=0)  # lines
        self.missed: Counter[str] = Counter()  # lines of others that were not delivered, by reason
        self.lost: Counter[str] = Counter()  # lines of ours that did not go to the log, by reason
        self.refused: Counter[str] = Counter()  # entries and lines of others, by what is wrong with them

    def attach(self, log: Log) -> None:
        """Connect the realm with its engine."""

    def configure(self, terms: Terms) -> None:
        """Change the terms. They hold for what is read from now on."""

    # The engine's calls

    def connected(self, found: Found, now: float) -> EntryId:
        """Begin to use a connection. Return the id behind which to read."""
        raise NotImplementedError

    def disconnected(self, now: float) -> None:
        """Note that the log can be neither read nor written. It may be called more than once."""

    def entry(self, now: float) -> Sequence[bytes] | None:
        """Return the next entry to append, as its fields and their values in turn; None: there is none.

        The entry is in flight until `taken`, `not_taken` or `disconnected` is called.
        """
        raise NotImplementedError

    def taken(self, at: EntryId, now: float) -> None:
        """Note that the log has appended the entry in flight, with this id."""

    def not_taken(self, now: float) -> None:
        """Note that the log has refused the entry in flight. Its lines go again with the next `entry`."""

    @property
    def may_read(self) -> bool:
        """Whether `read` may be called. If not, the realm calls `log.read_soon` as soon as it may."""
        raise NotImplementedError

    def read(self, at: EntryId, fields: object, now: float) -> None:
        """Take one entry of the log, in the order of the log. `fields` is anything that a reply can hold."""

    def caught_up(self, now: float) -> None:
        """Note that the log holds nothing that was not read. The leases of the others run only from then."""

    # Time

    def next_deadline(self) -> float:
        """Return the time for the next `deadline_reached`. Ask again after every call of the realm."""
        raise NotImplementedError

    def deadline_reached(self, now: float) -> None:
        """Do everything that is due."""

    # The end, and the next process

    def stop(self, now: float) -> None:
        """Say that this node stops and its members leave."""

    @property
    def has_unsent(self) -> bool:
        """Whether lines wait for the log or are in flight."""
        raise NotImplementedError

    def state(self) -> dict[str, object]:
        """Return what the next process needs to go on as the same node, as JSON has it."""
        raise NotImplementedError

    def restore(self, state: object, now: float) -> None:
        """Go on where the process before this one stopped. Raises ValueError for what is no such state.

        Call it before `connected`. After an error the realm is a new node.
        """

    # For the operator

    @property
    def waiting(self) -> int:
        """The number of lines that wait for the log or are in flight."""
        raise NotImplementedError

    def nodes(self, now: float) -> Sequence[FarNode]:
        """Return the other nodes that are not lost."""
        raise NotImplementedError

    def members(self) -> Sequence[FarMember]:
        """Return the members of other nodes."""
        raise NotImplementedError
