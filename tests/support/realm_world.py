"""Some nodes, one misbehaving log and a virtual clock: a schedule of faults, with checks after every step.

A schedule follows from its seed alone. What does not hold is an AssertionError that names the seed.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from support.misbehaving_log import MisbehavingLog, VirtualTime
from support.realm_nodes import LEASE, Process

from netechod.services.realm.sending import KEPT_LINES, WAITING_LINES

NODES = ("a", "b", "c", "d")
SHARED = "10.0.2.15--40000"  # a member of this name may be on every node
STEPS = 3.0  # steps a second
MOST_WAITING = WAITING_LINES + KEPT_LINES + 100


@dataclass
class Outcome:
    """What has happened in one schedule."""

    faults: Counter[str] = field(default_factory=Counter)
    heard: int = 0
    missing: int = 0
    late_causes: int = 0  # answers that came before what they answer, which went again

    def add(self, other: "Outcome") -> None:
        """Add what has happened in another one."""
        self.faults.update(other.faults)
        self.heard += other.heard
        self.missing += other.missing
        self.late_causes += other.late_causes


class Place:
    """One node: its process, its members, and all that they have heard."""

    def __init__(self, world: "World", name: str) -> None:
        self.world = world
        self.name = name
        self.members: set[str] = set()
        self.shown: set[str] = set()
        self.process: Process | None = None
        self.heard: dict[int, list[int]] = {}  # by the process that said it: numbers of texts
        self.causes: set[bytes] = set()  # texts that answers have named, before they were heard here
        self.texts: set[bytes] = set()
        self.begun = 0.0
        self.counted = 0  # lines that processes before this one knew to be missing

    def begin(self) -> Process:
        """Start a process that knows nothing."""
        self.members, self.shown, self.heard, self.causes = set(), set(), {}, set()
        self.texts, self.counted = set(), 0
        self.begun = self.world.time.now
        return self.make()

    def make(self) -> Process:
        """Make a process whose lines are heard as long as it is the one of this node."""
        self.world.processes += 1
        process = Process(
            self.world.processes,
            self.name,
            self.world.log,
            lambda line: self.hear(line) if self.process is process else None,
        )
        self.process = process
        return process

    def restart(self) -> None:
        """Stop the process, and start one that goes on with its state."""
        before = self.process
        assert before is not None
        before.end()
        self.counted += before.counted()
        state = before.realm.state()
        process = self.make()
        process.said, process.number = before.said, before.number
        for name in sorted(self.members):
            process.realm.stayed(name)
        process.realm.restore(state, self.world.time.now)
        process.start()

    # What the members do

    def say(self) -> None:
        """Let a member say something, or answer what was heard last."""
        if not self.is_awake or not self.members:
            return
        assert self.process is not None
        rng = self.world.rng
        text = b"%d.%d" % (self.process.number, self.process.said)
        self.process.said += 1
        self.world.said_at[text] = self.world.time.now
        cause = self.world.last_heard.get(self.name)
        if cause is not None and rng.random() < 0.3:
            text += b" re " + cause
        name = rng.choice(sorted(self.members))
        self.texts.add(text.partition(b" ")[0])
        self.process.realm.said(name, text, self.world.time.now)
        self.process.engine.set_timer()

    def move(self) -> None:
        """Let a member come or go."""
        if not self.is_awake:
            return
        assert self.process is not None
        rng, now = self.world.rng, self.world.time.now
        name = rng.choice([f"192.0.2.{NODES.index(self.name)}--{40000 + rng.randrange(5)}", SHARED])
        if name in self.members:
            self.members.remove(name)
            self.process.realm.left(name, "said", now)
        else:
            self.members.add(name)
            self.shown.discard(name)  # from now on the name stands for this member
            self.process.realm.came(name, now)
        self.process.engine.set_timer()

    @property
    def is_awake(self) -> bool:
        """Whether it has a process, and that runs."""
        return self.process is not None and not self.process.is_frozen

    # What the members hear

    def hear(self, line: bytes) -> None:
        """Check a line about another node."""
        name, _, text = line.partition(b"#")
        who = name.decode()
        if text == b"online":
            assert who not in self.shown, f"{who} comes twice to {self.name}"
            assert who not in self.members, f"{who} looks like a member of {self.name}"
            self.shown.add(who)
        elif text == b"offline":
            assert who in self.shown, f"{who} leaves {self.name} and was not there"
            self.shown.remove(who)
        else:
            assert who in self.shown, f"{who} talks to {self.name} and is not there"
            self.hear_text(text)

    def hear_text(self, text: bytes) -> None:
        """Check that a text is new, in order, and behind its cause."""
        said, _, cause = text.partition(b" re ")
        process, number = map(int, said.split(b"."))
        assert said not in self.texts, f"{self.name} hears {said!r} twice, or hears itself"
        self.texts.add(said)
        heard = self.heard.setdefault(process, [])
        assert not heard or heard[-1] < number, f"{self.name} hears {said!r} after {heard[-1]}"
        heard.append(number)
        self.world.outcome.heard += 1
        if said in self.causes:
            self.world.note_late_cause(self, said)
        if cause and cause not in self.texts:
            self.causes.add(cause)
        self.world.last_heard[self.name] = said


class World:
    """All of it."""

    def __init__(self, seed: int, *, longest: float = 30.0, faults: float = 0.25) -> None:
        self.rng = Random(seed)
        self.longest = longest  # seconds of an outage
        self.faults = faults  # a second
        self.time = VirtualTime()
        self.log = MisbehavingLog(self.time, self.rng)
        self.outcome = Outcome()
        self.processes = 0
        self.last_heard: dict[str, bytes] = {}
        self.said_at: dict[bytes, float] = {}
        self.has_lost_entries = False
        self.places = [Place(self, name) for name in NODES]
        for place in self.places:
            place.begin().start()

    def note_late_cause(self, place: Place, text: bytes) -> None:
        """An answer came before its cause. Then that went again: the log had lost it, or the node was new."""
        is_new = self.said_at[text] < place.begun
        assert is_new or self.has_lost_entries, f"{place.name} hears {text!r} after an answer to it"
        self.outcome.late_causes += 1

    def run(self, seconds: float) -> Outcome:
        """Let members talk and faults happen for so long. Then wait for two quiet leases, and compare."""
        end = self.time.now + seconds
        while self.time.now < end:
            if self.rng.random() < self.faults / STEPS:
                self.fault()
            for _ in range(3):
                place = self.rng.choice(self.places)
                (place.say if self.rng.random() < 0.85 else place.move)()
            self.step(self.rng.expovariate(STEPS))
        self.settle()
        return self.outcome

    def step(self, seconds: float) -> None:
        """Let time pass, and check the bounds."""
        self.time.run(self.time.now + seconds)
        for place in self.places:
            if place.process is not None:
                assert place.process.realm.waiting <= MOST_WAITING

    # Faults

    def fault(self) -> None:
        """Let something go wrong."""
        log, rng = self.log, self.rng
        seconds = rng.random() ** 2 * self.longest
        place = rng.choice(self.places)
        kinds: dict[str, Callable[[], object]] = {
            "cut": log.cut,
            "down": lambda: log.go_down(seconds),
            "frozen": lambda: setattr(log, "frozen_until", self.time.now + seconds),
            "refused": lambda: setattr(log, "refuses_until", self.time.now + seconds),
            "lost reply": lambda: setattr(log, "lost_replies", rng.randint(1, 3)),
            "wiped": log.wipe,
            "failed over": lambda: log.lose(rng.randint(0, 10)),
            "trimmed": lambda: log.trim(rng.randint(0, 10)),
            "ids back": lambda: self.ids_back(rng.randint(1, 100_000)),
            "stopped": lambda: self.freeze(place, seconds),
            "restarted": lambda: self.restart(place),
            "killed": lambda: self.kill(place, seconds, in_order=False),
            "ended": lambda: self.kill(place, seconds, in_order=True),
        }
        kind = rng.choice(list(kinds))
        self.outcome.faults[kind] += 1
        if kind in ("wiped", "failed over", "trimmed", "ids back"):
            self.has_lost_entries = True
        kinds[kind]()

    def ids_back(self, ms: int) -> None:
        """The log's last id is far ahead of its clock, and then it loses the key."""
        self.log.end = self.log.end._replace(ms=self.log.now_ms + ms)
        self.time.after(self.rng.uniform(0, 2), self.log.wipe)

    def freeze(self, place: Place, seconds: float) -> None:
        """Stop a process for a while."""
        if place.process is not None:
            place.process.engine.frozen_until = self.time.now + seconds

    def restart(self, place: Place) -> None:
        """Restart a node with its state."""
        if place.is_awake:
            place.restart()

    def kill(self, place: Place, seconds: float, *, in_order: bool) -> None:
        """End a process, and start a new one later."""
        process = place.process
        if process is None or not place.is_awake:
            return
        place.process = None
        self.count_missing(place, process)
        if in_order:
            process.realm.stop(self.time.now)
            self.time.after(1.0, process.end)
        else:
            process.end()
        place.shown = set()
        self.time.after(1.5 + seconds, lambda: place.begin().start())

    # Checks

    def count_missing(self, place: Place, process: Process) -> None:
        """Check that as many texts are missing here as are counted, at most."""
        missing = sum(numbers[-1] - numbers[0] + 1 - len(numbers) for numbers in place.heard.values())
        assert missing <= place.counted + process.counted(), f"{missing} texts are missing on {place.name}"
        self.outcome.missing += missing

    def settle(self) -> None:
        """Wait until everything is quiet, and check that every node knows what is true."""
        self.step(self.longest + 3)
        self.step(2 * LEASE + 15)
        running = {place.process.realm.node: place for place in self.places if place.process is not None}
        assert len(running) == len(self.places)
        for place in self.places:
            process = place.process
            assert process is not None
            known: dict[str, set[str]] = {
                far.name: set()
                for far in process.realm.nodes(self.time.now)
                if far.name in running or far.members
            }
            for member in process.realm.members():
                known[member.node].add(member.name.rpartition("/")[2])
            truth = {name: set(there.members) for name, there in running.items() if there is not place}
            assert known == truth, f"{place.name} knows {known}"
            shown = sorted(member.name for member in process.realm.members())
            assert sorted(place.shown) == shown, f"{place.name} was shown {place.shown}"
            self.count_missing(place, process)


def run_schedules(
    seeds: Sequence[int], *, seconds: float = 120.0, longest: float = 30.0, faults: float = 0.25
) -> Outcome:
    """Run a schedule for each seed. The first that does not hold raises, with its seed."""
    total = Outcome()
    for seed in seeds:
        try:
            total.add(World(seed, longest=longest, faults=faults).run(seconds))
        except AssertionError as error:
            raise AssertionError(f"schedule {seed}: {error}") from error
    return total
