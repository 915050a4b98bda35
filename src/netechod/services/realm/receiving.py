"""The entries of other nodes: each line is taken once, in order, and those that are missing are counted."""

from collections.abc import Callable

from netechod.services.realm.entry import Entry, EntryError, Line, parse, renamed
from netechod.services.realm.events import Event
from netechod.services.realm.nodes import Node, Nodes
from netechod.services.realm.questions import Questions
from netechod.services.realm.telling import Telling
from netechod.services.realm.terms import Tally


class Receiving:
    """Takes the entries of other nodes.

    An entry that is older than a lease makes nobody known. Its lines are counted, but told to nobody.
    """

    def __init__(
        self,
        nodes: Nodes,
        telling: Telling,
        tally: Tally,
        questions: Questions,
        on_event: Callable[[Event], object],
    ) -> None:
        self._nodes = nodes
        self._telling = telling
        self._tally = tally
        self._questions = questions
        self._on_event = on_event
        self._told_version = False

    def refuse(self, why: str) -> None:
        """Count an entry that cannot be taken. Entries of another version are told once."""
        self._tally.refused[why] += 1
        if why == "version" and not self._told_version:
            self._told_version = True
            self._on_event(Event("version"))

    def read(self, entry: Entry, *, is_old: bool, listened: float, now: float) -> None:
        """Take an entry. `listened` is the time by the clock of Listening."""
        node = self._node_of(entry, is_old)
        if node is None:
            return
        is_news = entry.number + entry.size > node.expected or entry.number == node.expected
        skipped = self._count(node, entry, is_old)
        if is_old or not is_news:
            return
        node.heard, node.seen = listened, now
        if node.is_lost:
            self._revive(node, entry)
        for line in entry.lines()[skipped:]:
            if node.is_lost:  # it has said that it stops
                break
            self._take(node, line, now)
        if not entry.body and node.snapshot is None and self._is_unsure(node, entry):
            self._questions.ask()

    def _is_unsure(self, node: Node, entry: Entry) -> bool:
        """Return whether the sender of a beat may have other members than we know."""
        return node.unsure or min(entry.members, self._nodes.terms.max_members) != len(node.members)

    def _node_of(self, entry: Entry, is_old: bool) -> Node | None:
        """Return the node that has made an entry, if its process is the one that is listened to."""
        node = self._nodes.find(entry.node)
        if node is None:
            return self._new(entry, is_old)
        if node.epoch == entry.epoch:
            return node
        if not is_old and (node.is_lost or entry.epoch > node.epoch):
            self._nodes.drop_snapshot(node)
            node.begin(entry.epoch, entry.number)
            self._questions.ask()
            return node
        self._tally.lines["stale"] += entry.size
        return None

    def _new(self, entry: Entry, is_old: bool) -> Node | None:
        """Return a node for a name that was not known, unless there is no place for it."""
        if is_old:
            self._tally.lines["past"] += entry.size
            return None
        before = self._before(entry)
        node = Node(entry.node, entry.epoch, entry.number if before is None else before.past[entry.epoch])
        if not self._nodes.add(node):
            return None
        if before is not None and before.inherited:
            self._nodes.move_members(before, node)
        return node

    def _before(self, entry: Entry) -> Node | None:
        """Return the node that this one was, until another process took its name."""
        for node in self._nodes:
            if entry.epoch in node.past and renamed(node.name, entry.epoch) == entry.node:
                return node
        return None

    def _revive(self, node: Node, entry: Entry) -> None:
        """Note that a node is there that was lost, or was not known."""
        self._on_event(Event("back" if node.is_known else "up", node.name, entry.members))
        node.is_lost, node.is_known = False, True
        if entry.members:
            node.unsure = True
            self._questions.ask()

    def _count(self, node: Node, entry: Entry, is_old: bool) -> int:
        """Count the lines that are missing, doubled or too old. Return how many of the entry to skip."""
        count = entry.size
        end = entry.number + count
        if entry.number > node.expected:
            self._miss(node, entry.number - node.expected, "too old" if is_old else "gap")
        skipped = min(count, max(0, node.expected - entry.number))
        self._tally.lines["duplicates"] += skipped
        node.expected = max(node.expected, end)
        if is_old and count > skipped:
            self._miss(node, count - skipped, "too old")
        elif not is_old:
            node.received += count - skipped
            self._tally.lines["received"] += count - skipped
        return skipped

    def _miss(self, node: Node, count: int, why: str) -> None:
        """Count lines that nobody here gets. There may have been comings and goings among them."""
        node.missed += count
        self._tally.missed[why] += count
        self._on_event(Event("missed", node.name, count, why))
        self._nodes.drop_snapshot(node)
        node.unsure = True
        self._questions.ask()

    def _take(self, node: Node, raw: bytes, now: float) -> None:
        """Do what one line says."""
        try:
            line = parse(raw, self._nodes.terms.max_message)
        except EntryError as error:
            self._tally.refused[str(error)] += 1
            return
        self._obey(node, line, now)

    def _obey(self, node: Node, line: Line, now: float) -> None:
        nodes = self._nodes
        match line.kind:
            case "said":
                if nodes.come(node, line.name, now):  # who talks is online
                    self._telling.add(node.name, node.members[line.name].name, line.text)
            case "came":
                nodes.come(node, line.name, now)
            case "left":
                nodes.go(node, line.name)
            case "asked":
                self._questions.answer()
            case _:
                self._obey_node(node, line, now)

    def _obey_node(self, node: Node, line: Line, now: float) -> None:
        """Do what a line says about all members of its node."""
        nodes = self._nodes
        match line.kind:
            case "begins":
                nodes.begin_snapshot(node)
            case "there":
                nodes.add_to_snapshot(node, line.name)
            case "ends":
                nodes.end_snapshot(node, now)
            case _:
                nodes.lose(node, "bye")
