"""The five ways to serve connections side by side, which decide only what becomes of an accepted one.

Datagrams, signals and timers stay on the loop under every model, and so do the limits, the counters and the
log. Only the loop can hand a connection to another process with what is owed on it: a worker has it in its
hands, and has to finish it.
"""

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from netechod.reactor.connection import Arrival, Connection, Server, TcpConnection
from netechod.reactor.forks import Forks
from netechod.reactor.loop import Loop
from netechod.reactor.threads import Pool, Threads

WORKERS = 1024  # threads or processes at once; beyond it newcomers wait in the backlog
STARTS = 4  # threads or processes started in one turn, a millisecond each; the rest wait one turn
QUEUE = 64  # accepted connections that wait for a thread of the pool; beyond it they wait in the backlog

ModelName: TypeAlias = Literal["select", "iterative", "fork", "thread", "pool"]


class Staff(Protocol):
    """Who serves connections."""

    def serve(self, server: Server, arrival: Arrival) -> Connection:
        """Begin to serve it. Raises OSError when the system has nothing left to do it with; then it waits."""
        ...

    def close(self) -> None:
        """Wait for whoever is still there; the connections are gone by now."""
        ...


@dataclass(frozen=True, slots=True)
class Model:
    """How connections are served."""

    staff: Staff
    places: int | None = None  # connections served at once; None: as many as the limits allow
    queue: int = 0  # connections accepted beyond those
    starts: int | None = None  # connections begun in one turn; None: they cost nothing to begin
    hands_over: bool = True  # whether a connection can go over to another process

    @property
    def room(self) -> int | None:
        """Connections that are accepted, those that wait for a place included; None: no limit of its own."""
        return None if self.places is None else self.places + self.queue


class OnTheLoop:
    """Serves every connection on the loop."""

    def serve(self, server: Server, arrival: Arrival) -> TcpConnection:
        """See Staff."""
        connection = TcpConnection(server, arrival)
        connection.settle()
        return connection

    def close(self) -> None:
        """See Staff: there is nobody."""


def model_of(name: ModelName, loop: Loop, *, pool_size: int = 3) -> Model:
    """The model of that name. Raises OSError when the system can not give what it needs."""
    match name:
        case "fork":
            return Model(Forks(loop), places=WORKERS, starts=STARTS, hands_over=False)
        case "thread":
            return Model(Threads(), places=WORKERS, starts=STARTS, hands_over=False)
        case "pool":
            return Model(Pool(pool_size), places=pool_size, queue=QUEUE, hands_over=False)
        case "iterative":
            return Model(OnTheLoop(), places=1)
    return Model(OnTheLoop())
