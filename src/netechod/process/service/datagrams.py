"""A datagram service as it runs: its sockets, behind its admission."""

import logging
import socket
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Protocol

from netechod.process.service.running import RunningService, Settings, Shared
from netechod.reactor.udp.endpoint import UdpEndpoint
from netechod.reactor.udp.error_queue import Destination, ErrorQueue
from netechod.reactor.udp.mmsg import MmsgDatagramIO
from netechod.reactor.udp.outbox import ServiceOutbox
from netechod.reactor.udp.socket_group import SocketGroup, group_address_of
from netechod.services.admission.admission import AddressOf, Admission
from netechod.services.admission.log_throttle import LogThrottle
from netechod.services.api import DatagramService, Outbox, Peer

log = logging.getLogger(__name__)


class Service(DatagramService, Protocol):
    """A datagram service that counts, by reason, the datagrams that it does not answer."""

    dropped: Counter[str]


class Membership(Protocol):
    """A service that also speaks unasked. It is told when nobody listens any more."""

    def is_member(self, destination: Destination) -> bool:
        """Return whether the service speaks to this place."""
        ...

    def unreachable(self, destinations: Collection[Destination], now: float, out: Outbox) -> None:
        """Learn that nobody listens at these places."""
        ...


class UdpService(RunningService):
    """A datagram service as it runs: its admission, and the sockets that it answers on.

    A service with members may send from any of its sockets at any time. If it can have several, they form a
    group. Any other service answers on the socket that was asked.
    """

    make_io: type[MmsgDatagramIO] = MmsgDatagramIO

    grouped = False
    """Whether its sockets form a group."""

    def __init__(
        self,
        shared: Shared,
        name: str,
        socks: Sequence[socket.socket],
        service: Service,
        members: Membership | None = None,
    ) -> None:
        self._loop = shared.loop
        self._name = name
        self._service = service
        self._members = members
        self._throttle = LogThrottle()
        self._memory = shared.memory
        address_of = address_of_peers(grouped=self.grouped)
        self.admission = Admission(service, address_of, buckets=shared.buckets, on_drop=self._on_drop)
        self._group = SocketGroup(shared.loop, self.admission) if self.grouped else None
        self._peer_sizes: list[int] = []
        self.endpoints: list[UdpEndpoint] = []
        self.add(socks)

    def add(self, socks: Sequence[socket.socket]) -> None:
        """See RunningService."""
        for sock in socks:
            io = self.make_io(sock, self._memory)
            self._peer_sizes.append(io.peer_size)
            errors = self._error_queue(sock)
            if self._group is not None:
                endpoint = self._group.add(sock, io, errors)
            else:
                endpoint = UdpEndpoint(self._loop, sock, io, self.admission, errors)
            endpoint.on_dropped = self._on_dropped
            self.endpoints.append(endpoint)

    @property
    def _out(self) -> ServiceOutbox:
        """Where the service speaks unasked."""
        return self._group or self.endpoints[0]

    def _error_queue(self, sock: socket.socket) -> ErrorQueue | None:
        """Return the error queue of a socket whose service has members."""
        if self._members is None:
            return None
        return ErrorQueue(self._loop, sock, self._members.is_member, partial(self._on_refused, self._members))

    def _on_refused(self, members: Membership, destinations: Collection[Destination]) -> None:
        members.unreachable(destinations, self._loop.now, self._out)
        self.keep_time()

    def _on_drop(self, address: str, reason: str) -> None:
        fields = {"event": "drop", "service": self._name, "peer": address}
        log.warning("%s drops datagrams from %s: %s", self._name, address, reason, extra=fields)

    def _on_dropped(self, count: int) -> None:
        """Warn of answers that the kernel did not take in time."""
        if self._throttle.admits(self._loop.now):
            log.warning(
                "%s: the kernel takes no answers, %d of them dropped: see whether those who ask are there "
                "(ip neigh: FAILED), the network keeps up, and the send buffer is 4 MiB (ss -uam)",
                *(self._name, count),
                extra={"event": "blocked", "service": self._name},
            )

    def written(self, peer: Peer) -> str:
        """Return the peer as a text that `read` understands, in this process or in the next one."""
        number, own = peer if isinstance(peer, tuple) else (0, peer)
        return f"{number}:{own.hex()}" if isinstance(own, bytes) else ""

    def read(self, text: str) -> Peer | None:
        """Return the peer that was written, or None when it fits none of our sockets."""
        first, _, rest = text.partition(":")
        try:
            number, peer = int(first), bytes.fromhex(rest)
        except ValueError:
            return None
        if not 0 <= number < len(self._peer_sizes) or len(peer) != self._peer_sizes[number]:
            return None
        return peer if self._group is None else (number, peer)

    def apply(self, settings: Settings) -> None:
        """See RunningService."""
        self.admission.configure(settings.rules)

    def counters(self) -> Mapping[str, int]:
        """Return the counters of all its sockets together, and the number of drops by reason."""
        total: Counter[str] = Counter()
        for endpoint in self.endpoints:
            total.update(asdict(endpoint.counters))
            total["kernel_dropped"] += endpoint.kernel_drops
        for reason, count in (self.admission.dropped + self._service.dropped).items():
            total[f"dropped_{reason}"] = count
        return total

    @property
    def queued(self) -> int:
        """The number of datagrams that wait to be sent."""
        return sum(endpoint.queued for endpoint in self.endpoints)

    def gather(self, pause: float) -> None:
        """See UdpEndpoint."""
        for endpoint in self.endpoints:
            endpoint.gather(pause)

    def stop_receiving(self) -> None:
        """See UdpEndpoint."""
        for endpoint in self.endpoints:
            endpoint.stop_receiving()

    def leave_port(self) -> None:
        """See RunningService."""
        for endpoint in self.endpoints:
            endpoint.leave_port()

    def close(self, until: float) -> None:
        """See RunningService."""
        for endpoint in self.endpoints:
            endpoint.drain(until)

    def keep_time(self) -> None:
        """Ask the service again when its next deadline is."""
        for endpoint in self.endpoints:
            endpoint.set_timer()


def address_of_peers(*, grouped: bool) -> AddressOf:
    """Return what reads the address of a peer of a group, or of a single socket."""
    address_of = MmsgDatagramIO.address_of
    return group_address_of(address_of) if grouped else address_of
