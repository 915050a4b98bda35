"""Descriptors: as many as the configuration needs, or fewer connections than it wants."""

import logging
from contextlib import suppress
from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit, setrlimit

RESERVE = 64  # kept from connections: for sockets, logs, netechoctl and a dictionary that is being read

log = logging.getLogger(__name__)


def room_for(connections: int, *, each: int = 1) -> int:
    """Return how many connections, up to `connections`, the limit allows at `each` descriptors a connection.

    RESERVE descriptors are kept for everything else. Our limit is raised as far as needed and allowed
    (getrlimit(2)). Beyond the number returned, connections wait in the backlog.
    """
    wanted = connections * each + RESERVE
    soft, hard = getrlimit(RLIMIT_NOFILE)
    if soft != RLIM_INFINITY and soft < wanted:
        with suppress(OSError):  # a sandbox may forbid even that
            setrlimit(RLIMIT_NOFILE, (wanted if hard == RLIM_INFINITY else min(wanted, hard), hard))
        soft, _ = getrlimit(RLIMIT_NOFILE)
    if soft == RLIM_INFINITY or soft >= wanted:
        return connections
    room = max(1, (soft - RESERVE) // each)
    log.warning(
        "echo.tcp.max_connections is %d, and %d descriptors are allowed: %d connections at once "
        "(raise LimitNOFILE= in the unit, or ulimit -n)",
        connections, soft, room,
    )  # fmt: skip
    return room
