"""Raises the limit on descriptors as far as needed, or lowers the number of connections to fit it."""

import logging
from contextlib import suppress
from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit, setrlimit

RESERVE = 64  # descriptors kept for sockets, logs, netechoctl and the dictionary file

log = logging.getLogger(__name__)


def room_for(connections: int, *, each: int = 1, others: int = 0) -> int:
    """Return how many connections, up to `connections`, the descriptor limit allows.

    A connection takes `each` descriptors. RESERVE and `others` are kept for everything else: without them, a
    reload and a new log file would fail. The soft limit is raised as far as needed and allowed
    (getrlimit(2)).
    """
    reserve = RESERVE + others
    wanted = connections * each + reserve
    soft, hard = getrlimit(RLIMIT_NOFILE)
    if soft != RLIM_INFINITY and soft < wanted:
        with suppress(OSError):  # a sandbox may forbid it
            setrlimit(RLIMIT_NOFILE, (wanted if hard == RLIM_INFINITY else min(wanted, hard), hard))
        soft, _ = getrlimit(RLIMIT_NOFILE)
    if soft == RLIM_INFINITY or soft >= wanted:
        return connections
    room = max(1, (soft - reserve) // each)
    log.warning(
        "echo.tcp.max_connections is %d, and %d descriptors are allowed: %d connections at once "
        "(raise LimitNOFILE= in the unit, or ulimit -n)",
        connections, soft, room,
    )  # fmt: skip
    return room
