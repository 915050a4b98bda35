"""The five ways to serve connections side by side. They decide only what becomes of an accepted connection.

Datagrams, signals and timers stay on the loop under every model, and so do the limits, the counters and the
log. Only connections that the loop drives can be handed to another process, with what is owed on them. A
connection that a worker drives has to be finished by that worker.
"""

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from netechod.reactor.loop import Loop
from netechod.reactor.tcp.api import Connection, PendingConnection, Server
from netechod.reactor.tcp.processes import Forks
from netechod.reactor.tcp.talking import connection_of
from netechod.reactor.tcp.threads import Pool, Threads

WORKERS = 1024  # threads or processes at once; beyond it newcomers wait in the backlog
STARTS_PER_TURN = 4  # threads or processes started in one turn, a millisecond each; the rest wait one turn
QUEUE = 64  # accepted connections that wait for a thread of the pool; beyond it they wait in the backlog

ModelName: TypeAlias = Literal["select", "iterative", "fork", "thread", "pool"]


class Driver(Protocol):
    """Makes connections that are served, by workers or on the loop."""

    def serve(self, server: Server, pending: PendingConnection) -> Connection:
        """Make a connection; a worker begins at once. Raises OSError when the system has none to offer."""
        ...

    def close(self) -> None:
        """Wait for the workers that are still there; their connections have gone."""
        ...


@dataclass(frozen=True, slots=True)
class Model:
    """How connections are served."""

    driver: Driver
    max_active: int | None = None  # connections served at once; None: as many as the limits allow
    queue: int = 0  # connections accepted beyond those
    starts_per_turn: int | None = None  # connections begun in one turn; None: to begin one costs nothing
    hands_over: bool = True  # whether a connection can go over to another process

    @property
    def max_accepted(self) -> int | None:
        """Connections accepted at once, those that wait for a place included; None: no limit of its own."""
        return None if self.max_active is None else self.max_active + self.queue


class OnTheLoop:
    """Serves every connection on the loop."""

    def serve(self, server: Server, pending: PendingConnection) -> Connection:
        """See Staff."""
        return connection_of(server, pending)

    def close(self) -> None:
        """See Staff: there are no workers."""


def model_of(name: ModelName, loop: Loop, service: str, *, pool_size: int = 3) -> Model:
    """Return the model called `name`, for a service. Raises OSError when the system lacks what it needs."""
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
