"""TCP echo as it runs."""

import logging
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal

from netechod.errors import NetechodError
from netechod.process.control.status import Gauge
from netechod.process.service.identifying import identity, sessions
from netechod.process.service.running import Context, RunningService, Settings
from netechod.process.unix.handover import Incoming, Outgoing
from netechod.process.unix.rlimits import room_for
from netechod.reactor.tcp.accept_queue import TcpLimits
from netechod.reactor.tcp.api import StreamService
from netechod.reactor.tcp.models import WORKERS, model_of
from netechod.reactor.tcp.server import TcpServer
from netechod.services.admission.networks import is_in
from netechod.services.echo import echo_session

NAME = "echo-tcp"
READ_SIZE = 16 * 1024  # bytes of questions that wait while one is answered

log = logging.getLogger(__name__)


class Service(RunningService):
    """One server for all its listeners."""

    def __init__(self, context: Context, socks: Sequence[socket.socket]) -> None:
        """Raises NetechodError when the system cannot give what the model needs."""
        tcp = context.loaded.config.echo.tcp
        try:
            model = model_of(tcp.model, context.loop, NAME, pool_size=tcp.pool_size)
        except OSError as error:
            raise NetechodError(f"echo.tcp.model = {tcp.model} cannot be had: {error.strerror}") from None
        self._has_state = tcp.mode == "identify"
        self._server = TcpServer(context.loop, service_of(tcp.mode), socks, model=model)
        if context.hands_over and self._has_state:
            log.warning("TCP connections end at a restart: echo.tcp.mode = %s keeps none", tcp.mode)
        elif context.hands_over and not self.hands_over:
            log.warning("TCP connections end at a restart: echo.tcp.model = %s keeps none", tcp.model)

    def add(self, socks: Sequence[socket.socket]) -> None:
        """See RunningService."""
        self._server.listen(socks)

    @property
    def hands_over(self) -> bool:  # type: ignore[override] # a constant for services without connections
        """Whether mode and model can give connections away."""
        return self._server.hands_over and not self._has_state

    def apply(self, settings: Settings) -> None:
        """See RunningService."""
        tcp = settings.loaded.config.echo.tcp
        if tcp.model == "fork":  # a connection has one descriptor, and its child another
            connections = room_for(min(tcp.max_connections, WORKERS), each=2, others=settings.descriptors)
        else:
            connections = room_for(tcp.max_connections, others=settings.descriptors)
        self._server.configure(
            TcpLimits(
                connections=connections,
                connections_per_source=tcp.max_connections_per_source,
                idle_timeout=tcp.idle_timeout,
                admits=settings.rules.admits,
                is_proxy=is_in(tcp.proxy_protocol),
                is_quiet=is_in(settings.loaded.config.log.quiet),
            )
        )

    def counters(self) -> Mapping[str, int]:
        """See RunningService."""
        return asdict(self._server.counters)

    def gauges(self) -> Iterable[Gauge]:
        """See RunningService."""
        yield Gauge("connections", "TCP connections open now.", self._server.count)

    def report(self) -> Mapping[str, Any]:
        """See RunningService."""
        return {"connections": self._server.count}

    def summary(self) -> str:
        """See RunningService."""
        return f"echo {self._server.count} connections"

    def inherit(self, left: Incoming) -> None:
        """See RunningService."""
        while left.connections:
            self._server.adopt(*left.connections.pop(0))

    def leave_port(self) -> None:
        """See RunningService."""
        self._server.leave_port()

    def drain(self, drained: Callable[[], object], left: Outgoing | None) -> None:
        """See RunningService."""
        if left is None:
            self._server.drain(drained)
        else:
            self._server.hand_over(left.keep, drained)

    def close(self, until: float) -> None:
        """See RunningService: connections end at once."""
        self._server.close()


def service_of(mode: Literal["rfc862", "tutorial", "identify"]) -> StreamService:
    """Return the service for a mode. The session of an echo has no state: one serves all connections."""
    if mode == "identify":
        return StreamService(NAME, sessions(identity()), READ_SIZE)
    session = echo_session(mode)
    return StreamService(NAME, lambda wake: session)
