"""All services: started by their rows in the table, and then spoken to by the same verbs."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import Any

from netechod.process.config.listeners import Listener, listeners
from netechod.process.config.load import Loaded
from netechod.process.control.status import Gauge, Presence
from netechod.process.listeners import Socket, Sockets
from netechod.process.service.running import Context, RunningService, Settings
from netechod.process.service.settings import rules_of
from netechod.process.unix.handover import Incoming, Outgoing, reset
from netechod.reactor.port_sharing import SETTLING

DRAIN_PATIENCE = 1.0  # seconds in which UDP services answer what has arrived when the daemon stops


def service_class(listener: Listener) -> type[RunningService]:
    """Import the file of a service, and return its class."""
    found: type[RunningService] = import_module(listener.module).Service
    return found


class Services:
    """The services that have sockets, in the order of the table."""

    def __init__(self, context: Context, sockets: Sockets) -> None:
        self._context = context
        self._sockets = sockets
        self._running: dict[str, RunningService] = {}
        for name in sockets.by_service:
            self._start(name)
        self.apply(context.loaded)

    def add(self, name: str, sock: Socket, sockets: Sockets, loaded: Loaded) -> None:
        """Serve on a socket whose address was taken at the start. It is one of `sockets`."""
        self._sockets = sockets
        if name in self._running:
            self._running[name].add([sock])
        else:
            self._start(name)
        self.apply(loaded)

    def _start(self, name: str) -> None:
        start: Callable[..., RunningService] = service_class(listeners()[name])
        self._running[name] = start(self._context, self._sockets.of(name))
        self._running = {row: self._running[row] for row in listeners() if row in self._running}

    def apply(self, loaded: Loaded) -> None:
        """Give the services the settings that can change while they run."""
        config = loaded.config
        self._drain_timeout = config.daemon.drain_timeout
        self._context.datagrams.buckets.configure(rate=config.access.rate, burst=config.access.burst)
        kinds = {name: listener.kind for name, listener in listeners().items()}
        rules = rules_of(config, [at.port for name, at in self._sockets.bound if kinds[name] == "udp"])
        descriptors = sum(service.descriptors for service in self._running.values())
        for service in self._running.values():
            service.apply(Settings(loaded, rules, descriptors - service.descriptors))

    @property
    def hands_over(self) -> bool:
        """Whether all connections can go over to the process after us."""
        return all(service.hands_over for service in self._running.values())

    def counters(self) -> dict[str, Mapping[str, int]]:
        """Return the counters by service."""
        return {name: service.counters() for name, service in self._running.items()}

    def gauges(self) -> list[Gauge]:
        """Return the numbers that rise and fall."""
        return [gauge for service in self._running.values() for gauge in service.gauges()]

    def reports(self) -> dict[str, object]:
        """Return the services' own keys of the status."""
        return {key: value for service in self._running.values() for key, value in service.report().items()}

    def summaries(self) -> list[str]:
        """Return the services' parts of the status line."""
        return list(filter(None, (service.summary() for service in self._running.values())))

    def complaints(self) -> list[str]:
        """Return what the operator should know and mend, a sentence each."""
        return [sentence for service in self._running.values() for sentence in service.complaints()]

    def members(self) -> Sequence[Presence]:
        """Return the members of all services."""
        return [member for service in self._running.values() for member in service.members()]

    def sessions(self) -> Sequence[Mapping[str, Any]]:
        """Return the sessions of all services."""
        return [session for service in self._running.values() for session in service.sessions()]

    def inherit(self, incoming: Incoming) -> None:
        """Take over the connections and members of the process before us."""
        for service in self._running.values():
            service.inherit(incoming)
        for sock, unsent in incoming.connections:  # the service that they belonged to is off now
            if unsent:
                reset(sock)
            else:
                sock.close()

    def drain(self, drained: Callable[[], object], outgoing: Outgoing | None) -> None:
        """Have every service finish what is under way, or leave it to the `outgoing`; then call `drained`.

        UDP goes on until then, so that a look-up waits no longer than the restart takes.
        """
        if self._context.loaded.config.daemon.reuse_port:
            for name, service in self._running.items():
                if name not in self._sockets.passed:
                    service.leave_port()
            loop = self._context.loop
            loop.call_at(loop.now + SETTLING, partial(self._drain, drained, outgoing))
        else:
            self._drain(drained, outgoing)

    def _drain(self, drained: Callable[[], object], outgoing: Outgoing | None) -> None:
        busy = set(self._running)

        def over(name: str) -> None:
            busy.discard(name)
            if not busy:
                drained()

        for name, service in tuple(self._running.items()):
            service.drain(partial(over, name), outgoing)
        if not self._running:
            drained()

    def leave(self, outgoing: Outgoing) -> None:
        """Leave what the services know to the process after us."""
        for service in self._running.values():
            service.leave(outgoing)

    def close(self) -> None:
        """Close everything. UDP has DRAIN_PATIENCE for what has arrived, or the drain timeout if shorter."""
        until = self._context.loop.clock() + min(self._drain_timeout, DRAIN_PATIENCE)
        for service in self._running.values():
            service.close(until)
