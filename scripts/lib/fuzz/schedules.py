"""Schedules of faults for the chat over several nodes, on all processors."""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import repeat

from support.realm_world import Outcome, World

SECONDS = 60.0  # of virtual time in each schedule, before it becomes quiet
SHARE = 10  # schedules that a process is given at once


def outcome_of(seed: int, seconds: float = SECONDS) -> tuple[Outcome, str]:
    """Run one schedule. Return what has happened, and what did not hold."""
    world = World(seed)
    try:
        world.run(seconds)
    except AssertionError as error:
        return world.outcome, f"schedule {seed}: {error}"
    return world.outcome, ""


def run_all(first: int, count: int) -> int:
    """Run schedules and print what has happened. Status 1 when something did not hold."""
    total = Outcome()
    seeds = range(first, first + count)
    with ProcessPoolExecutor() as pool:
        run = map if count <= SHARE else partial(pool.map, chunksize=SHARE)
        outcomes = run(outcome_of, seeds, repeat(SECONDS))
        for outcome, trouble in outcomes:
            total.add(outcome)
            if trouble:
                pool.shutdown(wait=False, cancel_futures=True)
                print(trouble)
                print(f"repeat it: scripts/fuzz --schedules 1 --first {trouble.split()[1].rstrip(':')}")
                return 1
    print(f"{count:,} schedules hold: {total.faults.total():,} faults of {len(total.faults)} kinds,")
    print(
        f"{total.heard:,} lines heard, none twice, none out of order; "
        f"{total.missing:,} missing, all of them counted"
    )
    return 0
