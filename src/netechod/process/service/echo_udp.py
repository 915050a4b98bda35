"""UDP echo as it runs."""

import socket
from collections.abc import Sequence

from netechod.process.service.datagrams import UdpService
from netechod.process.service.running import Context, Settings
from netechod.services.echo import EchoService


class Service(UdpService):
    """It answers trusted sources alone, unless it is public."""

    def __init__(self, context: Context, socks: Sequence[socket.socket]) -> None:
        super().__init__(context.datagrams, "echo-udp", socks, EchoService())

    def apply(self, settings: Settings) -> None:
        """See RunningService."""
        public = settings.loaded.config.echo.udp.public
        self.admission.configure(settings.rules, trusted_only=not public)
