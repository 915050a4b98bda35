"""When probes really left: the kernel tells it later than a call returns, and counts the datagrams."""

import socket
from collections import deque
from typing import NamedTuple

from netechod.client import kernel
from netechod.client.ping.payload import RECENT


class Departed(NamedTuple):
    """A probe has left, later than it was given to the kernel."""

    number: int
    at: float  # monotonic clock


class Departures:
    """The kernel's times of leaving, matched with the numbers of the probes."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._numbers: deque[int] = deque(maxlen=RECENT)  # of the probes that were sent last
        self._sent = 0
        kernel.ask_for_departures(sock)

    def note(self, number: int) -> None:
        """Note that a probe was sent."""
        self._numbers.append(number)
        self._sent += 1

    def restart(self) -> None:
        """Begin to count anew: after a call that failed, we may count otherwise than the kernel."""
        self._numbers.clear()
        self._sent = 0
        kernel.ask_for_departures(self._sock)

    def number_of(self, departure: kernel.Departure) -> int:
        """Return the number of the probe that has left; 0 if it is not known."""
        index = departure.place - (self._sent - len(self._numbers))
        return self._numbers[index] if 0 <= index < len(self._numbers) else 0
