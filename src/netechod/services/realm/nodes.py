"""The other nodes and their members."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from netechod.services.realm.events import Event
from netechod.services.realm.names import Names, with_node
from netechod.services.realm.telling import Telling
from netechod.services.realm.terms import Tally, Terms
from netechod.services.wire import OFFLINE, ONLINE

MAX_NODES = (
    256  # nodes that are known or remembered; beyond it the lost one that was heard first is forgotten
)
MAX_FAR = 65536  # members of all other nodes together; beyond it they are refused
MAX_EPOCHS = 8  # earlier processes of a node whose numbers are remembered


class FarMember(NamedTuple):
    """A member of another node. `since` is the loop's clock when this node learned of it."""

    node: str
    name: str  # as it is shown here
    since: float


class FarNode(NamedTuple):
    """Another node, as the status lists it."""

    name: str
    members: int
    silent: float  # seconds since an entry of it was read
    received: int  # lines
    missed: int  # lines


class Node:
    """One other node: its process, the number of the line that it says next, and its members.

    Members are `inherited` from an earlier process of the node until it has told who is there. It is also
    asked if we are `unsure`, because lines of it are missing.
    """

    __slots__ = (
        *("epoch", "expected", "heard", "inherited", "is_known", "is_lost", "members", "missed", "name"),
        *("past", "received", "seen", "snapshot", "unsure"),
    )

    def __init__(self, name: str, epoch: str, expected: int) -> None:
        self.name = name
        self.epoch = epoch
        self.expected = expected
        self.past: OrderedDict[str, int] = OrderedDict()  # the expected numbers of earlier epochs
        self.heard = 0.0  # by the clock of Listening
        self.seen = 0.0  # by the loop's clock
        self.is_known = False  # it was heard before
        self.is_lost = True
        self.inherited = False
        self.unsure = False
        self.members: dict[str, FarMember] = {}
        self.snapshot: dict[str, None] | None = None  # the names that it tells now
        self.received = 0
        self.missed = 0

    def shown(self, now: float) -> FarNode:
        """Return this node for the status."""
        return FarNode(self.name, len(self.members), now - self.seen, self.received, self.missed)

    def begin(self, epoch: str, number: int) -> None:
        """Go over to another process of this node. Its first line has the number 0 if it is a later one."""
        number = 0 if epoch > self.epoch else number
        self.past[self.epoch] = self.expected
        self.epoch = epoch
        self.expected = self.past.pop(epoch, number)
        self.inherited = self.unsure = True
        while len(self.past) > MAX_EPOCHS:
            self.past.popitem(last=False)


class Nodes:
    """The table of the other nodes. What changes in it is told to the members here."""

    def __init__(
        self, names: Names, telling: Telling, tally: Tally, on_event: Callable[[Event], object]
    ) -> None:
        self._names = names
        self._telling = telling
        self._refused = tally.refused
        self._on_event = on_event
        self._nodes: dict[str, Node] = {}
        self._size = 0  # members, and names in snapshots
        self.terms = Terms()

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes.values())

    def alive(self) -> Iterable[Node]:
        """Return the nodes that are not lost."""
        return [node for node in self._nodes.values() if not node.is_lost]

    def find(self, name: str) -> Node | None:
        """Return a node, also a lost one."""
        return self._nodes.get(name)

    def add(self, node: Node) -> bool:
        """Add a node. Return whether there was a place for it."""
        if len(self._nodes) >= MAX_NODES:
            lost = [other for other in self if other.is_lost]
            if not lost:
                self._refused["nodes"] += 1
                return False
            del self._nodes[min(lost, key=lambda other: other.seen).name]
        self._nodes[node.name] = node
        return True

    def add_former(self, node: Node, listened: float, now: float) -> None:
        """Add the node that this one was until now: another process has its name."""
        node.is_known, node.is_lost = True, False
        node.heard, node.seen = listened, now
        self.add(node)

    def restore(self, nodes: Iterable[Node]) -> None:
        """Take back the nodes that the process before this one knew. No line is sent: nobody has come."""
        for node in nodes:
            if self.add(node):
                self._size += len(node.members)
                for member in node.members.values():
                    self._names.restore(member.name)

    def come(self, node: Node, name: str, now: float) -> bool:
        """Note that a member of a node is online. Return whether there was a place for it."""
        if name in node.members:
            return True
        if not self._has_place(len(node.members)):
            return False
        shown = self._names.claim(name, node.name, self.terms.names)
        node.members[name] = FarMember(node.name, shown, now)
        self._size += 1
        self._telling.add(node.name, shown, ONLINE)
        if shown != name and self.terms.names == "plain":
            self._on_event(Event("shared", node.name, why=name))
        return True

    def go(self, node: Node, name: str) -> None:
        """Note that a member of a node is offline."""
        member = node.members.pop(name, None)
        if member is not None:
            self._size -= 1
            self._names.release(member.name)
            self._telling.add(node.name, member.name, OFFLINE)

    def begin_snapshot(self, node: Node) -> None:
        """Begin to collect the names that a node tells."""
        self.drop_snapshot(node)
        node.snapshot = {}

    def add_to_snapshot(self, node: Node, name: str) -> None:
        """Collect a name, if its snapshot was heard from its beginning."""
        if node.snapshot is not None and name not in node.snapshot and self._has_place(len(node.snapshot)):
            node.snapshot[name] = None
            self._size += 1

    def end_snapshot(self, node: Node, now: float) -> None:
        """Hold those for the members of a node that it has told, and no others."""
        snapshot = node.snapshot
        if snapshot is not None:
            self.drop_snapshot(node)
            node.inherited = node.unsure = False
            for name in [name for name in node.members if name not in snapshot]:
                self.go(node, name)
            for name in snapshot:
                self.come(node, name, now)

    def drop_snapshot(self, node: Node) -> None:
        """Forget the names that were collected."""
        self._size -= len(node.snapshot or ())
        node.snapshot = None

    def _has_place(self, members: int) -> bool:
        if members < self.terms.max_members and self._size < MAX_FAR:
            return True
        self._refused["members"] += 1
        return False

    def lose(self, node: Node, why: str) -> None:
        """Put all members of a node offline. Its numbers are remembered, so that its return shows the gap."""
        self._on_event(Event("lost", node.name, len(node.members), why))
        node.is_lost = True
        self.drop_snapshot(node)
        for name in tuple(node.members):
            self.go(node, name)

    def first_heard(self) -> float | None:
        """Return when the most silent node was heard, by the clock of Listening."""
        return min((node.heard for node in self.alive()), default=None)

    def lose_silent(self, before: float) -> None:
        """Lose the nodes that were not heard since this time of Listening."""
        for node in self.alive():
            if node.heard <= before:
                self.lose(node, "lease")

    def cut_off(self) -> None:
        """Lose all nodes."""
        for node in self.alive():
            self.lose(node, "cut off")

    def shown(self, now: float) -> Sequence[FarNode]:
        """Return the nodes that are not lost, for the status."""
        return [node.shown(now) for node in self.alive()]

    def members(self) -> Sequence[FarMember]:
        """Return the members of all nodes."""
        return [member for node in self for member in node.members.values()]

    def move_members(self, source: Node, target: Node) -> None:
        """Let the members of one node be those of another: their process goes on under another name."""
        for name, member in source.members.items():
            target.members[name] = member._replace(node=target.name)
        source.members = {}
        source.inherited = False

    def make_way(self, name: str) -> None:
        """Show a member of another node with its node: a member of this node has its name."""
        self._names.release(name)
        holder = None
        for node in self:
            member = node.members.get(name)
            if member is not None and member.name == name:
                node.members[name] = member._replace(name=with_node(name, node.name))
                holder = node.name
                self._on_event(Event("shared", holder, why=name))
        self._telling.make_way(name, holder)
