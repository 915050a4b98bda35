"""TCP echo with Twisted."""

import os
import socket

from twisted.internet import protocol, reactor


class Echo(protocol.Protocol):  # type: ignore[misc]  # Twisted is in the bench's environment only
    """One connection."""

    def dataReceived(self, data: bytes) -> None:
        """Echo it."""
        self.transport.write(data)


if __name__ == "__main__":
    os.set_blocking(3, False)
    reactor.adoptStreamPort(3, socket.AF_INET, protocol.Factory.forProtocol(Echo))
    reactor.run()
