"""Admission: who may be answered, and how much, against a model."""

from collections import Counter
from collections.abc import Collection, Sequence
from fractions import Fraction
from ipaddress import ip_network

from fuzz.feed import Feed
from fuzz.target import STEPS, target
from support.bouncing import Watcher

from netechod.services.admission.admission import Admission, Rules
from netechod.services.admission.loop_guard import MIN_SAMPLES
from netechod.services.admission.rate_limit import Buckets
from netechod.services.api import Datagram, Outbox, Peer

LEAK, BOUNCES, TICK = 4, 3, 64  # of the clock: a power of two, so that floats are exact

RULES = Rules(
    deny=[ip_network("203.0.113.0/24"), ip_network("10.9.0.0/16")],
    trusted=[ip_network("10.0.0.0/8"), ip_network("fe80::/10")],
    refused_source_ports=[1900],
    own_ports=[8081],
    bounce_limit=BOUNCES,
)
# What is known of each beforehand: why it is never answered, its source when nobody has proved it, or None.
UNPROVEN_4 = [("192.0.2.1", 4000), ("::ffff:192.0.2.1", 4001), ("192.0.2.1", 1024)]
UNPROVEN_6 = [("2001:db8::1", 5000), ("2001:db8::2", 5001), ("2001:db8:0:1::1", 5000)]
STANDINGS: dict[tuple[str, int], str | None] = {
    **dict.fromkeys(UNPROVEN_4, "@192.0.2.1"),
    **dict.fromkeys(UNPROVEN_6[:2], "@2001:db8::"),
    UNPROVEN_6[2]: "@2001:db8:0:1::",
    **dict.fromkeys([("10.0.0.1", 5000), ("::ffff:10.0.0.1", 5000), ("fe80::1%eth0", 5000)]),
    **dict.fromkeys(
        [("10.0.0.1", 0), ("192.0.2.1", 1023), ("10.0.0.1", 1900), ("fe80::1", 7)], "source-port"
    ),
    **dict.fromkeys([("10.0.0.1", 8081), ("192.0.2.1", 8081)], "own-port"),
    **dict.fromkeys([("203.0.113.9", 5000), ("10.9.1.1", 5000), ("::ffff:10.9.1.1", 5000)], "network"),
    **dict.fromkeys(
        [(address, 5000) for address in ("224.0.0.1", "ff02::1", "255.255.255.255", "0.0.0.0", "::")],
        "source-address",
    ),
}
PEERS = list(STANDINGS)


class Bucket:
    """One source's measure, in exact numbers."""

    def __init__(self, burst: int, now: Fraction) -> None:
        self.tokens, self.when, self.over = Fraction(burst), now, 0

    def admits(self, rate: int, burst: int, now: Fraction) -> bool:
        """Whether one more is answered."""
        self.tokens += (now - self.when) * rate
        self.when = now
        if self.tokens >= burst:
            self.tokens, self.over = Fraction(burst), 0
        if self.tokens >= 1:
            self.tokens -= 1
            return True
        self.over += 1
        return self.over % LEAK == 0


@target(largest=STEPS)
def rate(feed: Feed) -> None:
    """The buckets admit exactly as many as the model, in any order of sources and times."""
    rate, burst = feed.pick([1, 4, 64]), 1 + feed.number(7)
    buckets = Buckets(rate=rate, burst=burst)
    model: dict[int, Bucket] = {}
    ticks = 0
    while feed:
        ticks += feed.number(255) ** 2 // 16
        now, source = Fraction(ticks, TICK), feed.number(3)
        expected = model.setdefault(source, Bucket(burst, now)).admits(rate, burst, now)
        assert buckets.admits(source, ticks / TICK) == expected


class Talker:
    """A service that answers each datagram with a long one, and remembers what it was given."""

    def __init__(self) -> None:
        self.passed: list[Datagram] = []

    def datagrams_received(self, batch: Sequence[Datagram], now: float, out: Outbox) -> None:
        """See DatagramService."""
        for payload, peer in batch:
            self.passed.append((payload, peer))
            out.send("苹".encode() * 100, peer)

    def next_deadline(self) -> float | None:
        """See DatagramService."""
        return None

    def deadline_reached(self, now: float, out: Outbox) -> None:
        """See DatagramService."""


class Sizes(Outbox):
    """An outbox that remembers how much goes to whom."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, Peer]] = []

    def send(self, payload: bytes, peer: Peer) -> None:
        """See Outbox."""
        payload.decode()
        self.sent.append((len(payload), peer))

    def broadcast(self, payload: bytes, peers: Collection[Peer]) -> None:
        """See Outbox."""
        raise AssertionError("nobody here broadcasts")


@target([b"a", b"aa"], largest=STEPS)
def admission(feed: Feed) -> None:
    """Batches of anybody's datagrams: each is passed on, cut or dropped for the reason that a model gives."""
    talker, warned = Talker(), Counter[str]()
    admission = Admission(
        talker,
        lambda peer: PEERS[peer],  # type: ignore[call-overload] # here peers are numbers
        buckets=Buckets(rate=1, burst=3),
        on_drop=lambda address, reason: warned.update([address]),
    )
    trusted_only = bool(feed.number(1))
    admission.configure(RULES, trusted_only=trusted_only)
    buckets: dict[str, Bucket] = {}
    watcher = Watcher(BOUNCES, MIN_SAMPLES)
    dropped = Counter[str]()
    ticks = 0
    while feed:
        ticks += feed.pick([0, 0, 0, 1, TICK // 2, TICK])
        batch = [(feed.piece(3), feed.number(len(PEERS) - 1)) for _ in range(1 + feed.number(3))]
        out, passed, sent = Sizes(), [], []
        bounced = watcher.find(batch, ticks / TICK)
        for place, (payload, number) in enumerate(batch):
            verdict = judged(number, buckets, ticks, trusted_only) if place not in bounced else "bounce"
            if verdict is not None:
                dropped[verdict] += 1
                continue
            passed.append((payload, number))
            limit = reach(number, len(payload))
            sent.append((300 if limit is None else min(300, limit - limit % 3), number))
        talker.passed.clear()
        admission.datagrams_received(batch, ticks / TICK, out)
        assert talker.passed == passed
        assert out.sent == sent
        assert admission.dropped == dropped
    assert max(warned.values(), default=0) <= 1 + ticks // TICK // 60


@target([b"a", b"ab", b"abc"], largest=STEPS)
def bounces(feed: Feed) -> None:
    """Of so many of a row one is dropped, and nothing before it or its peer has come as often."""
    watcher = Watcher(BOUNCES)
    last: dict[int, bytes] = {}
    passed = Counter[int]()  # how many of a peer's row have passed since one of it was dropped
    times = Counter[Datagram]()
    since = Counter[int]()  # a peer's datagrams since one of them was dropped
    while feed:
        batch = [(feed.piece(3), feed.number(3)) for _ in range(1 + feed.number(7))]
        found = watcher.find(batch)
        for place, (payload, number) in enumerate(batch):
            times[payload, number] += 1
            since[number] += 1
            if place in found:
                assert max(times[payload, number], since[number]) >= BOUNCES
                passed[number] = since[number] = 0
            else:
                passed[number] = passed[number] + 1 if last.get(number) == payload else 1
                assert passed[number] < BOUNCES
            last[number] = payload


def judged(number: int, buckets: dict[str, Bucket], ticks: int, trusted_only: bool) -> str | None:
    """Why it is dropped, if it is."""
    standing = STANDINGS[PEERS[number]]
    if standing is None or not standing.startswith("@"):
        return standing
    if trusted_only:
        return "untrusted"
    now = Fraction(ticks, TICK)
    return None if buckets.setdefault(standing, Bucket(3, now)).admits(1, 3, now) else "rate"


def reach(number: int, size: int) -> int | None:
    """The bytes of the longest answer: with headers three times those that came; None for no limit."""
    if STANDINGS[PEERS[number]] is None:
        return None
    headers = 48 if PEERS[number] in UNPROVEN_6 else 28
    return 3 * (size + headers) - headers
