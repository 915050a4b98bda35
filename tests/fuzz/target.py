"""Fuzz targets: functions that take an input apart, use it, and assert what has to hold for all of them.

A new one is a function in a module of `fuzz/targets`. The tests run it on a few hundred inputs, and
`scripts/fuzz` on as many as one wants:

    @target(words=[b"online"])
    def room(feed: Feed) -> None: ...

An input is up to as long as a datagram can be, and its CPU time is bounded. A target that takes a step for
each byte, or whose model is slow, sets a smaller `largest`: with more bytes it would only measure itself.
"""

import pkgutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

from fuzz import targets
from fuzz.feed import Feed

DATAGRAM = 65507  # bytes of the longest UDP payload over IPv4
STEPS = 4096  # bytes for a target that takes a step for each of them


@dataclass(frozen=True)
class Target:
    """One function to fuzz.

    `words` are pieces that inputs should contain. `seeds` are whole inputs to begin with. No input has more
    than `largest` bytes.
    """

    name: str
    summary: str
    run: Callable[[Feed], None]
    words: Sequence[bytes]
    seeds: Sequence[bytes]
    largest: int = DATAGRAM

    def __call__(self, data: bytes) -> None:
        """Run one input; what does not hold raises."""
        self.run(Feed(data))


_found: dict[str, Target] = {}


def target(
    words: Sequence[bytes] = (), seeds: Sequence[bytes] = (), largest: int = DATAGRAM
) -> Callable[[Callable[[Feed], None]], Target]:
    """Make a target of a function; its name is the function's, its summary the docstring's first line."""

    def made(run: Callable[[Feed], None]) -> Target:
        name = run.__name__.replace("_", "-")
        assert name not in _found, f"two targets are named {name}"
        summary = (run.__doc__ or "").partition("\n")[0]
        _found[name] = Target(name, summary, run, words, seeds, largest)
        return _found[name]

    return made


@cache
def all_targets() -> dict[str, Target]:
    """Every target by its name."""
    for module in pkgutil.iter_modules(targets.__path__):
        import_module(f"{targets.__name__}.{module.name}")
    return dict(sorted(_found.items()))


@cache
def scratch() -> Path:
    """A directory for the targets that need files; it goes when the process ends."""
    directory = tempfile.TemporaryDirectory(prefix="netechod-fuzz-")
    _kept.append(directory)
    return Path(directory.name)


_kept: list[tempfile.TemporaryDirectory[str]] = []
