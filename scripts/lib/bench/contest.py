"""How netechod is compared with a peer: neighbouring samples, and the median of their ratios."""

import statistics
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, Self

from scripts.lib.bench.server import Server, ServerError

HOME = "netechod"


class Tally(NamedTuple):
    """The counts of a generator in one window."""

    done: int  # questions that came back right
    lost: int  # that did not come back
    wrong: int  # that came back as something else
    seconds: float
    p50: float = 0.0  # microseconds within which half of them came back
    p99: float = 0.0
    silence: float = 0.0  # the longest time without an answer, in seconds


class Sample(NamedTuple):
    """One measurement of one contestant."""

    value: float  # a rate, bytes or milliseconds, as the trial says
    lost: int = 0
    wrong: int = 0
    cpu: float | None = None  # server CPU seconds per unit, where that is measured
    server_busy: float = 0.0  # share of the window in which it had the CPU
    generator_busy: float = 0.0
    p50: float = 0.0  # microseconds
    p99: float = 0.0
    silence: float = 0.0  # seconds


class Contestant(Protocol):
    """Something that can be measured again and again."""

    def warm_up(self) -> None:
        """Do once, unmeasured, what the first time takes longer. Raises ServerError."""
        ...

    def sample(self) -> Sample:
        """Measure once. Raises ServerError when it does not answer."""
        ...

    def close(self) -> None:
        """End the server, if it still runs."""
        ...


class Load(Protocol):
    """A generator: it asks one server, and checks every answer."""

    def run(self, seconds: float) -> Tally:
        """Ask for so long; everything asked is answered or given up when it returns."""
        ...

    def cpu_seconds(self) -> float:
        """CPU time that it has used."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class Racer:
    """A contestant measured by its rate: a server that keeps running, and the load on it."""

    def __init__(self, server: Server, load: Load, seconds: float, size: float) -> None:
        self.server = server
        self.load = load
        self._seconds = seconds
        self._size = size  # units in one answer: 1, or its MiB

    def warm_up(self) -> None:
        """See Contestant: until it has started, too."""
        self.sample()

    def sample(self) -> Sample:
        """See Contestant."""
        server, generator = self.server.cpu_seconds(), self.load.cpu_seconds()
        try:
            tally = self.load.run(self._seconds)
            server = self.server.cpu_seconds() - server
            generator = self.load.cpu_seconds() - generator
        except OSError as error:
            raise self.server.failure(error) from error
        if not tally.done:
            raise self.server.failure(f"no answer, {tally.lost} lost, {tally.wrong} wrong")
        units = tally.done * self._size
        return Sample(
            value=units / tally.seconds,
            lost=tally.lost,
            wrong=tally.wrong,
            cpu=server / units,
            server_busy=server / tally.seconds,
            generator_busy=generator / tally.seconds,
            p50=tally.p50,
            p99=tally.p99,
            silence=tally.silence,
        )

    def close(self) -> None:
        """See Contestant."""
        self.load.close()
        self.server.stop()


class Quartiles(NamedTuple):
    """The middle of a series, and how far its middle half reaches."""

    lower: float
    median: float
    upper: float

    @classmethod
    def of(cls, values: list[float]) -> Self:
        """Return the quartiles of `values`, of which there is at least one."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        return cls(*statistics.quantiles(values, n=4, method="inclusive"))


@dataclass
class Row:
    """One contestant's results. `ratios` are netechod's sample over this one's, pair by pair."""

    name: str
    samples: list[Sample] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    cpu_ratios: list[float] = field(default_factory=list)
    trouble: str = ""  # why there is no more of it

    def pair(self, home: Sample, away: Sample) -> None:
        """Add netechod's sample and the one that followed it."""
        self.samples.append(away)
        self.ratios.append(home.value / away.value)
        if home.cpu is not None and away.cpu:
            self.cpu_ratios.append(home.cpu / away.cpu)

    @property
    def lost(self) -> int:
        """Questions without an answer, in all samples."""
        return sum(sample.lost for sample in self.samples)

    @property
    def wrong(self) -> int:
        """Questions with another answer than the right one, in all samples."""
        return sum(sample.wrong for sample in self.samples)


def compete(contestants: Mapping[str, Contestant], pairs: int) -> list[Row]:
    """Netechod, a peer, netechod, the next peer, ..., `pairs` times. Who fails is out, with the reason."""
    rows = {name: Row(name) for name in contestants}
    home = rows[HOME]
    for name, contestant in contestants.items():
        with _noting_trouble(rows[name]):
            contestant.warm_up()
    for _ in range(pairs):
        for name, contestant in contestants.items():
            row = rows[name]
            if home.trouble or row.trouble or (row is home and len(rows) > 1):
                continue
            with _noting_trouble(home):
                home.samples.append(contestants[HOME].sample())
                if row is not home:
                    with _noting_trouble(row):
                        row.pair(home.samples[-1], contestant.sample())
    return list(rows.values())


@contextmanager
def _noting_trouble(row: Row) -> Iterator[None]:
    try:
        yield
    except ServerError as error:
        row.trouble = str(error)
