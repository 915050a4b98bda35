"""Datagrams that say how they travelled. test_datagram_io tests what all implementations share."""

import select
import socket
import struct
import time
from collections.abc import Sequence
from contextlib import ExitStack
from ipaddress import ip_network
from typing import NamedTuple

import pytest
from support.looping import receive, until_readable

from netechod.linux import IP_PKTINFO, IP_RECVTTL, SO_TIMESTAMPNS
from netechod.reactor.loop import Loop
from netechod.reactor.udp.endpoint import UdpEndpoint
from netechod.reactor.udp.measuring import PORTION, MeasuringDatagramIO
from netechod.reactor.udp.mmsg import BatchMemory, MmsgDatagramIO
from netechod.services.admission.admission import Admission, Rules
from netechod.services.api import Datagram, MeasuredPayload, Outbox, Peer

SO_RCVMARK = 75  # since Linux 5.19: a control message with the packet's mark (asm-generic/socket.h)

# What a server is bound to, and the address by which a client asks it.
ROUTES = [
    ("127.0.0.1", "127.0.0.1"),
    ("0.0.0.0", "127.0.0.2"),
    ("::1", "::1"),
    ("::", "::1"),
    ("::", "127.0.0.2"),
]


class Answer(bytes):
    """An answer that carries the time of its leaving in its last eight octets."""

    tos = 0

    def completed(self, now_ns: int) -> bytes:
        """See UnfinishedPayload."""
        return self + now_ns.to_bytes(8, "big")


class Clock:
    """A clock of nanoseconds that ticks at each look."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        """The time."""
        self.now += 1
        return self.now


class Site(NamedTuple):
    """A server and a client that is connected to it: it hears only the address that it has asked."""

    sock: socket.socket
    io: MeasuringDatagramIO
    client: socket.socket

    def received(self, count: int = 1) -> list[tuple[MeasuredPayload, Peer]]:
        """The next `count` datagrams."""
        batch: list[tuple[MeasuredPayload, Peer]] = []
        while len(batch) < count:
            assert select.select([self.sock], [], [], 20.0)[0], "datagrams are missing"
            for payload, peer in self.io.receive():
                assert isinstance(payload, MeasuredPayload)
                batch.append((payload, peer))
        return batch


def is_ipv6(address: str) -> bool:
    return ":" in address


def datagram_socket(resources: ExitStack, address: str) -> socket.socket:
    family = socket.AF_INET6 if is_ipv6(address) else socket.AF_INET
    sock = resources.enter_context(socket.socket(family, socket.SOCK_DGRAM))
    if address == "::":
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind((address, 0))
    sock.settimeout(20.0)
    return sock


def site_of(resources: ExitStack, bound: str, asked: str, clock: Clock | None = None) -> Site:
    sock = datagram_socket(resources, bound)
    client = datagram_socket(resources, "::1" if is_ipv6(asked) else "127.0.0.1")
    client.connect((asked, sock.getsockname()[1]))
    io = MeasuringDatagramIO(sock, BatchMemory(), clock or time.time_ns)
    return Site(sock, io, client)


@pytest.fixture(params=ROUTES, ids="-".join)
def site(request: pytest.FixtureRequest, resources: ExitStack) -> Site:
    return site_of(resources, *request.param)


@pytest.fixture
def wildcard(resources: ExitStack) -> Site:
    return site_of(resources, "::", "127.0.0.1", Clock())


def travel_as(sock: socket.socket, ttl: int, tos: int) -> None:
    """Have a client send in this way."""
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, tos)
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)


def test_a_payload_tells_its_time_its_ttl_its_traffic_class_and_what_address_was_asked(site: Site) -> None:
    travel_as(site.client, 57, 0xB8)
    before = time.time_ns()
    site.client.send(b"hello")
    [(payload, _)] = site.received()
    assert (payload, payload.ttl, payload.tos) == (b"hello", 57, 0xB8)
    host, port = site.client.getpeername()[:2]
    assert payload.asked in ((host, port), (f"::ffff:{host}", port))
    assert before <= payload.received_ns <= time.time_ns()


def test_the_time_is_that_of_the_arrival_and_not_of_the_reading(site: Site) -> None:
    """The kernel notes arrivals only a moment after the first socket has asked. Until then it notes reads."""
    deadline = time.monotonic() + 20.0
    while True:
        site.client.send(b"waits for its reader")
        assert select.select([site.sock], [], [], 20.0)[0]
        before_reading = time.time_ns()
        [(payload, _)] = site.received()
        if payload.received_ns < before_reading:
            return
        assert time.monotonic() < deadline


def test_a_peer_is_the_same_however_its_datagrams_travel_and_can_be_answered(site: Site) -> None:
    peers = set()
    for ttl, tos in ((64, 0), (3, 0x20), (255, 0x03)):
        travel_as(site.client, ttl, tos)
        site.client.send(b"hello")
        [(_, peer)] = site.received()
        peers.add(peer)
    assert len(peers) == 1
    assert site.io.send([(b"answer", peers.pop())]) == 1
    assert site.client.recv(100) == b"answer"


def test_each_payload_of_a_batch_has_its_own_journey(site: Site) -> None:
    for ttl in range(1, 9):
        travel_as(site.client, ttl, 4 * ttl)
        site.client.send(b"x" * ttl)
    payloads = [payload for payload, _ in site.received(8)]
    assert [(len(payload), payload.ttl, payload.tos) for payload in payloads] == [
        (ttl, ttl, 4 * ttl) for ttl in range(1, 9)
    ]
    times = [payload.received_ns for payload in payloads]
    assert times == sorted(times)


def test_an_answer_leaves_with_the_traffic_class_of_its_payload_and_the_highest_ttl(site: Site) -> None:
    if site.client.family == socket.AF_INET6:
        level, ttl_kind, tos_kind = socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT, socket.IPV6_TCLASS
        site.client.setsockopt(level, socket.IPV6_RECVHOPLIMIT, 1)
        site.client.setsockopt(level, socket.IPV6_RECVTCLASS, 1)
    else:
        level, ttl_kind, tos_kind = socket.IPPROTO_IP, socket.IP_TTL, socket.IP_TOS
        site.client.setsockopt(level, IP_RECVTTL, 1)
        site.client.setsockopt(level, socket.IP_RECVTOS, 1)
    site.client.send(b"hello")
    [(_, peer)] = site.received()
    marked = Answer(b"marked")
    marked.tos = 0x48
    site.io.send([(b"plain", peer), (marked, peer)])
    heard = []
    for _ in range(2):
        data, controls, _, _ = site.client.recvmsg(100, 128)
        told = {kind: data[0] for at, kind, data in controls if at == level}
        heard.append((data[:6], told[ttl_kind], told[tos_kind]))
    assert heard == [(b"plain", 255, 0), (b"marked", 255, 0x48)]


def time_in(answer: bytes) -> int:
    return int.from_bytes(answer[-8:], "big")


def test_the_time_of_leaving_is_written_right_before_the_call(site: Site) -> None:
    site.client.send(b"hello")
    [(payload, peer)] = site.received()
    answer = Answer(b"answer ")
    before = time.time_ns()
    site.io.send([(answer, peer)])
    assert payload.received_ns <= before <= time_in(site.client.recv(100)) <= time.time_ns()


def test_the_time_of_leaving_is_written_anew_at_each_try(wildcard: Site) -> None:
    wildcard.client.send(b"hello")
    [(_, peer)] = wildcard.received()
    answer = Answer(b"")
    for _ in range(2):
        wildcard.io.send([(answer, peer)])
    assert [time_in(wildcard.client.recv(100)) for _ in range(2)] == [1, 2]


def test_in_a_long_batch_the_clock_is_read_for_every_few_datagrams(wildcard: Site) -> None:
    wildcard.client.send(b"hello")
    [(_, peer)] = wildcard.received()
    assert wildcard.io.send([(Answer(b""), peer)] * (2 * PORTION + 1)) == 2 * PORTION + 1
    times = [time_in(wildcard.client.recv(100)) for _ in range(2 * PORTION + 1)]
    assert times == [1] * PORTION + [2] * PORTION + [3]


def test_what_the_kernel_refuses_behind_the_first_portion_ends_the_batch(wildcard: Site) -> None:
    wildcard.client.send(b"hello")
    [(_, peer)] = wildcard.received()
    assert isinstance(peer, bytes)
    portless = peer[:2] + b"\0\0" + peer[4:]  # it gives EINVAL
    good = [(b"good", peer)] * PORTION
    assert wildcard.io.send([*good, (b"bad", portless)]) == PORTION


def test_a_batch_is_answered_as_it_came(site: Site) -> None:
    site.client.send(b"one")
    site.client.send(b"two")
    batch: Sequence[Datagram] = site.received(2)
    assert site.io.send_back(batch) == 2
    assert [site.client.recv(100) for _ in range(2)] == [b"one", b"two"]


def test_what_the_kernel_does_not_tell_is_unknown_and_an_answer_leaves_all_the_same(site: Site) -> None:
    """As of datagrams that have arrived before the socket asked for more."""
    site.sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 0)
    for option in (IP_RECVTTL, socket.IP_RECVTOS, IP_PKTINFO):
        site.sock.setsockopt(socket.IPPROTO_IP, option, 0)
    if site.sock.family == socket.AF_INET6:
        for option in (socket.IPV6_RECVHOPLIMIT, socket.IPV6_RECVTCLASS, socket.IPV6_RECVPKTINFO):
            site.sock.setsockopt(socket.IPPROTO_IPV6, option, 0)
    host = site.client.getsockname()[0]  # answers leave from there now, whatever address was asked
    site.client.connect((host, site.sock.getsockname()[1]))
    travel_as(site.client, 57, 0xB8)
    site.client.send(b"hello")
    [(payload, peer)] = site.received()
    assert (payload, payload.received_ns, payload.ttl, payload.tos) == (b"hello", 0, 255, 0)
    assert site.io.send([(b"answer", peer)]) == 1
    assert site.client.recv(100) == b"answer"


def test_control_messages_that_do_not_fit_are_as_if_they_were_not_sent(wildcard: Site) -> None:
    wildcard.sock.setsockopt(socket.SOL_SOCKET, SO_RCVMARK, 1)  # takes the room of the traffic class
    travel_as(wildcard.client, 57, 0xB8)
    wildcard.client.send(b"hello")
    [(payload, peer)] = wildcard.received()
    assert (payload, payload.ttl, payload.tos) == (b"hello", 57, 0)
    assert payload.received_ns
    assert wildcard.io.send([(b"answer", peer)]) == 1
    assert wildcard.client.recv(100) == b"answer"


def test_a_socket_that_did_not_ask_has_plain_payloads_and_no_options(resources: ExitStack) -> None:
    sock, client = datagram_socket(resources, "127.0.0.1"), datagram_socket(resources, "127.0.0.1")
    io = MmsgDatagramIO(sock, BatchMemory())
    client.sendto(b"hello", sock.getsockname())
    assert select.select([sock], [], [], 20.0)[0]
    [(payload, _)] = io.receive()
    assert type(payload) is bytes
    assert not sock.getsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS)
    assert not sock.getsockopt(socket.IPPROTO_IP, IP_RECVTTL)


class Reflector:
    """A service that answers with what it knows of each datagram."""

    def datagrams_received(self, batch: Sequence[Datagram], now: float, out: Outbox) -> None:
        """See DatagramService."""
        for payload, peer in batch:
            assert isinstance(payload, MeasuredPayload)
            out.send(Answer(struct.pack("!QB", payload.received_ns, payload.ttl)), peer)

    def next_deadline(self) -> float | None:
        """See DatagramService."""
        return None

    def deadline_reached(self, now: float, out: Outbox) -> None:
        """See DatagramService."""


@pytest.mark.parametrize("trusted", [True, False])
def test_admission_and_the_queue_lose_nothing_of_it(loop: Loop, resources: ExitStack, trusted: bool) -> None:
    site = site_of(resources, "127.0.0.1", "127.0.0.1")
    admission = Admission(Reflector(), site.io.address_of)
    if trusted:
        admission.configure(Rules(trusted=[ip_network("127.0.0.0/8")]))
    endpoint = UdpEndpoint(loop, site.sock, site.io, admission)
    resources.callback(endpoint.close)
    travel_as(site.client, 9, 0)
    for _ in range(2):  # the second time the peer is known
        site.client.send(b"x" * 40)
        until_readable(loop, site.client)
        received_ns, ttl, sent_ns = struct.unpack("!QBQ", receive(loop, site.client))
        assert ttl == 9
        assert 0 < received_ns <= sent_ns <= time.time_ns()
