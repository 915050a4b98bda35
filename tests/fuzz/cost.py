"""The cost of an input: CPU time of this thread alone, so that other work does not count."""

import time

from fuzz.growing import shortened
from fuzz.target import Target

# Seconds. Machines differ, and tracing makes Python slower: only the growth of a cost tells what is linear.
LITTLE = 0.1  # is not looked into; all marks of a datagram, put in order by a library, take ten times as much
LIMIT = 2.5  # excuses no growth; the slowest honest input takes a thirtieth, or a sixth when it is traced
GROWTH = 8  # times the cost of a quarter: linear work takes 4 times as much, quadratic work 16 times
TRIES = 3  # what happens only once is not the input's own cost


def excess(target: Target, data: bytes) -> float:
    """Seconds of CPU for an input whose length does not explain them, and 0 for any other."""
    cost = 0.0
    for _ in range(TRIES):
        cost = once(target, data)
        if cost <= LITTLE or cost <= min(LIMIT, GROWTH * once(target, shortened(data))):
            return 0.0
    return cost


def once(target: Target, data: bytes) -> float:
    """Seconds of CPU for one input."""
    begun = time.thread_time()
    target(data)
    return time.thread_time() - begun
