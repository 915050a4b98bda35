"""The table of services: a row each. Sockets, conflicts, status, metrics and the service manager go by it."""

from collections.abc import Iterator
from operator import attrgetter
from typing import Any, Literal, NamedTuple

from netechod.process.config.schema import Config


class Listener(NamedTuple):
    """A service that listens."""

    name: str  # in counters, logs and status, and as FileDescriptorName= of its socket unit
    kind: Literal["tcp", "udp"]
    key: str  # its section of the configuration, which has `enabled` and `listen`
    module: str  # the file that runs it; it is imported only if the service is on
    shares: bool = True  # whether instances may share its addresses (daemon.reuse_port)
    alone: str = ""  # why there may be only one instance of it; empty: there may be several
    joined: bool = False  # whether the bus makes one of several instances

    def section(self, config: Config) -> Any:  # noqa: ANN401 (each service has a section of its own)
        """Return its section."""
        return attrgetter(self.key)(config)

    def why_alone(self, config: Config) -> str:
        """Return why there may be only one instance with this configuration; empty: there may be several."""
        return "" if self.joined and config.bus.url else self.alone


_RUNS = "netechod.process.service"
LISTENERS: tuple[Listener, ...] = (
    Listener("echo-tcp", "tcp", "echo.tcp", f"{_RUNS}.echo_tcp"),
    Listener("echo-udp", "udp", "echo.udp", f"{_RUNS}.echo_udp"),
    Listener("dictionary", "udp", "dictionary", f"{_RUNS}.dictionary"),
    Listener("dict", "tcp", "dict", f"{_RUNS}.dict"),
    Listener(
        "chat",
        "udp",
        "chat",
        f"{_RUNS}.chat",
        alone="a room over several instances needs the bus",
        joined=True,
    ),
    Listener(
        "command",
        "udp",
        "command",
        f"{_RUNS}.command",
        alone="another instance would run a repeated request again",
    ),
    Listener("stamp", "udp", "stamp", f"{_RUNS}.stamp"),
    Listener("metrics", "tcp", "metrics", f"{_RUNS}.metrics", shares=False),
)


def listeners() -> dict[str, Listener]:
    """Return the rows by name."""
    return {listener.name: listener for listener in LISTENERS}


def enabled(config: Config) -> Iterator[Listener]:
    """Return the services that are on."""
    return (listener for listener in LISTENERS if listener.section(config).enabled)
