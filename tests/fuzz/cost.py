"""The cost of an input: CPU time of this thread alone, so that other work does not count."""

import time

from fuzz.target import Target

# Seconds. The slowest honest input takes a tenth of it to a third; work that is not linear takes seconds.
BOUND = 0.25
TRIES = 3  # of an input that costs too much: what happens only once is not its own cost


def cost_of(target: Target, data: bytes) -> float:
    """Seconds of CPU for one input; the least of some tries if it is too much. What does not hold raises."""
    cost = once(target, data)
    for _ in range(TRIES - 1):
        if cost > BOUND:
            cost = min(cost, once(target, data))
    return cost


def once(target: Target, data: bytes) -> float:
    """Seconds of CPU for one input."""
    begun = time.thread_time()
    target(data)
    return time.thread_time() - begun
