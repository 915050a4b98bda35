"""The four loads, each on a daemon of its own: nothing that one has left behind slows the next."""

from collections.abc import Callable, Sequence
from statistics import median_low
from typing import NamedTuple

from scripts.lib.bench.server import Server
from scripts.lib.compare.contestants import Contestant, cost_of, serving
from scripts.lib.compare.crowd import Crowd, Tally, percentile

LONG = 1000  # messages of a connection that lives long; one that lives shortly has a single one
PACE = 2000.0  # messages a second over all clients, which every model can answer
SLICE, QUIET = 0.2, 3  # seconds, and how many such times nobody new is answered in a crowd that has settled
WARM_UP_LIMIT = 30.0  # seconds
FLOWS = ("flat", "paced", "slow", "visits")


class Flow(NamedTuple):
    """A load's figures. Times in seconds."""

    rate: float
    median: float
    p99: float
    answered: int
    wrong: int
    lost: int


class Result(NamedTuple):
    """One contestant at one number of connections."""

    contestant: str
    connections: int
    flat: Flow  # long-lived connections, as fast as answers come
    paced: Flow  # the same at PACE
    slow: Flow  # the same with a slow reader among them
    visits: Flow  # connect, one echo, close, as fast as they go
    udp_p99: float  # of UDP echo, beside `flat`
    memory: int
    processes: int
    threads: int


def flow_of(tally: Tally) -> Flow:
    """The figures."""
    waited = tally.waited
    middle, late = percentile(waited, 50), percentile(waited, 99)
    return Flow(tally.rate, middle, late, tally.answered, tally.wrong, tally.lost)


def measured(contestant: Contestant, connections: int, seconds: float) -> Result:
    """Measure one contestant under each kind of load."""

    def load(messages: int, measure: Callable[[Crowd, Server], Tally], *, slow: bool = False) -> Tally:
        with serving(contestant) as server:
            addresses = server.addresses
            crowd = Crowd(addresses["echo-tcp"], addresses["echo-udp"], connections, messages)
            try:
                if slow:
                    crowd.let_a_slow_reader_in()
                return measure(crowd, server)
            finally:
                crowd.close()

    costs = []

    def flat_out(crowd: Crowd, server: Server) -> Tally:
        settle(crowd)
        return crowd.run(seconds)

    def at_a_pace(crowd: Crowd, server: Server) -> Tally:
        settle(crowd)
        tally = crowd.run(seconds, PACE)
        costs.append(cost_of(server))
        return tally

    def visiting(crowd: Crowd, server: Server) -> Tally:
        return crowd.run(seconds)

    flat = load(LONG, flat_out)
    return Result(
        contestant.name,
        connections,
        flow_of(flat),
        flow_of(load(LONG, at_a_pace)),
        flow_of(load(LONG, at_a_pace, slow=True)),
        flow_of(load(1, visiting)),
        percentile(flat.probed, 99),
        *costs[0],
    )


def merged(passes: Sequence[Result]) -> Result:
    """The medians of what several passes have measured; what was wrong or lost in any of them counts."""
    return Result(
        passes[0].contestant,
        passes[0].connections,
        flat=_merged_flow([result.flat for result in passes]),
        paced=_merged_flow([result.paced for result in passes]),
        slow=_merged_flow([result.slow for result in passes]),
        visits=_merged_flow([result.visits for result in passes]),
        udp_p99=median_low(result.udp_p99 for result in passes),
        memory=median_low(result.memory for result in passes),
        processes=median_low(result.processes for result in passes),
        threads=median_low(result.threads for result in passes),
    )


def _merged_flow(flows: Sequence[Flow]) -> Flow:
    middle = Flow(*(median_low(column) for column in zip(*flows, strict=True)))
    return middle._replace(wrong=sum(flow.wrong for flow in flows), lost=sum(flow.lost for flow in flows))


def settle(crowd: Crowd) -> None:
    """Let everybody in who gets in: threads and processes are made now, and not while we measure."""
    left, quiet = WARM_UP_LIMIT, 0
    while crowd.known < crowd.clients and quiet < QUIET and left > 0:
        before = crowd.known
        left -= crowd.run(SLICE, PACE).seconds
        quiet = quiet + 1 if crowd.known == before else 0
