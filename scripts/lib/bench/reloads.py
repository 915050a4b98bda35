"""Reloads of large dictionaries under load: what clients, memory and patience notice of them.

Two windows on one running server make a pair: a quiet one, and one in which it reloads. Every pair yields
several figures, each of which is a trial of its own; the pairs are measured once for all of them.
"""

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from scripts.lib.bench.contest import HOME, Racer, Sample
from scripts.lib.bench.environment import compiled
from scripts.lib.bench.load import Generator
from scripts.lib.bench.server import Server
from scripts.lib.bench.stage import Stage
from scripts.lib.bench.trial import Trial

QUIET = f"{HOME}-quiet"
SIZES = {"770k": 770_000, "3m": 3_000_000}
PAIRS = 3
WINDOW = 6e-6  # seconds for each word, of both windows: a reload shall take less
SHORTEST = 0.5  # seconds of a window
PATIENCE = 120.0  # seconds for a reload that takes longer than its window
NOISE = 1.5  # times that the p99 of neighbouring windows differs when nothing happens
LOOK = 0.05  # seconds between two looks at the memory


@dataclass(frozen=True)
class Pair:
    """The result of two windows."""

    quiet: Sample
    loud: Sample
    seconds: float  # that the reload took
    growth: int  # bytes by which the server's memory has grown at most


class Figure:
    """One figure of each pair, as a contestant."""

    def __init__(self, pairs: Sequence[Pair], figure: Callable[[Pair], Sample]) -> None:
        self._figures = iter([figure(pair) for pair in pairs])

    def warm_up(self) -> None:
        """All is measured."""

    def sample(self) -> Sample:
        """See Contestant."""
        return next(self._figures)

    def close(self) -> None:
        """No server stays."""


class Watch:
    """Looks at a server's memory until it is asked by how much that has grown at most."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._before = self._most = server.anonymous()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def growth(self) -> int:
        """Bytes; no more is looked."""
        self._over.set()
        self._thread.join()
        return self._most - self._before

    def _look(self) -> None:
        while not self._over.wait(LOOK):
            self._most = max(self._most, self._server.anonymous())


@cache
def measured(stage: Stage, words: int, in_flight: int) -> Sequence[Pair]:
    """The pairs, of a dictionary of so many words, with so many questions on their way."""
    given, questions = stage.dictionary(words)
    dictionary = given.with_name(f"reloaded-{given.name}")
    shutil.copy(given, dictionary)
    settings = {"dictionary.index_from": 0}  # also at a small scale
    with ExitStack() as stack:
        server = stage.server(HOME, "dictionary", dictionary=dictionary, settings=settings).start()
        stack.callback(server.stop)
        server.wait_until_ready(PATIENCE)
        load = (min(in_flight, 16), in_flight, questions)
        generator = Generator(compiled() / "load_udp", server.addresses["dictionary"], load)
        stack.callback(generator.close)
        racer = Racer(server, generator, max(SHORTEST, stage.effort.scaled(words, 1) * WINDOW), 1.0)
        racer.warm_up()
        return [measure(racer, dictionary) for _ in range(min(PAIRS, stage.effort.pairs))]


def measure(racer: Racer, dictionary: Path) -> Pair:
    """A quiet window, and one in which the dictionary is loaded with one more word."""
    quiet = racer.sample()
    with dictionary.open("a", encoding="utf-8") as file:
        file.write(f"word-{time.monotonic_ns()}:新词\n")
    watch = Watch(racer.server)
    with ThreadPoolExecutor(1) as waiting:
        begun = time.monotonic()
        os.kill(racer.server.pid, signal.SIGHUP)
        reloaded = waiting.submit(_ready, racer.server)
        loud = racer.sample()
        seconds = reloaded.result() - begun
    return Pair(quiet, loud, seconds, watch.growth())


def _ready(server: Server) -> float:
    """When it has said that it is ready again."""
    server.wait_until_ready(PATIENCE)
    return time.monotonic()


def _trials(name: str, words: int, in_flight: int, title: str) -> Sequence[Trial]:
    """The rate and latency beside those of the quiet windows, and the figures with a limit."""

    def trial(suffix: str, what: str, unit: str, at_most: float, figure: Callable[[Pair], Sample]) -> Trial:
        def enter(stage: Stage, _: str) -> Figure:
            return Figure(measured(stage, words, in_flight), figure)

        return Trial(
            f"{name}-{suffix}", f"{title}: {what}", unit, enter, (), at_most=at_most, most_pairs=PAIRS
        )

    def either(stage: Stage, contestant: str) -> Figure:
        pairs = measured(stage, words, in_flight)
        return Figure(pairs, lambda pair: pair.quiet if contestant == QUIET else pair.loud)

    return (
        Trial(
            f"{name}-rate", f"{title}: look-ups meanwhile", "look-ups/s", either, (QUIET,), most_pairs=PAIRS
        ),
        trial(
            "silence",
            "longest silence beyond the quiet one's",
            "ms",
            5,
            lambda pair: Sample(1000 * (pair.loud.silence - pair.quiet.silence)),
        ),
        trial(
            "p99",
            "p99 over the quiet one's",
            "times",
            NOISE,
            lambda pair: Sample(pair.loud.p99 / pair.quiet.p99),
        ),
        trial("memory", "growth of the daemon", "MiB", 16, lambda pair: Sample(pair.growth / 2**20)),
        trial("time", "time that it takes", "s", 15, lambda pair: Sample(pair.seconds)),
    )


RELOADS = tuple(
    trial
    for name, words in SIZES.items()
    for trial in _trials(f"reload-{name}", words, 1, f"Reload, {words:,} words, one look-up in flight")
)
