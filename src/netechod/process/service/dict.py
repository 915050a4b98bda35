"""The dictionary server (RFC 2229) as it runs."""

import secrets
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from netechod import __version__
from netechod.process.control.status import Gauge
from netechod.process.service.running import Context, RunningService, Settings
from netechod.process.unix.handover import Outgoing
from netechod.reactor.tcp.accept_queue import TcpLimits
from netechod.reactor.tcp.api import StreamService
from netechod.reactor.tcp.server import TcpServer
from netechod.services.admission.networks import is_in
from netechod.services.dict.server import DictServer, Terms
from netechod.services.dict.session import DictSession

NAME = "dict"
READ_SIZE = 16 * 1024  # bytes of commands that wait while one is answered
DENIED = b"530 access denied\r\n"
PATIENCE = 60.0  # seconds of silence after which a connection gives way to newcomers at the limit
FULL = b"420 too many connections\r\n"


class Service(RunningService):
    """It answers from the words in use. Its connections end at a restart, because clients connect anew."""

    def __init__(self, context: Context, socks: Sequence[socket.socket]) -> None:
        self._words = context.words
        self._loop = context.loop
        self._started = context.loop.now
        self._loaded = context.loaded
        self._dict = DictServer(lambda: self._words.databases, self._about)
        service = StreamService(NAME, self._new_session, READ_SIZE, denied=DENIED, busy=FULL)
        self._server = TcpServer(context.loop, service, socks)

    def add(self, socks: Sequence[socket.socket]) -> None:
        """See RunningService."""
        self._server.listen(socks)

    @property
    def descriptors(self) -> int:  # type: ignore[override] # a constant for other services
        """See RunningService."""
        return self._loaded.config.dict.max_connections

    def apply(self, settings: Settings) -> None:
        """See RunningService."""
        self._loaded = settings.loaded
        section = self._loaded.config.dict
        self._dict.terms = Terms(section.max_matches, section.default_strategy)
        self._server.configure(
            TcpLimits(
                connections=section.max_connections,
                connections_per_source=section.max_connections_per_source,
                idle_timeout=section.idle_timeout,
                idle_at_limit=PATIENCE,
                admits=settings.rules.admits,
                is_quiet=is_in(self._loaded.config.log.quiet),
            )
        )

    def _new_session(self, wake: object) -> DictSession:
        banner = f"220 netechod {__version__} <mime> <{secrets.token_hex(12)}@netechod>\r\n"
        return DictSession(self._dict, banner.encode())

    def _about(self) -> str:
        up = timedelta(seconds=int(self._loop.now - self._started))
        return f"netechod {__version__}, up {up}\n{self._loaded.texts.get('dict.information', '')}".rstrip()

    def counters(self) -> Mapping[str, int]:
        """See RunningService."""
        return {**asdict(self._server.counters), **self._dict.counters}

    def gauges(self) -> Iterable[Gauge]:
        """See RunningService."""
        yield Gauge("dict_connections", "Connections of DICT clients open now.", self._server.count)

    def report(self) -> Mapping[str, Any]:
        """See RunningService."""
        return {"dict_connections": self._server.count}

    def summary(self) -> str:
        """See RunningService."""
        return f"dict {self._server.count} connections"

    def leave_port(self) -> None:
        """See RunningService."""
        self._server.leave_port()

    def drain(self, drained: Callable[[], object], left: Outgoing | None) -> None:
        """See RunningService."""
        self._server.drain(drained)

    def close(self, until: float) -> None:
        """See RunningService."""
        self._server.close()
