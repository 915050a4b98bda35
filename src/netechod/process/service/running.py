"""A running service, as the rest of the daemon knows it: the same few verbs for each."""

import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from netechod.process.config.load import Loaded
from netechod.process.config.schema import Config
from netechod.process.control.status import Gauge, Presence, Status
from netechod.process.dictionary.in_use import Words
from netechod.process.unix.handover import Incoming, Outgoing
from netechod.reactor.loop import Loop
from netechod.reactor.udp.mmsg import BatchMemory
from netechod.services.admission.admission import Rules
from netechod.services.admission.rate_limit import Buckets


@dataclass(frozen=True)
class Shared:
    """What all datagram services share. A flood at one of them uses up the rate of its source at all."""

    loop: Loop
    memory: BatchMemory = field(default_factory=BatchMemory)
    buckets: Buckets = field(default_factory=Buckets)


@dataclass(frozen=True)
class Context:
    """What the daemon gives a service when it starts."""

    loop: Loop
    loaded: Loaded
    datagrams: Shared
    words: Words
    status: Callable[[], Status]
    renew_status: Callable[[], object]  # has the service manager show the present status
    hands_over: bool  # whether the service manager keeps descriptors over a restart


class Settings(NamedTuple):
    """What a service is given at the start and at each reload."""

    loaded: Loaded
    rules: Rules
    descriptors: int  # that the connections of the other services may take


class RunningService:
    """A service with its sockets. The verbs do nothing here: a service has those that it needs."""

    hands_over = True
    """Whether its connections, if it has any, can go over to the process after us."""

    descriptors = 0
    """Descriptors that its connections may take, beside those that other services leave."""

    @classmethod
    def prepare(cls, config: Config) -> None:
        """Do what has to come before the sockets are opened; it may wait. The daemon is not detached yet."""

    def add(self, socks: Sequence[socket.socket]) -> None:
        """Answer on further sockets, whose addresses could not be bound at the start. `apply` follows."""
        raise NotImplementedError

    def apply(self, settings: Settings) -> None:
        """Take over what the configuration says now."""

    def counters(self) -> Mapping[str, int]:
        """Return what has happened since the start, by name."""
        return {}

    def gauges(self) -> Iterable[Gauge]:
        """Return the present state in numbers."""
        return ()

    def report(self) -> Mapping[str, Any]:
        """Return its own keys of the status, and their values as JSON has them."""
        return {}

    def members(self) -> Sequence[Presence]:
        """Return its members, if it has such."""
        return ()

    def sessions(self) -> Sequence[Mapping[str, Any]]:
        """Return its sessions as JSON has them, if it has such."""
        return ()

    def summary(self) -> str:
        """Return its part of the line that `systemctl status` shows; empty for none."""
        return ""

    def complaints(self) -> Sequence[str]:
        """Return what the operator should know and mend, a sentence each."""
        return ()

    def inherit(self, left: Incoming) -> None:
        """Take what is its own out of the state that the process before us has left."""

    def leave_port(self) -> None:
        """Have other instances get what comes to its port from now on, and go on with what has come."""

    def leave(self, left: Outgoing) -> None:
        """Add its state to what the process after us inherits. It has no sockets any more."""

    def drain(self, drained: Callable[[], object], left: Outgoing | None) -> None:
        """Finish what is under way, then call `drained`. With `left`, leave connections there instead."""
        drained()

    def close(self, until: float) -> None:
        """Close its sockets. What has arrived may still be answered until then, by the loop's clock."""
