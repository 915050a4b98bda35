"""A node in a simulation: a realm, the engine's decisions, and members who talk and listen."""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from random import Random

from support.misbehaving_log import MisbehavingLog, Stored, VirtualTime

from netechod.services.realm.events import Event
from netechod.services.realm.log import EntryId, Log
from netechod.services.realm.realm import Realm
from netechod.services.realm.terms import Settings

LEASE = 15.0
COUNT = 16  # entries of one read
BLOCK, PATIENCE = 2.0, 3.0


class Engine(Log):
    """Drives a realm as the daemon does: one entry in flight, one read at a time, patience, back-off."""

    def __init__(self, time: VirtualTime, log: MisbehavingLog, realm: Realm, rng: Random) -> None:
        self.time, self.log, self.realm, self.rng = time, log, realm, rng
        self.is_over = False
        self.frozen_until = 0.0
        self.connection = 0  # the number of the connection; 0: there is none
        self.connections = 0
        self.backoff = 0.1
        self.may_append_at = 0.0
        self.asked: dict[str, int] = {}  # the number of the question of each kind that waits for its answer
        self.unread: deque[Stored] = deque()
        self.is_whole = True  # the unread entries are all that the log held
        self.deadline = 0.0
        self.time.after(0.0, self.connect)
        self.set_timer()

    def guarded(self, event: Callable[[], object], connection: int = 0) -> Callable[[], object]:
        """Return an event of this process: it waits while it is stopped, and is void after its end."""

        def happen() -> None:
            if self.is_over or (connection and connection != self.connection):
                return
            if self.time.now < self.frozen_until:
                self.time.at(self.frozen_until, happen)
                return
            event()
            self.set_timer()

        return happen

    def set_timer(self) -> None:
        """Call the realm at its next deadline."""
        when = max(self.realm.next_deadline(), self.time.now)
        if self.deadline <= self.time.now or when < self.deadline:
            self.deadline = when
            self.time.at(when, self.guarded(lambda: self.on_timer(when)))

    def on_timer(self, when: float) -> None:
        """Call the realm, unless a nearer deadline has taken the place of this one."""
        if when == self.deadline:
            self.deadline = 0.0
            self.realm.deadline_reached(self.time.now)

    # What the realm asks

    def append_soon(self) -> None:
        """See Log."""
        self.time.after(0.0, self.guarded(self.write, self.connection))

    def read_soon(self) -> None:
        """See Log."""
        self.time.after(0.0, self.guarded(self.feed, self.connection))

    def connect_anew(self, why: str) -> None:
        """See Log."""
        self.time.after(0.0, self.guarded(self.cut, self.connection))

    # The connection

    def on_cut(self) -> None:
        """The server has cut the connection."""
        self.time.after(0.001, self.guarded(self.cut, self.connection))

    def cut(self) -> None:
        """Lose the connection, and connect again."""
        if self.connection:
            self.log.connections.pop(self, None)
            self.connection = 0
            self.asked.clear()
            self.unread.clear()
            self.realm.disconnected(self.time.now)
            self.backoff = 0.1
            self.time.after(0.0, self.guarded(self.connect))

    def connect(self) -> None:
        """Connect, or try again later."""
        if not self.log.is_up:
            self.backoff = min(5.0, self.backoff * 2)
            self.time.after(self.backoff * self.rng.uniform(0.5, 1), self.guarded(self.connect))
            return
        self.connections += 1
        self.connection = self.connections
        self.log.connections[self] = self.on_cut
        asked = self.ask("connect", PATIENCE)
        self.log.later(self.answer("connect", asked, self.on_connected))

    def on_connected(self) -> None:
        """Begin to read and to write."""
        self.realm.connected(self.log.found(self.realm.last, self.realm.mine), self.time.now)
        self.may_append_at = 0.0
        self.read()
        self.write()

    def ask(self, kind: str, patience: float) -> int:
        """Expect an answer in time."""
        number = self.asked.get(kind + "#", 0) + 1
        self.asked[kind] = self.asked[kind + "#"] = number

        def lose_patience() -> None:
            if self.asked.get(kind) == number:
                self.cut()

        self.time.after(patience, self.guarded(lose_patience, self.connection))
        return number

    def answer(self, kind: str, number: int, use: Callable[[], object]) -> Callable[[], object]:
        """Return what happens when an answer comes."""

        def come() -> None:
            if self.asked.get(kind) == number:
                del self.asked[kind]
                use()

        return self.guarded(come, self.connection)

    def write(self) -> None:
        """Append the next entry, if none is in flight."""
        if "write" in self.asked or "connect" in self.asked or self.time.now < self.may_append_at:
            return
        fields = self.realm.entry(self.time.now)
        if fields is not None:
            number = self.ask("write", PATIENCE)
            self.log.append(
                list(fields), lambda at: self.answer("write", number, lambda: self.on_appended(at))()
            )

    def on_appended(self, at: EntryId | None) -> None:
        """Go on with the next entry, after an error a little later."""
        if at is None:
            self.realm.not_taken(self.time.now)
            self.may_append_at = self.time.now + 0.2
            self.time.after(0.21, self.guarded(self.write, self.connection))
        else:
            self.realm.taken(at, self.time.now)
            self.write()

    def read(self) -> None:
        """Read what comes behind the entry that was read last."""
        assert self.realm.last is not None
        number = self.ask("read", BLOCK + PATIENCE)
        self.log.read(
            self.realm.last,
            COUNT,
            lambda found: self.answer("read", number, lambda: self.on_read(found))(),
        )
        self.time.after(BLOCK, self.guarded(lambda: self.on_block_over(number), self.connection))

    def on_block_over(self, number: int) -> None:
        """The server answers with nothing, unless it is frozen."""
        if self.time.now >= self.log.frozen_until:
            self.answer("read", number, lambda: self.on_read([]))()

    def on_read(self, found: Sequence[Stored]) -> None:
        """Give the realm what was read."""
        self.unread.extend(found)
        self.is_whole = len(found) < COUNT
        self.feed()

    def feed(self) -> None:
        """Give the realm what it takes. When that is all, read on."""
        while self.unread and self.realm.may_read:
            at, fields = self.unread.popleft()
            self.realm.read(at, fields, self.time.now)
        if not self.unread and self.realm.may_read and not {"read", "connect"} & set(self.asked):
            if self.is_whole:
                self.realm.caught_up(self.time.now)
            self.read()


class Process:
    """One process of a node."""

    def __init__(self, number: int, node: str, log: MisbehavingLog, hear: Callable[[bytes], object]) -> None:
        self.number = number  # of all processes
        self.events: list[Event] = []
        self.said = 0
        time, rng = log.time, log.rng
        self.realm = Realm(
            Settings("netechod", node, LEASE),
            make_epoch=lambda: f"{int(time.now * 1000):011x}{number:05x}",
            tell=hear,
            has_room=lambda: rng.random() > 0.3,
            on_event=self.events.append,
        )
        self.time = time
        self.log = log
        self.engine: Engine

    def start(self) -> None:
        """Begin to use the log."""
        self.engine = Engine(self.time, self.log, self.realm, self.log.rng)
        self.realm.attach(self.engine)

    @property
    def is_frozen(self) -> bool:
        """Whether it is stopped."""
        return self.time.now < self.engine.frozen_until

    def end(self) -> None:
        """End without a word."""
        self.engine.is_over = True
        self.log.connections.pop(self.engine, None)

    def counted(self) -> int:
        """Return how many lines of others it knows it has not told its members."""
        lines: Counter[str] = self.realm.counters
        return self.realm.missed.total() + lines["stale"] + lines["past"]
