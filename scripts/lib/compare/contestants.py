"""The daemon under each of the models, and what it costs the machine."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from scripts.lib.bench.server import Server

NO_LIMIT = 1_000_000
SERVICES = ("echo-tcp", "echo-udp")


class Contestant(NamedTuple):
    """A model, and how the loop waits."""

    model: str
    selector: str = "epoll"

    @property
    def name(self) -> str:
        """As the tables have it."""
        return self.model if self.selector == "epoll" else f"{self.model}/{self.selector}"


class Cost(NamedTuple):
    """The resources of a daemon and its children at one moment."""

    memory: int  # bytes, PSS: what processes share is counted once
    processes: int
    threads: int


MODELS = [Contestant(model) for model in ("select", "iterative", "fork", "thread", "pool")]
SELECTORS = [Contestant("select", "poll"), Contestant("select", "select")]


@contextmanager
def serving(contestant: Contestant) -> Iterator[Server]:
    """The daemon, as it serves."""
    with TemporaryDirectory(prefix="netechod-compare-") as directory:
        home = Path(directory)
        settings = {
            "daemon.pidfile": home / "pid",
            "daemon.control": home / "control.sock",
            "daemon.selector": contestant.selector,
            "daemon.drain_timeout": 0,
            "log.directory": home / "log",
            "dictionary.enabled": "false",
            "chat.enabled": "false",
            "echo.tcp.model": contestant.model,
            "echo.tcp.max_connections_per_source": NO_LIMIT,
        }
        options = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        (home / "netechod.toml").touch()
        command = [sys.executable, "-m", "netechod", "-f", "-c", str(home / "netechod.toml"), *options]
        server = Server(command, SERVICES, home, None)
        try:
            server.start().wait_until_ready()
            yield server
        finally:
            server.stop()


def cost_of(server: Server) -> Cost:
    """Measure now. A process that ends meanwhile does not count."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text(encoding="ascii").split()
    memory = processes = threads = 0
    for pid in (server.pid, *children):
        with suppress(OSError, StopIteration):
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
            memory += 1024 * int(
                next(line for line in rollup.splitlines() if line.startswith("Pss:")).split()[1]
            )
            threads += len(list(Path(f"/proc/{pid}/task").iterdir()))
            processes += 1
    return Cost(memory, processes, threads)
