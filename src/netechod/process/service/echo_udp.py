"""UDP echo as it runs."""

import socket
from collections.abc import Sequence

from netechod.process.service.datagrams import Service as Answering
from netechod.process.service.datagrams import UdpService
from netechod.process.service.identifying import identity
from netechod.process.service.running import Context, Settings
from netechod.reactor.udp.measuring import MeasuringDatagramIO
from netechod.services.echo import EchoService
from netechod.services.identify import IdentifyService


class Service(UdpService):
    """It answers trusted sources alone, unless it is public."""

    def __init__(self, context: Context, socks: Sequence[socket.socket]) -> None:
        service: Answering = EchoService()
        if context.loaded.config.echo.udp.mode == "identify":
            self.make_io = MeasuringDatagramIO  # its payloads tell which address of ours was asked
            service = IdentifyService(identity(), MeasuringDatagramIO.address_of)
        super().__init__(context.datagrams, "echo-udp", socks, service)

    def apply(self, settings: Settings) -> None:
        """See RunningService."""
        public = settings.loaded.config.echo.udp.public
        self.admission.configure(settings.rules, trusted_only=not public)
