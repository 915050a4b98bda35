"""The metrics, and the status page for people, over HTTP, as they run."""

import logging
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from netechod.exposition import rendered
from netechod.process.control.metrics import registry_of
from netechod.process.control.status_page import StatusPage
from netechod.process.service.running import Context, RunningService, Settings
from netechod.process.unix.sockets import bound_to
from netechod.reactor.tcp.accept_queue import TcpLimits
from netechod.reactor.tcp.api import StreamService
from netechod.reactor.tcp.server import TcpServer
from netechod.services.http import MAX_HEAD, HttpSession, Render

PATH = "/metrics"
STATUS_PATH = "/"
MAX_SCRAPERS = 32  # connections at once; beyond it those that have been silent longest are closed
PATIENCE = 10.0  # seconds that a connection gets to ask, and to take each part of its answer

log = logging.getLogger(__name__)


class Service(RunningService):
    """Each scrape reads the status of its moment."""

    descriptors = MAX_SCRAPERS

    def __init__(self, context: Context, socks: Sequence[socket.socket]) -> None:
        """Raises ConfigError where prometheus-client is missing."""
        registry = registry_of(context.status)

        pages: dict[str, Render] = {
            PATH: lambda request: rendered(registry, request.accept),
            STATUS_PATH: StatusPage(context.status).render,
        }

        def new_session(wake: object) -> HttpSession:
            return HttpSession(pages.get)

        service = StreamService("metrics", new_session, read_size=MAX_HEAD, quiet=True)
        self._server = TcpServer(context.loop, service, ())
        self.add(socks)

    def add(self, socks: Sequence[socket.socket]) -> None:
        """See RunningService."""
        self._server.listen(socks)
        for sock in socks:
            log.info("serving metrics on http://%s%s", bound_to(sock), PATH)

    def apply(self, settings: Settings) -> None:
        """See RunningService."""
        self._server.configure(
            TcpLimits(MAX_SCRAPERS, MAX_SCRAPERS, PATIENCE, idle_at_limit=0.0, admits=settings.rules.admits)
        )

    def counters(self) -> Mapping[str, int]:
        """See RunningService."""
        return asdict(self._server.counters)

    def close(self, until: float) -> None:
        """See RunningService."""
        self._server.close()
