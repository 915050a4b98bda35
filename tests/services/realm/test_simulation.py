"""Several nodes and a log that misbehaves, on a virtual clock: some schedules of faults.

`scripts/fuzz --schedules N` runs as many as one wants.
"""

from support.realm_world import run_schedules

SECONDS = 30.0  # of each schedule, before it becomes quiet


def test_whatever_goes_wrong_nothing_is_heard_twice_or_missing_unnoticed_and_all_know_who_is_there() -> None:
    outcome = run_schedules(range(6), seconds=SECONDS, longest=20.0)
    assert outcome.heard > 500
    assert len(outcome.faults) > 10


def test_when_all_is_well_nothing_is_missing() -> None:
    outcome = run_schedules([1], seconds=SECONDS, longest=0.0, faults=0.0)
    assert outcome.heard > 100
    assert (outcome.missing, outcome.late_causes) == (0, 0)
