"""Datagrams in and out: every implementation behaves alike, for every kind of address."""

import errno
import os
import select
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import NamedTuple

import pytest

from netechod.reactor.udp.budget import BATCH
from netechod.reactor.udp.datagram_io import DatagramIO
from netechod.reactor.udp.measuring import MeasuringDatagramIO
from netechod.reactor.udp.mmsg import BatchMemory, MmsgDatagramIO
from netechod.services.api import Datagram, Peer
from netechod.services.wire import MAX_DATAGRAM


class Binding(NamedTuple):
    """The address that a server's socket is bound to, and those to which clients send."""

    address: str
    asked: tuple[str, ...]


BINDINGS = {
    "IPv4 bound": Binding("127.0.0.1", ("127.0.0.1",)),
    "IPv4 wildcard": Binding("0.0.0.0", ("127.0.0.1", "127.0.0.2")),
    "IPv6 bound": Binding("::1", ("::1",)),
    "dual-stack wildcard": Binding("::", ("::1", "127.0.0.1", "127.0.0.2")),
}
WAYS: dict[str, Callable[[socket.socket], DatagramIO]] = {
    "mmsg": lambda sock: MmsgDatagramIO(sock, BatchMemory()),
    "measuring": lambda sock: MeasuringDatagramIO(sock, BatchMemory()),
}


def family_of(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


@dataclass
class Server:
    """A datagram socket and the way under test to use it."""

    sock: socket.socket
    io: DatagramIO
    binding: Binding
    resources: ExitStack

    def client(self, asked: str = "") -> socket.socket:
        """A client connected to the server as `asked`: it hears nothing from any other address (udp(7))."""
        asked = asked or self.binding.asked[0]
        sock = self.resources.enter_context(socket.socket(family_of(asked), socket.SOCK_DGRAM))
        sock.settimeout(20.0)
        sock.connect((asked, self.sock.getsockname()[1]))
        return sock

    def batches(self, count: int) -> Iterator[list[Datagram]]:
        """Batch after batch, until there are `count` datagrams."""
        while count > 0:
            assert select.select([self.sock], [], [], 20.0)[0], "datagrams are missing"
            batch = list(self.io.receive())
            count -= len(batch)
            yield batch

    def receive(self, count: int) -> list[Datagram]:
        """The next `count` datagrams."""
        return [datagram for batch in self.batches(count) for datagram in batch]

    def peer(self, client: socket.socket) -> Peer:
        """The peer that `client` is."""
        client.send(b"who am I")
        [(_, peer)] = self.receive(1)
        return peer


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Callable[[socket.socket], DatagramIO]:
    return WAYS[request.param]


@pytest.fixture(params=BINDINGS)
def server(
    request: pytest.FixtureRequest, way: Callable[[socket.socket], DatagramIO], resources: ExitStack
) -> Server:
    binding = BINDINGS[request.param]
    sock = resources.enter_context(socket.socket(family_of(binding.address), socket.SOCK_DGRAM))
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    sock.bind((binding.address, 0))
    sock.setblocking(False)
    return Server(sock, way(sock), binding, resources)


def without_port(peer: Peer) -> Peer:
    """`peer`, made by either way, with the one port that nothing can be sent to: it gives EINVAL."""
    assert isinstance(peer, bytes)
    return peer[:2] + b"\0\0" + peer[4:]


@pytest.mark.parametrize("size", [0, 1, MAX_DATAGRAM])
def test_a_payload_of_any_size_goes_there_and_back_unchanged(server: Server, size: int) -> None:
    payload = os.urandom(size)
    client = server.client()
    client.send(payload)
    [(received, peer)] = server.receive(1)
    assert received == payload
    assert server.io.send([(received, peer)]) == 1
    assert client.recv(65536) == payload


def test_more_datagrams_than_a_batch_arrive_in_order(server: Server) -> None:
    client = server.client()
    payloads = [b"%d" % number for number in range(2 * BATCH + 7)]
    for payload in payloads:
        client.send(payload)
    batches = list(server.batches(len(payloads)))
    assert max(map(len, batches)) <= BATCH
    assert [payload for batch in batches for payload, _ in batch] == payloads


def test_a_batch_is_sent_in_order_each_datagram_to_its_own_peer(server: Server) -> None:
    clients = [server.client() for _ in range(4)]
    peers = [server.peer(client) for client in clients]
    batch = [(b"%d" % number, peers[number % 4]) for number in range(BATCH)]
    assert server.io.send(batch) == BATCH
    for index, client in enumerate(clients):
        heard = [client.recv(100) for _ in range(BATCH // 4)]
        assert heard == [b"%d" % number for number in range(index, BATCH, 4)]


def test_a_peer_is_the_same_key_every_time(server: Server) -> None:
    ann, bob = server.client(), server.client()
    table = {server.peer(ann): "ann", server.peer(bob): "bob"}
    assert table[server.peer(ann)] == "ann"
    assert table[server.peer(bob)] == "bob"
    assert len(table) == 2


def test_a_peer_has_an_address(server: Server) -> None:
    for asked in server.binding.asked:
        client = server.client(asked)
        host, port = client.getsockname()[:2]
        mapped = "::ffff:" + host if server.binding.address == "::" and "." in host else host
        assert server.io.address_of(server.peer(client)) == (mapped, port)


def test_an_answer_leaves_from_the_address_that_was_asked(server: Server) -> None:
    clients = [server.client(asked) for asked in server.binding.asked]
    peers = [server.peer(client) for client in clients]
    assert server.io.send(
        [(asked.encode(), peer) for asked, peer in zip(server.binding.asked, peers, strict=True)]
    ) == len(clients)
    assert [client.recv(100).decode() for client in clients] == list(server.binding.asked)


def test_a_peer_does_not_remember_the_interface_that_it_came_in_on(server: Server) -> None:
    """An answer is routed like every other packet, for the way back may lead through another one."""
    peer = server.peer(server.client())
    if server.binding.address in ("0.0.0.0", "::"):
        [index] = struct.unpack_from(
            "@I", packet_info(peer), 0 if server.binding.address == "0.0.0.0" else 16
        )
        assert index == 0


def packet_info(peer: Peer) -> bytes:
    """The struct in_pktinfo or in6_pktinfo in a wildcard socket's peer (ip(7), ipv6(7))."""
    assert isinstance(peer, bytes)  # behind the socket address and the control message's header
    return peer[32:44] if len(peer) == 48 else peer[48:68]


def test_a_spurious_wake_up_is_an_empty_batch(server: Server) -> None:
    assert not server.io.receive()


def test_a_batch_holds_nothing_of_the_batch_before(server: Server) -> None:
    loud, quiet = server.client(), server.client()
    for _ in range(5):
        loud.send(b"a long payload, and then some")
    loud_peer = server.receive(5)[0][1]
    for payload in (b"", b"x", b""):
        quiet.send(payload)
    datagrams = server.receive(3)
    assert [payload for payload, _ in datagrams] == [b"", b"x", b""]
    assert {peer for _, peer in datagrams} == {server.peer(quiet)}
    assert loud_peer not in {peer for _, peer in datagrams}


def test_a_short_batch_sends_nothing_of_the_batch_before(server: Server) -> None:
    loud, quiet = server.client(), server.client()
    loud_peer, quiet_peer = server.peer(loud), server.peer(quiet)
    assert server.io.send([(b"a long payload", loud_peer)] * 5) == 5
    assert server.io.send([(b"", quiet_peer), (b"x", quiet_peer)]) == 2
    assert [quiet.recv(100) for _ in range(2)] == [b"", b"x"]
    assert [loud.recv(100) for _ in range(5)] == [b"a long payload"] * 5
    quiet.setblocking(False)
    with pytest.raises(BlockingIOError):
        quiet.recv(100)


def test_a_datagram_that_can_not_be_sent_raises_when_it_is_the_first_and_ends_the_batch_later(
    server: Server,
) -> None:
    client = server.client()
    peer = server.peer(client)
    good, bad = (b"good", peer), (b"bad", without_port(peer))
    with pytest.raises(OSError, match="Invalid argument") as caught:
        server.io.send([bad, good])
    assert caught.value.errno == errno.EINVAL
    assert server.io.send([good, good, bad, good]) == 2
    assert server.io.send([good]) == 1
    assert [client.recv(100) for _ in range(3)] == [b"good"] * 3


def test_a_kernel_that_is_full_refuses_for_now(server: Server, resources: ExitStack) -> None:
    """Loopback is never full, so a TCP connection that nobody reads takes the socket's number."""
    peer = server.peer(server.client())
    listener = resources.enter_context(socket.socket())
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    full = resources.enter_context(socket.socket())
    full.connect(listener.getsockname())
    full.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            full.send(bytes(1 << 20))
    os.dup2(full.fileno(), server.sock.fileno())
    with pytest.raises(BlockingIOError):
        server.io.send([(b"x", peer)] * 2)


def test_a_failing_socket_raises(server: Server) -> None:
    server.sock.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        server.io.receive()
