"""The limits on log lines: in all, and for each source."""

from netechod.services.admission.log_throttle import (
    MAX_WARNINGS,
    TROUBLE_INTERVAL,
    WARNING_INTERVAL,
    LogThrottle,
    SourceThrottle,
)


def test_a_trouble_that_lasts_has_a_line_at_its_start_and_one_per_interval() -> None:
    throttle = LogThrottle()
    told = [now for now in range(25) if throttle.admits(100.0 + now)]
    assert told == [0, TROUBLE_INTERVAL, 2 * TROUBLE_INTERVAL]


def test_an_interval_begins_with_its_first_line() -> None:
    throttle = LogThrottle(60.0, 2)
    assert [throttle.admits(now) for now in (100.0, 101.0, 102.0)] == [True, True, False]
    assert [throttle.is_spent(now) for now in (102.0, 159.9, 160.0)] == [True, True, False]
    assert [throttle.admits(now) for now in (170.0, 220.0, 229.9, 230.0)] == [True, True, False, True]
    assert not throttle.is_spent(230.0)


def test_a_source_has_one_line_per_interval_whatever_its_addresses_look_like() -> None:
    throttle = SourceThrottle()
    assert throttle.admits("192.0.2.1", 100.0)
    assert not throttle.admits("::ffff:192.0.2.1", 101.0)
    assert throttle.admits("192.0.2.2", 101.0)
    assert throttle.admits("2001:db8::1", 101.0)
    assert not throttle.admits("2001:db8::2", 101.0)
    assert not throttle.admits("192.0.2.1", 99.9 + WARNING_INTERVAL)
    assert throttle.admits("192.0.2.1", 100.0 + WARNING_INTERVAL)


def test_all_sources_together_have_so_many_lines_per_interval() -> None:
    throttle = SourceThrottle()
    assert sum(throttle.admits(f"192.0.2.{number}", 100.0) for number in range(250)) == MAX_WARNINGS
    assert sum(throttle.admits(f"198.51.100.{number}", 160.0) for number in range(250)) == MAX_WARNINGS
