"""How services are wired to their sockets, and rules and limits to the configuration."""

import logging
import secrets
import socket
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field
from typing import Protocol

from netechod.errors import NetechodError
from netechod.process.config import Config
from netechod.process.descriptors import MAX_SCRAPERS, room_for
from netechod.process.sockets import OVER_TCP, Sockets
from netechod.reactor.accept_queue import TcpLimits
from netechod.reactor.connection import StreamService
from netechod.reactor.error_queue import Place, error_queue
from netechod.reactor.event_log import ChatLog
from netechod.reactor.loop import Loop
from netechod.reactor.mmsg import BatchMemory, datagram_io
from netechod.reactor.models import WORKERS, model_of
from netechod.reactor.switchboard import Line, Switchboard
from netechod.reactor.tcp import TcpServer
from netechod.reactor.udp import UdpEndpoint
from netechod.services.admission import AddressOf, Admission, Rules
from netechod.services.api import DatagramService, Outbox, Peer
from netechod.services.chat import ChatRoom, Terms
from netechod.services.echo import echo_session
from netechod.services.sources import Buckets

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shared:
    """What all datagram services have in common."""

    loop: Loop
    memory: BatchMemory = field(default_factory=BatchMemory)
    buckets: Buckets = field(
        default_factory=Buckets
    )  # a flood of one service slows the others' answers to it


class Service(DatagramService, Protocol):
    """A datagram service that counts, by reason, what it does not answer."""

    dropped: Counter[str]


class UdpService:
    """A datagram service as it runs: who is admitted to it, and the sockets that it answers on.

    `refused`, if given, is told where nobody listens to its answers any more.
    """

    def __init__(
        self,
        shared: Shared,
        name: str,
        socks: Sequence[socket.socket],
        make: Callable[[AddressOf], Service],
        refused: Callable[[Collection[Place], Outbox], object] | None = None,
    ) -> None:
        def on_drop(address: str, reason: str) -> None:
            fields = {"event": "drop", "service": name, "peer": address}
            log.warning("%s drops datagrams from %s: %s", name, address, reason, extra=fields)

        ios = [datagram_io(sock, shared.memory) for sock in socks]
        self._peer_sizes = [io.peer_size for io in ios]
        board = Switchboard(ios)
        address_of: AddressOf = board.address_of if len(ios) > 1 else ios[0].address_of
        self._service = make(address_of)
        self.admission = Admission(self._service, address_of, buckets=shared.buckets, on_drop=on_drop)
        for number, (sock, io) in enumerate(zip(socks, ios, strict=True)):
            line = Line(board, number, self.admission) if len(ios) > 1 else self.admission
            errors = None
            if refused is not None:
                errors = error_queue(shared.loop, sock, lambda places: refused(places, self._out))
            board.endpoints.append(UdpEndpoint(shared.loop, sock, io, line, errors))
        self.endpoints: Sequence[UdpEndpoint] = board.endpoints
        self._out: Outbox = board if len(ios) > 1 else board.endpoints[0]

    def written(self, peer: Peer) -> str:
        """The peer as a text that `read` understands, in this process or in the next one."""
        line, inner = peer if isinstance(peer, tuple) else (0, peer)
        return f"{line}:{inner.hex()}" if isinstance(inner, bytes) else ""

    def read(self, text: str) -> Peer | None:
        """The peer that was written; None when it fits none of the sockets that we have."""
        line, _, inner = text.partition(":")
        try:
            number, peer = int(line), bytes.fromhex(inner)
        except ValueError:
            return None
        if not 0 <= number < len(self._peer_sizes) or len(peer) != self._peer_sizes[number]:
            return None
        return (number, peer) if len(self._peer_sizes) > 1 else peer

    def counters(self) -> dict[str, int]:
        """What happened on all its sockets, and what was dropped by whom for which reason."""
        total: Counter[str] = Counter()
        for endpoint in self.endpoints:
            total.update(asdict(endpoint.counters))
        for reason, count in (self.admission.dropped + self._service.dropped).items():
            total[f"dropped_{reason}"] = count
        return dict(total)

    def gather(self, pause: float) -> None:
        """See UdpEndpoint."""
        for endpoint in self.endpoints:
            endpoint.gather(pause)

    def drain(self) -> None:
        """Answer what has arrived and close."""
        for endpoint in self.endpoints:
            endpoint.drain()

    def keep_time(self) -> None:
        """Ask the service anew when it wants to be called."""
        for endpoint in self.endpoints:
            endpoint.set_timer()


def build_rules(config: Config, sockets: Sockets) -> Rules:
    """Who may be answered, as configured; our own UDP ports are those really bound."""
    access = config.access
    return Rules(
        allow=access.allow,
        deny=access.deny,
        trusted=access.trusted,
        min_source_port=access.min_source_port,
        refused_source_ports=frozenset(access.refused_source_ports),
        own_ports=frozenset(address.port for name, address in sockets.bound if name not in OVER_TCP),
        bounce_limit=access.bounce_limit,
    )


def build_limits(config: Config, rules: Rules) -> TcpLimits:
    """What TCP echo allows, as configured."""
    tcp, metrics = config.echo.tcp, config.metrics
    others = len(metrics.listen) + MAX_SCRAPERS if metrics.enabled else 0
    if tcp.model == "fork":  # one descriptor is the connection's, one the child's
        connections = room_for(min(tcp.max_connections, WORKERS), each=2, others=others)
    else:
        connections = room_for(tcp.max_connections, others=others)
    return TcpLimits(
        connections=connections,
        connections_per_source=tcp.max_connections_per_source,
        idle_timeout=tcp.idle_timeout,
        admits=rules.admits,
    )


def build_echo_tcp(loop: Loop, listeners: Sequence[socket.socket], config: Config) -> TcpServer:
    """TCP echo: one server for all its listeners."""
    tcp = config.echo.tcp
    session = echo_session(tcp.mode)
    try:
        model = model_of(tcp.model, loop, "echo-tcp", pool_size=tcp.pool_size)
    except OSError as error:
        raise NetechodError(f"echo.tcp.model = {tcp.model} cannot be had: {error.strerror}") from None
    return TcpServer(loop, StreamService("echo-tcp", lambda wake: session), listeners, model=model)


def build_chat(loop: Loop, address_of: AddressOf) -> ChatRoom:
    """The chat room; who comes and goes is told in the log."""
    told = ChatLog(loop, "chat")
    return ChatRoom(
        address_of=address_of,
        on_online=told.online,
        on_offline=told.offline,
        secret=secrets.token_bytes(32),
    )


def build_terms(config: Config, rules: Rules) -> Terms:
    """What the chat grants, as configured."""
    chat = config.chat
    return Terms(
        join=chat.join,
        trusts=rules.trusts,
        idle_timeout=chat.idle_timeout,
        max_members=chat.max_members,
        max_members_per_source=chat.max_members_per_source,
        max_message=chat.max_message,
    )
