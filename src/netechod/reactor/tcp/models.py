"""The five ways to serve connections side by side. A model begins where a connection has been accepted.

Under every model, datagrams, signals, timers, limits, counters and the log stay on the loop. Connections that
the loop drives can be handed to another process, with their unsent bytes. A connection that a worker drives
has to be finished by that worker.
"""

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from netechod.reactor.loop import Loop
from netechod.reactor.tcp.api import Connection, PendingConnection, Server
from netechod.reactor.tcp.processes import Forks
from netechod.reactor.tcp.talking import connection_of
from netechod.reactor.tcp.threads import Pool, Threads

WORKERS = 1024  # threads or processes at once; beyond it newcomers wait in the backlog
STARTS_PER_TURN = 4  # threads or processes started in one turn, some 1 ms each; the rest wait one turn
QUEUE = 64  # accepted connections that wait for a thread of the pool; beyond it they wait in the backlog

ModelName: TypeAlias = Literal["select", "iterative", "fork", "thread", "pool"]


class Driver(Protocol):
    """Serves accepted connections, by workers or on the loop."""

    def serve(self, server: Server, pending: PendingConnection) -> Connection:
        """Make the connection. A worker begins at once. Raises OSError if the system can start none."""
        ...

    def close(self) -> None:
        """Wait for the end of all workers. Their connections have ended already."""
        ...


@dataclass(frozen=True, slots=True)
class Model:
    """A driver, and how much it can serve."""

    driver: Driver
    max_active: int | None = None  # connections served at once; None: as many as the limits allow
    queue: int = 0  # connections that are accepted beyond those, and wait
    starts_per_turn: int | None = None  # connections begun in one turn; None: without limit, they are cheap
    hands_over: bool = True  # whether a connection can go over to another process

    @property
    def max_accepted(self) -> int | None:
        """The number of connections that may be open, including those that wait. None: no limit."""
        return None if self.max_active is None else self.max_active + self.queue


class OnTheLoop:
    """Serves every connection on the loop."""

    def serve(self, server: Server, pending: PendingConnection) -> Connection:
        """See Driver."""
        return connection_of(server, pending)

    def close(self) -> None:
        """See Driver. There are no workers."""


def model_of(name: ModelName, loop: Loop, service: str, *, pool_size: int = 3) -> Model:
    """Return the model called `name`, for a service. Raises OSError if the system cannot support it."""
    match name:
        case "fork":
            return Model(Forks(loop), max_active=WORKERS, starts_per_turn=STARTS_PER_TURN, hands_over=False)
        case "thread":
            return Model(Threads(), max_active=WORKERS, starts_per_turn=STARTS_PER_TURN, hands_over=False)
        case "pool":
            return Model(Pool(service, pool_size), max_active=pool_size, queue=QUEUE, hands_over=False)
        case "iterative":
            return Model(OnTheLoop(), max_active=1)
    return Model(OnTheLoop())
