"""The lines for events: one each, until there are too many in a second."""

import logging
from dataclasses import dataclass

import pytest
from support.looping import FakeClock, turn

from netechod.reactor.event_log import BUSY, HOUR, LONG_TERM, MINUTE, ChatLog, ConnectionLog
from netechod.reactor.loop import Loop

SUMMARY = "busy: accepted {} and closed {} in one second"


@pytest.fixture(autouse=True)
def _log_everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "netechod.reactor.event_log")


@pytest.fixture
def connections(loop: Loop) -> ConnectionLog:
    return ConnectionLog(loop, "echo-tcp")


PEER = "192.0.2.1--4711"


@dataclass
class Connection:
    """A connection as the log sees it."""

    name: str = PEER

    def summary(self, reason: str) -> str:
        """See Summed."""
        return f"in=5 out=5 seconds=0.250 reason={reason}"


THEIRS = Connection()


def pass_time(loop: Loop, clock: FakeClock, seconds: float) -> None:
    """Let the loop see that time has passed."""
    clock.advance(seconds)
    turn(loop)


def levels(caplog: pytest.LogCaptureFixture) -> list[int]:
    return [record.levelno for record in caplog.records]


def test_the_sentences_name_the_peer_and_say_what_happened(
    connections: ConnectionLog, caplog: pytest.LogCaptureFixture
) -> None:
    connections.accepted(THEIRS, 7)
    connections.closed(THEIRS, "eof")
    assert caplog.messages == [
        "accept 192.0.2.1--4711 fd=7",
        "close 192.0.2.1--4711 in=5 out=5 seconds=0.250 reason=eof",
    ]
    assert levels(caplog) == [logging.INFO] * 2


def test_each_record_carries_its_fields_for_the_journal(
    connections: ConnectionLog, caplog: pytest.LogCaptureFixture
) -> None:
    connections.accepted(THEIRS, 7)
    connections.closed(THEIRS, "eof")
    fields = [
        (record.__dict__["event"], record.__dict__["service"], record.__dict__["peer"])
        for record in caplog.records
    ]
    assert fields == [("accept", "echo-tcp", "192.0.2.1--4711"), ("close", "echo-tcp", "192.0.2.1--4711")]


def test_beyond_a_hundred_in_a_second_the_lines_are_for_debugging_and_one_line_sums_up(
    connections: ConnectionLog, loop: Loop, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    for fd in range(BUSY + 20):
        connections.accepted(THEIRS, fd)
    for _ in range(BUSY + 5):
        connections.closed(THEIRS, "eof")
    assert levels(caplog) == (
        [logging.INFO] * BUSY + [logging.DEBUG] * 20 + [logging.INFO] * BUSY + [logging.DEBUG] * 5
    )
    caplog.clear()
    pass_time(loop, clock, 0.5)
    assert caplog.messages == []
    pass_time(loop, clock, 0.5)
    pass_time(loop, clock, 10.0)
    assert caplog.messages == [SUMMARY.format(BUSY + 20, BUSY + 5)]
    assert levels(caplog) == [logging.INFO]


def test_the_hundredth_line_is_still_a_line_of_its_own_and_needs_no_summary(
    connections: ConnectionLog, loop: Loop, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    for fd in range(BUSY):
        connections.accepted(THEIRS, fd)
    pass_time(loop, clock, 1.0)
    connections.accepted(THEIRS, 1)
    assert levels(caplog) == [logging.INFO] * (BUSY + 1)


def test_a_second_begins_with_its_first_connection(
    connections: ConnectionLog, loop: Loop, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    pass_time(loop, clock, 100.25)
    for fd in range(BUSY):
        connections.accepted(THEIRS, fd)
    pass_time(loop, clock, 0.75)
    connections.accepted(THEIRS, 1)
    assert levels(caplog)[-1] == logging.DEBUG
    pass_time(loop, clock, 0.25)
    connections.accepted(THEIRS, 1)
    assert caplog.messages[-2:] == [SUMMARY.format(BUSY + 1, 0), "accept 192.0.2.1--4711 fd=1"]
    assert levels(caplog)[-2:] == [logging.INFO, logging.INFO]


def test_every_busy_second_has_its_summary(
    connections: ConnectionLog, loop: Loop, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        for _ in range(BUSY + 1):
            connections.closed(THEIRS, "eof")
        pass_time(loop, clock, 1.0)
    assert caplog.messages.count(SUMMARY.format(0, BUSY + 1)) == 3


def test_a_busy_second_is_summed_up_once_even_if_the_next_one_begins_first(
    connections: ConnectionLog, loop: Loop, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    loop.call_at(loop.now + 1.0, lambda: connections.accepted(THEIRS, 1))
    for fd in range(BUSY + 1):
        connections.accepted(THEIRS, fd)
    pass_time(loop, clock, 1.0)
    assert caplog.messages[-2:] == [SUMMARY.format(BUSY + 1, 0), "accept 192.0.2.1--4711 fd=1"]


def lines(caplog: pytest.LogCaptureFixture, start: str) -> int:
    """Return how many NORMAL lines begin so."""
    return sum(message.startswith(start) for level, message in normal(caplog) if level == logging.INFO)


def normal(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    return [(record.levelno, record.getMessage()) for record in caplog.records]


@pytest.mark.parametrize("rate", [2 * BUSY, BUSY, BUSY // 10])
def test_an_hour_has_so_many_lines_at_whatever_rate_and_then_one_summary_a_minute(
    rate: int, connections: ConnectionLog, loop: Loop, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "netechod.reactor.event_log")
    busy = LONG_TERM // min(rate, BUSY)  # seconds until the lines of the hour are used up
    for _ in range(busy + 3 * int(MINUTE)):
        for _ in range(rate):
            connections.accepted(THEIRS, 7)
        pass_time(loop, clock, 1.0)
    assert lines(caplog, "accept ") == LONG_TERM
    by_second = busy + 1 if rate > BUSY else 1
    assert by_second - 1 <= lines(caplog, "busy: ") - 2 <= by_second + 1
    assert caplog.messages[-1] == f"busy: accepted {rate * int(MINUTE)} and closed 0 in one minute"


def test_the_next_hour_has_lines_again(
    connections: ConnectionLog, loop: Loop, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(LONG_TERM // BUSY):
        for _ in range(BUSY):
            connections.closed(THEIRS, "eof")
        pass_time(loop, clock, 1.0)
    connections.closed(THEIRS, "eof")
    connections.accepted(THEIRS, 7)
    assert levels(caplog)[-2:] == [logging.DEBUG, logging.INFO]  # each kind has an hour of its own
    pass_time(loop, clock, HOUR)
    connections.closed(THEIRS, "eof")
    assert (caplog.messages[-2], levels(caplog)[-1]) == (
        "busy: accepted 1 and closed 1 in one minute",
        logging.INFO,
    )


def test_a_line_that_nobody_wants_is_not_made(
    connections: ConnectionLog, loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "netechod.reactor.event_log")
    connections.accepted(THEIRS, 7)
    connections.closed(THEIRS, "eof")
    members = ChatLog(loop, "chat")
    members.online("peer--1")
    members.offline("peer--1", "said")
    assert caplog.records == []


def test_members_of_the_chat_are_told_of_in_the_same_way(
    loop: Loop, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    members = ChatLog(loop, "chat")
    for _ in range(BUSY + 5):
        members.online("192.0.2.1--4711")
    members.offline("192.0.2.1--4711", "said")
    assert caplog.messages[0] == "chat online 192.0.2.1--4711"
    assert caplog.messages[-1] == "chat offline 192.0.2.1--4711 reason=said"
    assert caplog.records[0].__dict__["event"] == "online"
    assert levels(caplog) == [logging.INFO] * BUSY + [logging.DEBUG] * 5 + [logging.INFO]
    pass_time(loop, clock, 1.0)
    assert caplog.messages[-1] == f"busy: online {BUSY + 5} and offline 1 in one second"
