"""The watch by a clock and a network of ours: pace, losses, events, names."""

import socket
from collections.abc import Callable

from netechod.client.resolver import Address
from netechod.client.watch.events import Event, Kind, Recorder, Sample
from netechod.client.watch.targets import Target
from netechod.client.watch.watched import Resolved, State, Transport, Watched
from netechod.client.watch.watcher import Watcher
from netechod.reactor.loop import Loop


def address(host: str) -> Address:
    return socket.AF_INET, (host, 8080)


class Line(Transport):
    """Remembers when probes were sent."""

    def __init__(self, network: "Network", address: Address) -> None:
        self._network = network
        self.host = address[1][0]

    def send(self, number: int) -> str:
        self._network.sent.append((self._network.clock(), self.host, number))
        return self._network.refusal

    def timed_out(self) -> None:
        self._network.timed_out += 1

    def close(self) -> None:
        self._network.closed.append(self.host)


class Network:
    """Names have the addresses that a test gives them."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.sent: list[tuple[float, str, int]] = []
        self.closed: list[str] = []
        self.timed_out = 0
        self.refusal = ""
        self.names: dict[str, list[Address]] = {}
        self.asked: list[str] = []

    def open(self, watched: Watched, address: Address) -> Transport:
        return Line(self, address)

    def resolve(self, target: Target, resolved: Resolved) -> None:
        self.asked.append(target.host)
        found = self.names.get(target.host, [])
        resolved(found, "" if found else "no such name")


class Diary(Recorder):
    """Remembers what is told."""

    wants_samples = True

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.samples: list[Sample] = []

    def happened(self, event: Event) -> None:
        self.events.append(event)

    def sampled(self, sample: Sample) -> None:
        self.samples.append(sample)

    def kinds(self) -> list[Kind]:
        return [event.kind for event in self.events]


class Site:
    """A watch of hosts, in simulated time."""

    def __init__(self, *hosts: str, count: int = 0, interval: float = 1.0) -> None:
        self.now = 1000.0
        self.loop = Loop(clock=lambda: self.now)
        self.network = Network(lambda: self.now)
        self.done = 0
        self.watched = [
            Watched(Target(host, "udp", host, 8080, interval=interval, timeout=2.0)) for host in hosts
        ]
        self.network.names = {host: [address(host)] for host in hosts}
        self.diary = Diary()
        self.watcher = Watcher(self.loop, self.watched, self.network, count=count, done=self._done)
        self.watcher.recorders.append(self.diary)

    def _done(self) -> None:
        self.done += 1

    def pass_until(self, end: float, step: float = 0.25) -> None:
        """Let time pass, and the loop turn."""
        while self.now < end:
            self.now += step
            self.loop.call_soon(lambda: None)  # a turn that waits for nothing
            self.loop._turn()

    def answer(self, number: int, after: float = 0.01) -> None:
        watched = self.watched[0]
        self.loop.now = self.now
        self.watcher.answered(watched, number, watched.statistics.sent_at(number) + after, 0)


def state_of(site: Site) -> State:
    return site.watched[0].state


def test_first_probes_are_spread_and_later_ones_keep_the_pace() -> None:
    site = Site("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4")
    site.watcher.start()
    site.pass_until(1003.0)
    for place in range(4):
        times = [at for at, host, _ in site.network.sent if host == f"10.0.0.{place + 1}"]
        assert times[1:] == [1000 + place / 4 + later for later in range(1, len(times))]
        assert times[0] == max(1000.25, 1000 + place / 4)  # the first turn comes after a quarter of a second


def test_after_a_stop_there_is_no_burst_and_the_pace_stays() -> None:
    site = Site("10.0.0.1")
    site.watcher.start()
    site.pass_until(1002.0)
    before = len(site.network.sent)
    site.pass_until(1007.5, step=5.5)
    site.pass_until(1009.0)
    assert [at for at, _, _ in site.network.sent[before:]] == [1007.5, 1008.0, 1009.0]


def test_two_losses_in_a_row_are_an_outage_and_an_answer_ends_it() -> None:
    site = Site("10.0.0.1")
    site.watcher.start()
    site.pass_until(1000.5)
    site.answer(1)
    site.pass_until(1005.25)
    assert site.diary.kinds() == [Kind.UP, Kind.DOWN]
    assert (site.diary.events[1].reason, site.diary.events[1].losses) == ("timeout", 2)
    assert state_of(site) is State.DOWN
    site.answer(6)
    back = site.diary.events[2]
    assert (back.kind, back.losses) == (Kind.BACK, 3)
    assert back.seconds == site.watched[0].statistics.longest.seconds > 3.9
    assert state_of(site) is State.UP
    assert site.network.timed_out == 3


def test_one_loss_is_no_outage() -> None:
    site = Site("10.0.0.1")
    site.watcher.start()
    site.pass_until(1001.5)
    site.answer(2)
    site.pass_until(1002.75)
    site.answer(3)
    assert site.watched[0].statistics.lost == 1
    assert site.diary.kinds() == [Kind.UP]


def test_late_answers_and_copies_change_no_state() -> None:
    site = Site("10.0.0.1")
    site.watcher.start()
    site.pass_until(1002.75)
    for number, after in ((1, 2.5), (1, 2.6), (2, 0.5), (2, 0.6)):
        site.answer(number, after)
    told = [(sample.number, sample.outcome, round(sample.seconds or 0, 3)) for sample in site.diary.samples]
    assert told == [
        (1, "lost", 0),
        (1, "late", 2.5),
        (1, "duplicate", 2.6),
        (2, "answered", 0.5),
        (2, "duplicate", 0.6),
    ]
    site.watcher.answered(site.watched[0], 99, site.now, 0)  # a number that was never sent
    assert len(site.diary.samples) == 5


def test_a_refusal_counts_at_once() -> None:
    site = Site("10.0.0.1")
    site.network.refusal = "refused"
    site.watcher.start()
    site.pass_until(1001.25)
    assert site.watched[0].statistics.reasons == {"refused": 2}
    assert site.diary.kinds() == [Kind.DOWN]


def test_a_name_is_resolved_again_when_its_host_is_lost_and_ever_more_seldom() -> None:
    site = Site("db1")
    site.watcher.start()
    site.pass_until(1030.0)
    assert len(site.network.asked) == 1 + 4  # at the start; then after 2, 4, 8 and 16 s
    assert Kind.MOVED not in site.diary.kinds()
    site.network.names["db1"] = [address("10.0.0.9")]
    site.pass_until(1064.0)
    assert site.watched[0].where == "10.0.0.9"
    assert site.network.closed == ["db1"]
    assert site.network.sent[-1][1] == "10.0.0.9"
    assert site.diary.kinds() == [Kind.DOWN, Kind.MOVED]


def test_another_address_of_the_same_name_is_tried_when_one_is_silent() -> None:
    site = Site("db1")
    site.network.names["db1"] = [address("10.0.0.1"), address("10.0.0.2")]
    site.watcher.start()
    site.pass_until(1004.5)
    assert site.network.sent[-1][1] == "10.0.0.2"


def test_a_name_without_address_is_told_once_and_watched_on() -> None:
    site = Site("db1")
    site.network.names.clear()
    site.watcher.start()
    site.pass_until(1006.0)
    assert site.diary.kinds() == [Kind.UNRESOLVED, Kind.DOWN]
    assert site.watched[0].statistics.reasons == {"unresolved": site.watched[0].statistics.sent}
    assert site.watched[0].finding().trouble == "no such name"
    site.network.names["db1"] = [address("10.0.0.7")]
    site.pass_until(1020.0)
    assert site.network.sent[-1][1] == "10.0.0.7"
    site.answer(site.watched[0].statistics.sent)
    assert site.diary.kinds() == [Kind.UNRESOLVED, Kind.DOWN, Kind.MOVED, Kind.BACK]


def test_a_count_ends_the_watch_when_every_probe_has_its_outcome() -> None:
    site = Site("10.0.0.1", count=2)
    site.watcher.start()
    site.pass_until(1001.5)
    site.answer(1)
    assert site.done == 0
    site.answer(2)
    assert site.done == 1
    site.pass_until(1010.0)
    assert len(site.network.sent) == 2


def test_more_probes_under_way_than_are_remembered_lose_the_oldest() -> None:
    site = Site("10.0.0.1", interval=0.01)
    site.watched[0].target = site.watched[0].target._replace(timeout=1000.0)
    site.watcher.start()
    site.pass_until(1008.0, step=0.01)
    counted = site.watched[0].statistics
    assert len(site.watched[0].waiting) <= 600
    assert counted.lost == counted.sent - len(site.watched[0].waiting) > 100
