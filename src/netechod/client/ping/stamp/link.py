"""The link to a reflector: probes that leave with the highest TTL, and answers that tell both directions."""

import select
import time
from contextlib import suppress

from netechod.client import kernel
from netechod.client.kernel import RECEIVE_SIZE
from netechod.client.ping.links import Arrival, Datagrams
from netechod.client.ping.payload import RECENT
from netechod.client.ping.stamp.directions import Directions, Passage
from netechod.client.ping.stamp.probes import Probes, ProbeStyle, Reflection
from netechod.client.ping.tally import Crossing
from netechod.client.resolver import Address
from netechod.client.sockets import AS_USUAL, SocketOptions
from netechod.clock_error import clock_error
from netechod.services.stamp.timestamps import PTP, time_of

MOST_HOPS = 255  # TTL: what is missing when a packet arrives is the number of hops (RFC 4656, 4.1.2)
LONGEST_WAIT = 1.0  # seconds for the answer to the extra probe


class StampLink(Datagrams):
    """STAMP over UDP. The times of arrival are less the time that the reflector has kept the probe."""

    def __init__(self, address: Address, style: ProbeStyle, options: SocketOptions = AS_USUAL) -> None:
        self._ttl = options.ttl or MOST_HOPS
        self.directions: Directions = Directions(clock_error(), style.ssid, is_signed=style.key is not None)
        self._style = style
        self._probes = Probes(style, clock_error)
        self._sent: dict[int, tuple[int, int]] = {}  # when, by the wall clock, and its steps until then
        self._size = 0
        self._last = 0  # the number of the last probe
        port = style.source_port or options.source_port
        super().__init__(address, options._replace(ttl=self._ttl, tos=style.tos, source_port=port))
        self._number_of = self._probes.number_of

    def _open(self, address: Address) -> None:
        super()._open(address)
        kernel.ask_for_journeys(self._sock)

    def _make(self, number: int, size: int) -> bytes:
        self._last, self._size = number, size
        wall_ns = time.time_ns()
        self._sent[number] = wall_ns, self._receiver.steps
        if len(self._sent) > RECENT:
            del self._sent[next(iter(self._sent))]
        return self._probes.make(number, size, wall_ns)

    def _left(self, number: int, wall_ns: int) -> float:
        if number in self._sent:
            self._sent[number] = wall_ns, self._sent[number][1]
        return super()._left(number, wall_ns)

    def _read(self, received: kernel.Received) -> Arrival | None:
        reflection = self._probes.match(received.data)
        if reflection is None or reflection.is_extra:
            return None
        crossing = self._crossing(reflection, received)
        at = received.at if crossing is None else received.at - crossing.residence
        return Arrival(reflection.reading, at, received.by_kernel, crossing)

    def _crossing(self, reflection: Reflection, received: kernel.Received) -> Crossing | None:
        """Return what the answer tells by direction; None if its times are not to be believed."""
        answer, directions, number = reflection.answer, self.directions, reflection.reading.number
        directions.numbers.note(number, answer.number)
        directions.bytes = len(received.data)
        directions.has_copied_ssid = answer.ssid == self._style.ssid
        if received.tos is not None:
            directions.has_kept_dscp = received.tos >> 2 == self._style.tos >> 2
        sent_ns, steps = self._sent.get(number, (0, -1))
        if steps != self._receiver.steps:
            directions.stepped += 1
            return None
        is_ptp = bool(answer.error & PTP)
        arrived = time_of(answer.received, received.wall_ns, ptp=is_ptp)
        left = time_of(answer.sent, received.wall_ns, ptp=is_ptp)
        if not (answer.received and answer.sent) or not 0 <= left - arrived <= received.wall_ns - sent_ns:
            directions.untold += 1
            return None
        return directions.note(
            Passage(
                *(number, arrived - sent_ns, received.wall_ns - left, left - arrived, answer.number),
                answer.error,
                hops_forward=None if answer.ttl is None else self._ttl - answer.ttl,
                hops_backward=None if received.ttl is None else MOST_HOPS - received.ttl,
            )
        )

    def reveal(self) -> None:
        """Find out whether the reflector counts, if its numbers may be copies of ours.

        A probe that repeats a number tells it: a counting reflector does not repeat its own.
        """
        if self.directions.numbers.counts is not None or not self._last:
            return
        until = time.monotonic() + LONGEST_WAIT
        with suppress(OSError):
            self._sock.send(self._probes.make_extra(self._last, self._size, time.time_ns()))
            while (left := until - time.monotonic()) > 0 and self.directions.numbers.is_revealed is None:
                select.select([self._sock], [], [], left)
                self._take_revelation()

    def _take_revelation(self) -> None:
        """Look whether the extra probe has been answered."""
        for _ in kernel.reports(self._sock):  # they would wake us again
            pass
        with suppress(BlockingIOError):
            reflection = self._probes.match(self._sock.recv(RECEIVE_SIZE))
            if reflection is not None and reflection.is_extra:
                answer = reflection.answer
                self.directions.numbers.is_revealed = answer.number != answer.sender_number
