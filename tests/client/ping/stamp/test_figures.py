"""What people see of both directions: the lines of a summary, a line for each probe, the line that lives."""

import pytest

from netechod.client.ping.layout import curves
from netechod.client.ping.report import About, RunInfo, summary
from netechod.client.ping.stamp.directions import Directions, Passage
from netechod.client.ping.stamp.figures import crossing_text, delays_text, lines
from netechod.client.ping.tally import Event, Kind, Tally
from netechod.services.stamp.timestamps import PTP, error_estimate

MS = 1_000_000
GOOD = error_estimate(0.00031)
FREE = error_estimate(None)
DELAYS = [(1.02, 1.22), (0.81, 1.03), (1.21, 1.36)]


def run_of(
    delays: list[tuple[float, float]] = DELAYS, *, error: int = GOOD, ours: float | None = 0.00004
) -> Directions:
    """A run with these delays forward and backward, in milliseconds."""
    directions = Directions(ours)
    for number, (forward, backward) in enumerate(delays, 1):
        times = round(forward * MS), round(backward * MS), 87_000
        directions.note(Passage(number, *times, number - 1, error, 9, 11))
    return directions


def clocks_of(directions: Directions) -> str:
    """The line about the clocks."""
    return next(line for line in lines(directions, 0) if line.startswith("clocks: "))


def test_a_summary_has_the_directions_in_columns() -> None:
    tally = Tally(1.0)
    for forward, backward in DELAYS:
        tally.answered(tally.send(0.0), (forward + backward) / 1000, 44, 0)
    about = About("r1.example", "192.0.2.7", 862, "stamp", 44, 0.02)
    info = RunInfo(0.1, "kernel", None, 0, run_of())
    assert list(summary(about, tally, info, 0)) == [
        "--- r1.example 862/stamp ---",
        "3 sent, 3 received, 0 lost (0.0 %), 0 duplicated, 0 reordered, 0.1 s",
        "RTT ms       min 1.84  avg 2.22  p50 2.24  p90 2.57  p95 2.57  p99 2.57  max 2.57  mdev 0.298",
        "forward ms   min 0.810  avg 1.01  p50 1.02  p90 1.21  p95 1.21  p99 1.21  max 1.21  +- 0.351",
        "backward ms  min 1.03  avg 1.20  p50 1.22  p90 1.36  p95 1.36  p99 1.36  max 1.36  +- 0.351",
        "jitter ms    forward p50 0.210  p95 0.400  max 0.400   backward p50 0.190  p95 0.330  max 0.330",
        "0.087 ms in the reflector taken off (p99 0.087); 9 hops forward, 11 backward",
        "clocks: both synchronized, errors 0.311 and 0.040 ms; "
        "the reflector's is between 0.810 ahead and 1.03 behind",
    ]


def test_one_probe_has_no_jitter() -> None:
    assert not [line for line in lines(run_of(DELAYS[:1]), 0) if line.startswith("jitter")]


@pytest.mark.parametrize(
    ("error", "ours", "claim"),
    [
        (FREE, 0.001, "the reflector's is not synchronized: no absolute delays; it is"),
        (GOOD, None, "ours is not synchronized: no absolute delays; the reflector's is"),
        (FREE, None, "neither is synchronized: no absolute delays; the reflector's is"),
        (GOOD | PTP, 0.001, "the reflector's counts as PTP does: no absolute delays; it is"),
    ],
)
def test_where_no_delay_is_absolute_the_offset_is_bounded(error: int, ours: float | None, claim: str) -> None:
    ahead = run_of([(94.2, -92.3)], error=error, ours=ours)
    behind = run_of([(-92.3, 94.2)], error=error, ours=ours)
    about_zero = run_of([(1.0, 1.1)], error=error, ours=ours)
    assert clocks_of(ahead) == f"clocks: {claim} 92.3 to 94.2 ms ahead of ours"
    assert clocks_of(behind) == f"clocks: {claim} 92.3 to 94.2 ms behind ours"
    assert clocks_of(about_zero) == f"clocks: {claim} between 1.00 ahead and 1.10 behind"
    assert any(line.startswith("forward ms   above its least: p50 0.000  p90") for line in lines(ahead, 0))


def test_clocks_that_contradict_themselves_are_not_believed() -> None:
    text = clocks_of(run_of([(94.2, -92.3), (94.2, -92.3)], ours=0.00001, error=error_estimate(0.00003)))
    assert text.startswith(
        "clocks: both claim to be synchronized to 0.040 ms, but 2 packets came 92.3 ms before they left: "
        "not believed; "
    )


def test_errors_larger_than_the_delays_say_nothing_about_them() -> None:
    text = clocks_of(run_of([(1.0, 1.0)], ours=0.008, error=error_estimate(0.008)))
    assert text.startswith(
        "clocks: both synchronized, but errors of 16.1 ms say nothing about delays of 1.00 ms;"
    )


def test_clocks_that_drift_are_told() -> None:
    directions = run_of([(1.0, 1.0), (-9.0, 11.0), (11.0, -9.0)], error=FREE)
    assert clocks_of(directions).endswith("; the clocks drift, or were set")


def test_a_probe_is_told_with_its_way_and_what_has_changed_on_it() -> None:
    directions = run_of()
    crossing = directions.note(Passage(4, 1_020_000, 1_220_000, 87_000, 3, GOOD, 10, 12))
    assert delays_text(crossing) == ["forward 1.02", "backward 1.22"]
    assert crossing_text(crossing) == [
        "forward 1.02",
        "backward 1.22",
        "(reflector 0.087)",
        "9 hops -> 10",
        "11 hops back -> 12",
    ]


def test_each_direction_has_a_curve_where_both_have_room() -> None:
    directions = run_of()
    events = [
        Event(Kind.ANSWERED, number, 0.002, crossing=directions.note(Passage(number, *it, 0, 0, GOOD, 9, 9)))
        for number, it in enumerate([(1_000_000, 4_000_000), (2_000_000, 2_000_000)], 4)
    ]
    events.append(Event(Kind.LOST, 6))
    assert "".join(curves(events, 18, ascii_only=True)) == "   > _@!   < @_!"
    assert "".join(curves(events, 17, ascii_only=True)) == "   __!"
    assert "".join(curves(events, 6, ascii_only=True)) == ""
    assert "".join(curves(events[2:], 80, ascii_only=True)) == "   !"
