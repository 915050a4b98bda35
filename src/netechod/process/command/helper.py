"""The helper process, which runs commands for the daemon.

Only the daemon starts it (see netechod.reactor.jobs.runner). Its standard input is a socket to the daemon.
Its argument holds the limits.
"""

import json
import os
import resource
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from signal import SIGCHLD, SIGHUP, SIGINT, SIGTERM

import netechod
from netechod.reactor.jobs.runner import Worker
from netechod.reactor.loop import Loop
from netechod.reactor.process_control import has_pidfd
from netechod.reactor.signals import SignalSource

NICE = 5  # commands run behind the daemon (nice(2)), so that they do not slow look-ups down
OPEN_FILES = 1024  # the limit that most programs expect

# Only our own library stands before Python's in the path, however the daemon was started.
_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); from netechod.process.command.helper import main; main()"
)


@dataclass(frozen=True)
class Limits:
    """Limits of a single command. 0: the limit of the daemon."""

    max_memory: int = 0  # bytes of data, of each process (RLIMIT_DATA, setrlimit(2))
    max_file_size: int = 0  # bytes of each file that it writes
    max_processes: int = 0  # processes and threads more than the machine has at the start of the helper


def helper_argv(limits: Limits) -> Sequence[str]:
    """Return the command line that starts the helper."""
    library = Path(netechod.__file__).parents[1]
    return (sys.executable, "-I", "-c", _PROGRAM, str(library), json.dumps(asdict(limits)))


def main() -> None:
    """Run commands until the daemon at the other end of standard input has gone."""
    sock = socket.socket(fileno=os.dup(0))
    loop = Loop()
    # Only the daemon may end us. Commands would inherit ignored signals: so, handlers that do nothing.
    deaf = (SIGHUP, SIGINT, SIGTERM)
    signals = SignalSource(*deaf, *(() if has_pidfd() else (SIGCHLD,)))
    settle(Limits(**json.loads(sys.argv[2])))
    worker = Worker(loop, sock)
    signals.deliver_to(loop, {**dict.fromkeys(deaf, lambda: None), SIGCHLD: worker.reap})
    worker.run()


def settle(limits: Limits) -> None:
    """Set the limits, which commands inherit."""
    with suppress(OSError):  # a sandbox may forbid it
        os.nice(NICE)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, OPEN_FILES)
    if limits.max_memory:
        _limit(resource.RLIMIT_DATA, limits.max_memory)
    if limits.max_file_size:
        _limit(resource.RLIMIT_FSIZE, limits.max_file_size)
    if limits.max_processes:
        _limit(resource.RLIMIT_NPROC, _tasks() + limits.max_processes)


def _limit(kind: int, value: int) -> None:
    """Lower the soft and the hard limit."""
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def _tasks() -> int:
    """Return the number of processes and threads on the machine. RLIMIT_NPROC counts those of our user."""
    try:
        load = Path("/proc/loadavg").read_text(encoding="ascii")
    except OSError:  # a sandbox hides the file, and other processes too
        return 0
    return int(load.split()[3].partition("/")[2])
