"""A link without a network, for the tests of what is done with probes."""

import select
import socket
import time
from collections.abc import Iterator

from netechod.client.ping.links import Arrival, LinkEvent, ProbeError
from netechod.client.ping.payload import Reading
from netechod.client.ping.stamp.directions import Directions
from netechod.client.resolver import Address


class StubLink:
    """A link without a network: what is too large is lost at once, the rest comes back at once."""

    def __init__(self, largest: int = 65507, losses: int = 0, stall: float = 0.0) -> None:
        self.unmatched = 0
        self.redirected: Address | None = None
        self.connect_seconds: float | None = None
        self.directions: Directions | None = None
        self.sizes: list[int] = []
        self.times: list[float] = []  # when probes were sent
        self._stall = stall  # seconds that sending the third one takes
        self._largest = largest
        self._losses = losses  # of each size that is not too large
        self._arrivals: list[Arrival] = []
        self._always_readable, self._full = socket.socketpair()
        self._full.send(b"!")

    def fileno(self) -> int:
        """Return a descriptor that is always readable."""
        return self._always_readable.fileno()

    def wants_to_write(self) -> bool:
        """Never."""
        return False

    def send(self, number: int, size: int) -> ProbeError | None:
        """Send a probe."""
        self.sizes.append(size)
        self.times.append(time.monotonic())
        if len(self.sizes) == 3:
            select.select([], [], [], self._stall)
        if size > self._largest or self.sizes.count(size) <= self._losses:
            return ProbeError(number, "timeout")
        self._arrivals.append(Arrival(Reading(number, size, 0), time.monotonic(), True))
        return None

    def events(self) -> Iterator[LinkEvent]:
        """The answers."""
        while self._arrivals:
            yield self._arrivals.pop()

    def give_up(self) -> bool:
        """Each probe has a fate of its own."""
        return False

    def redirect(self, address: Address) -> None:
        """Note where the server is now."""
        self.redirected = address

    def close(self) -> None:
        """Free the sockets."""
        self._always_readable.close()
        self._full.close()
