"""What a node may conclude from what it reads."""

import pytest

from netechod.services.realm.log import START, EntryId, Found
from netechod.services.realm.reading import Listening, LogClock, Reading, Returns

LEASE, PATIENCE = 15.0, 10.0


def at(seconds: float) -> EntryId:
    return EntryId(int(1000 * seconds))


def found(now: float = 100.0, **changes: object) -> Found:
    return Found(int(now * 1000), at(1.0), at(90.0), has_last=True, has_mine=True)._replace(
        **changes  # type: ignore[arg-type]
    )


@pytest.fixture
def reading() -> Reading:
    return Reading(lease=LEASE, patience=PATIENCE)


# The time in which it hears


def test_the_clock_of_leases_runs_while_everything_was_read() -> None:
    listening = Listening()
    listening.begin(10.0)
    listening.begin(11.0)
    assert (listening.is_on, listening.seconds(15.0)) == (True, 5.0)
    listening.end(15.0)
    listening.end(16.0)
    assert (listening.is_on, listening.seconds(20.0)) == (False, 5.0)
    listening.begin(20.0)
    assert listening.seconds(21.0) == 6.0


def test_the_age_of_an_entry_is_told_by_the_logs_own_clock() -> None:
    clock = LogClock()
    clock.set(1_700_000_000_000, 5.0)
    assert clock.age(EntryId(1_700_000_000_000), 5.0) == 0.0
    assert clock.age(EntryId(1_699_999_998_000), 7.5) == 4.5
    assert clock.age(EntryId(1_700_000_009_000), 6.0) == -8.0


# Where to read on


def test_a_new_node_begins_at_the_end(reading: Reading) -> None:
    assert not reading.connected(found(), 0.0)
    assert reading.last == at(90.0)


@pytest.mark.parametrize(
    ("last", "state"),
    [
        (at(50.0), found()),
        (at(0.5), found(has_last=False)),  # trimmed since
        (at(50.0), found(has_last=False, first=None)),  # trimmed to nothing
        (START, found(has_last=False, first=None, end=START)),  # there is nothing yet
    ],
)
def test_reading_goes_on_where_it_was(reading: Reading, last: EntryId, state: Found) -> None:
    reading.restore(last, 0.0)
    assert not reading.connected(state, 0.0)
    assert reading.last == last


@pytest.mark.parametrize(
    "state",
    [
        found(has_last=False),
        found(has_last=False, first=None, end=START),
        found(has_last=False, first=None, end=at(40.0)),
    ],
)
def test_another_log_is_read_from_a_lease_before(reading: Reading, state: Found) -> None:
    reading.restore(at(50.0), 0.0)
    assert reading.connected(state, 0.0)
    assert reading.last == at(85.0)


def test_a_log_with_a_clock_near_zero_is_read_from_its_beginning(reading: Reading) -> None:
    reading.restore(at(50.0), 0.0)
    assert reading.connected(found(now=3.0, has_last=False), 0.0)
    assert reading.last == START


# When others are lost


def test_the_lease_of_the_first_ends_while_this_node_listens(reading: Reading) -> None:
    reading.turn(100.0)
    assert reading.next_deadline(3.0) is None
    reading.connected(found(), 100.0)
    reading.caught_up(100.0)
    assert reading.is_listening
    assert reading.next_deadline(None) is None
    assert reading.next_deadline(-3.0) == 112.0
    reading.turn(104.0)
    assert reading.next_deadline(-3.0) == 112.0
    reading.rest(104.0)
    assert (reading.is_listening, reading.next_deadline(-3.0)) == (False, None)


def test_what_cannot_be_read_is_not_listened_to(reading: Reading) -> None:
    reading.caught_up(100.0)
    assert not reading.is_listening


def test_after_a_lease_without_a_connection_the_others_are_cut_off_once(reading: Reading) -> None:
    reading.connected(found(), 0.0)
    reading.disconnected(10.0)
    reading.disconnected(11.0)
    assert reading.next_deadline(None) == 25.0
    assert [reading.is_cut_off(now) for now in (24.9, 25.0, 25.1)] == [False, True, False]
    reading.disconnected(30.0)
    assert reading.next_deadline(None) is None


def test_a_restart_takes_a_lease_at_most(reading: Reading) -> None:
    reading.restore(at(50.0), 10.0)
    assert reading.next_deadline(None) == 25.0


def test_time_in_which_the_process_was_stopped_does_not_count(reading: Reading) -> None:
    assert reading.turn(100.0) == 0.0
    reading.connected(found(), 100.0)
    reading.caught_up(100.0)
    assert reading.turn(105.0) == 0.0
    assert reading.turn(135.0) == 30.0
    assert (reading.is_listening, reading.listened(135.0)) == (False, 5.0)
    reading.disconnected(135.0)
    assert reading.turn(165.0) == 30.0
    assert not reading.is_cut_off(165.0)
    assert reading.is_cut_off(180.0)


# Whether its own entries come back


def test_entries_that_come_back_are_no_reason_to_worry_and_tell_the_lag(reading: Reading) -> None:
    reading.connected(found(), 0.0)
    reading.caught_up(0.0)
    reading.made((0, 0), 0.0)
    reading.made((7, 2), 1.0)
    reading.taken(at(91.0), 1.1)
    reading.read(at(91.0), 1.5)
    reading.came_back(at(91.0), (7, 2), 1.5)
    assert (reading.lag, reading.is_deaf(60.0)) == (0.5, False)


def test_the_reader_may_be_faster_than_the_acknowledgement(reading: Reading) -> None:
    reading.connected(found(), 0.0)
    reading.caught_up(0.0)
    reading.came_back(at(91.0), (0, 0), 1.0)
    reading.taken(at(91.0), 1.1)
    assert not reading.is_deaf(60.0)


def test_if_nothing_comes_back_the_reader_is_deaf_which_is_told_once(reading: Reading) -> None:
    reading.connected(found(), 0.0)
    reading.caught_up(0.0)
    reading.taken(at(91.0), 1.0)
    reading.taken(at(92.0), 6.0)
    assert [reading.is_deaf(now) for now in (11.0, 11.1, 11.2)] == [False, True, False]


def test_on_a_slow_link_earlier_entries_still_come(reading: Reading) -> None:
    returns = Returns()
    returns.taken(at(91.0), 0.0)
    returns.heard(11.0)
    assert not returns.are_missing(at(80.0), 12.0, PATIENCE)
    assert not returns.are_missing(None, 12.0, PATIENCE)
    assert returns.are_missing(at(92.0), 12.0, PATIENCE), "it has been passed"
    returns.came_back(at(90.0), (0, 0), 12.0)
    assert returns.are_missing(at(92.0), 12.0, PATIENCE), "an earlier one came back"


def test_while_nothing_is_read_nothing_is_missing(reading: Reading) -> None:
    reading.connected(found(), 0.0)
    reading.taken(at(91.0), 1.0)
    assert not reading.is_deaf(60.0)


def test_the_lag_is_of_entries_whose_time_is_known() -> None:
    returns = Returns()
    returns.made((5, 0), 1.0)
    returns.came_back(at(1.0), (3, 1), 2.0)
    assert returns.lag == 0.0
    returns.came_back(at(1.0), (5, 1), 3.0)
    assert returns.lag == 0.0
