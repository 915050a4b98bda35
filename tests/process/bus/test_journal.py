"""The log lines about the bus."""

import logging
from collections.abc import Iterator

import pytest
from support.looping import FakeClock, turn

from netechod.process.bus.journal import INTERVAL, MAX_KINDS, BusJournal
from netechod.reactor.loop import Loop
from netechod.services.realm.events import Event


class Bench:
    """A journal, and what it has written."""

    def __init__(self, loop: Loop, clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
        self.loop = loop
        self.clock = clock
        self.journal = BusJournal(loop, lambda: 7)
        self._caplog = caplog

    def wait(self, seconds: float = INTERVAL) -> None:
        """Let time pass."""
        self.clock.advance(seconds)
        turn(self.loop)

    def lines(self) -> list[str]:
        """Return the lines since the last call, each with its level."""
        lines = [f"{record.levelname} {record.getMessage()}" for record in self._caplog.records]
        self._caplog.clear()
        return lines


@pytest.fixture
def bench(caplog: pytest.LogCaptureFixture) -> Iterator[Bench]:
    caplog.set_level(logging.INFO)
    clock = FakeClock()
    loop = Loop(clock=clock)
    yield Bench(loop, clock, caplog)
    loop.close()


def test_the_bus_goes_up_and_down(bench: Bench) -> None:
    bench.journal.up("192.0.2.1:6379", 3, 1.25)
    bench.journal.down("closed by the server", is_news=True)
    bench.journal.down("closed by the server", is_news=True)
    assert bench.lines() == [
        "INFO bus up 192.0.2.1:6379 nodes=3 after=1.2",
        *["WARNING bus down: closed by the server, the chat goes on alone"] * 2,
    ]


def test_a_reason_that_stays_is_told_once_a_minute(bench: Bench) -> None:
    for _ in range(3):
        bench.journal.down("Connection refused", is_news=False)
    bench.journal.down("no reply in time", is_news=False)
    refused = "WARNING bus down: Connection refused, the chat goes on alone"
    assert bench.lines() == [refused, "WARNING bus down: no reply in time, the chat goes on alone"]
    bench.wait()
    assert bench.lines() == [refused]
    bench.wait()
    assert bench.lines() == []


def test_lines_that_are_missed_are_summed_up(bench: Bench) -> None:
    for number in (1, 2, 3):
        bench.journal.told(Event("missed", "b", number, "gap"))
    bench.journal.told(Event("missed", "b", 9, "too old"))
    assert bench.lines() == [
        "WARNING bus: 1 lines of b missed (gap)",
        "WARNING bus: 9 lines of b missed (too old)",
    ]
    bench.wait()
    assert bench.lines() == ["WARNING bus: 5 lines of b missed (gap)"]
    bench.wait()
    bench.journal.told(Event("missed", "b", 4, "gap"))
    assert bench.lines() == ["WARNING bus: 4 lines of b missed (gap)"]


def test_nodes_without_number_do_not_take_memory_without_end(bench: Bench) -> None:
    for number in range(MAX_KINDS + 100):
        bench.journal.told(Event("missed", f"n{number}", 1, "gap"))
    assert len(bench.lines()) == MAX_KINDS + 1


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Event("up", "b", 2), "INFO chat node b up members=2"),
        (Event("back", "b", 2), "INFO chat node b back members=2"),
        (Event("lost", "b", 2, "lease"), "INFO chat node b lost members=2 reason=lease"),
        (
            Event("renamed", "a-9c39", 0, "a"),
            "ERROR bus: another process calls itself a, we go on as a-9c39",
        ),
        (Event("another log"), "INFO bus: the log is another one than before"),
        (Event("not sent", "a", 3, "too old"), "WARNING bus: 3 lines of ours were not sent (too old)"),
        (
            Event("shared", "b", 0, "192.0.2.1--5"),
            "WARNING bus: 192.0.2.1--5 is online here and on b: "
            "lines of the other one begin with its node (bus.names)",
        ),
        (
            Event("version"),
            "WARNING bus: some node writes entries of another version, they are skipped",
        ),
        (Event("stopped", number=25), "WARNING bus: we were stopped for 25 s"),
    ],
)
def test_each_event_has_its_line(bench: Bench, event: Event, line: str) -> None:
    bench.journal.told(event)
    assert bench.lines() == [line]


def test_a_server_that_refuses_entries_is_told_with_the_lines_that_wait(bench: Bench) -> None:
    bench.journal.refused("OOM command not allowed")
    bench.journal.refused("OOM command not allowed")
    assert bench.lines() == ["WARNING bus refuses what we say, 7 lines wait: OOM command not allowed"]
