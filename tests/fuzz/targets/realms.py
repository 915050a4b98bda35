"""What others may write into the log of a realm: anything."""

from fuzz.feed import Feed
from fuzz.target import STEPS, target
from support.characters import is_harmless

from netechod.services.realm.entry import NAME, NODE, Entry, EntryError, decode, parse
from netechod.services.realm.events import Event
from netechod.services.realm.log import EntryId, Found
from netechod.services.realm.realm import Realm
from netechod.services.realm.terms import Settings, Terms

LONGEST, MEMBERS, NOW_MS = 24, 4, 1_700_000_000_000
EPOCHS = ["018bcfe568000001", "018bcfe568000002", "018bcfe568000003"]
WORDS = [
    b"v", b"n", b"e", b"s", b"m", b"b", b"1", b"a", EPOCHS[0].encode(), b"=192.0.2.1--1#hi", b"+192.0.2.1--1",
    b"-192.0.2.1--1 said", b"*192.0.2.1--1", b"?", b"(", b")", b"!", b"\n", b"#", b"online", b"\x1b[2J",
]  # fmt: skip
REASONS = {"malformed", "version", "size"}
LINE_REASONS = {"unknown line", "malformed line", "name", "text", "length"}


@target(WORDS, [b"\0".join(Entry("a", EPOCHS[0], 0, 1, b"+192.0.2.1--1\n?").fields())])
def realm_entries(feed: Feed) -> None:
    """Fields and lines of an entry are read as they were written, or refused for a known reason."""
    fields = feed.rest().split(b"\0")
    try:
        entry = decode(fields, LONGEST)
    except EntryError as error:
        assert str(error) in REASONS
        return
    assert NODE.fullmatch(entry.node)
    assert decode(entry.fields(), LONGEST) == entry
    lines = entry.lines()
    assert len(lines) == entry.size
    for raw in lines:
        try:
            line = parse(raw, LONGEST)
        except EntryError as error:
            assert str(error) in LINE_REASONS
            continue
        assert not line.name or NAME.fullmatch(line.name)
        assert len(line.text) <= LONGEST
        assert is_harmless(line.text.decode())


class Members:
    """The members of a node: what they are told has to make sense."""

    def __init__(self) -> None:
        self.online: set[str] = set()

    def hear(self, line: bytes) -> None:
        """Check one line."""
        name, _, text = line.decode().partition("#")
        node, _, rest = name.rpartition("/")
        assert NAME.fullmatch(rest)
        assert not node or NODE.fullmatch(node)
        assert is_harmless(text)
        if text == "online":
            assert name not in self.online
            self.online.add(name)
        else:
            assert name in self.online
        if text == "offline":
            self.online.remove(name)


@target(WORDS, largest=STEPS // 4)
def realm(feed: Feed) -> None:
    """Entries of anybody in any order: members hear of others what makes sense, and memory is bounded."""
    members = Members()
    events: list[Event] = []
    epochs = iter([EPOCHS[1]] + [f"{number:016x}" for number in range(1 << 12)])
    subject = Realm(
        Settings("test", "a", 15.0),
        make_epoch=lambda: next(epochs),
        tell=members.hear,
        has_room=lambda: bool(feed.number(3)),
        on_event=events.append,
    )
    subject.configure(Terms(max_message=LONGEST, max_members=MEMBERS))
    subject.connected(Found(NOW_MS, None, EntryId(NOW_MS), has_last=False, has_mine=False), 0.0)
    now = 0.0
    while feed:
        now += feed.number(7) ** 2 / 8
        lines = [feed.pick([*WORDS[9:17], feed.piece(8)]) for _ in range(feed.number(3))]
        entry = Entry(
            feed.pick(["a", "b", "c"]), feed.pick(EPOCHS), feed.number(15), feed.number(3), b"\n".join(lines)
        )
        if subject.may_read:
            subject.read(EntryId(NOW_MS + int(now * 1000) - feed.number(3) * 6000), entry.fields(), now)
            subject.caught_up(now)
        subject.deadline_reached(now)
        assert subject.next_deadline() > now - 1
        assert all(node.members <= MEMBERS for node in subject.nodes(now))
        if subject.may_read:
            assert members.online == {member.name for member in subject.members()}
    assert len(subject.nodes(now)) <= 30
