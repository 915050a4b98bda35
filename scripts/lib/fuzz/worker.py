"""One target under atheris: python -m scripts.lib.fuzz.worker TARGET DIRECTORY [libFuzzer's arguments].

The inputs that took the most CPU time are kept in DIRECTORY, the slowest one as `0`. Instrumented code is
slow: the cost of these inputs is measured once more without it.
"""

import random
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["netechod"]):
    from fuzz.cost import once
    from fuzz.growing import grown
    from fuzz.target import Target, all_targets

    TARGETS = all_targets()

KEPT = 5  # inputs
GROWTH = 16  # one of so many new inputs is another one that has grown


class Stopwatch:
    """Runs a target, and keeps the slowest inputs."""

    def __init__(self, target: Target, directory: Path) -> None:
        self._target = target
        self._directory = directory
        self._slowest: list[tuple[float, bytes]] = []

    def __call__(self, data: bytes) -> None:
        """Run one input."""
        cost = once(self._target, data)
        if len(self._slowest) < KEPT or cost > self._slowest[-1][0]:
            self._slowest = sorted([*self._slowest, (cost, data)], reverse=True)[:KEPT]
            for number, (_, slow) in enumerate(self._slowest):  # now: atheris ends without a last word
                (self._directory / str(number)).write_bytes(slow)


def mutated(data: bytes, size: int, seed: int) -> bytes:
    """Another input of up to `size` bytes: of the fuzzer's kinds, or one that repeats a piece many times."""
    rng = random.Random(seed)  # noqa: S311 (nobody is to guess it)
    if rng.randrange(GROWTH):
        return bytes(atheris.Mutate(data, size))
    return grown(data, size, rng)


if __name__ == "__main__":
    name, directory, *arguments = sys.argv[1:]
    atheris.Setup(
        [sys.argv[0], *arguments], Stopwatch(TARGETS[name], Path(directory)), custom_mutator=mutated
    )
    atheris.Fuzz()
