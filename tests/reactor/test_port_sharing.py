"""A socket that leaves its port to others: it keeps what it has, and gets nothing new."""

import socket
from contextlib import ExitStack

import pytest
from support.looping import TcpBench, settle, turn

from netechod.reactor.loop import Loop
from netechod.reactor.port_sharing import leave_datagrams, leave_listeners
from netechod.reactor.udp.endpoint import UdpEndpoint
from netechod.reactor.udp.mmsg import BatchMemory, MmsgDatagramIO
from netechod.services.echo import EchoService

FAMILIES = {"0.0.0.0": "127.0.0.1", "127.0.0.1": "127.0.0.1", "::": "127.0.0.1", "::1": "::1"}


def shared(resources: ExitStack, kind: socket.SocketKind, host: str, port: int = 0) -> socket.socket:
    """A socket whose port others may have, too."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = resources.enter_context(socket.socket(family, kind))
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind((host, port))
    sock.setblocking(False)
    if kind == socket.SOCK_STREAM:
        sock.listen(256)
    return sock


def two(resources: ExitStack, kind: socket.SocketKind, host: str) -> tuple[socket.socket, socket.socket]:
    first = shared(resources, kind, host)
    return first, shared(resources, kind, host, first.getsockname()[1])


def send(sock: socket.socket, to: str, count: int) -> None:
    """Send datagrams to its port, each from a port of its own."""
    with ExitStack() as clients:
        for number in range(count):
            client = clients.enter_context(
                socket.socket(sock.family if ":" in to else socket.AF_INET, socket.SOCK_DGRAM)
            )
            client.sendto(b"%d" % number, (to, sock.getsockname()[1]))
    settle()


def waiting(sock: socket.socket) -> int:
    """Take the datagrams that wait in a socket, and count them."""
    count = 0
    while True:
        try:
            sock.recv(100)
        except BlockingIOError:
            return count
        count += 1


@pytest.mark.parametrize("host", FAMILIES)
def test_datagrams_that_came_before_stay_and_others_go_to_the_other_socket(
    resources: ExitStack, host: str
) -> None:
    first, second = two(resources, socket.SOCK_DGRAM, host)
    send(first, FAMILIES[host], 100)
    leave_datagrams(first)
    send(first, FAMILIES[host], 100)
    left, taken = waiting(first), waiting(second)
    assert left + taken == 200
    assert 0 < left < 100 < taken


@pytest.mark.parametrize("host", FAMILIES)
def test_what_waits_in_a_socket_that_has_left_can_still_be_answered(resources: ExitStack, host: str) -> None:
    first, _ = two(resources, socket.SOCK_DGRAM, host)
    with socket.socket(
        socket.AF_INET6 if FAMILIES[host] == "::1" else socket.AF_INET, socket.SOCK_DGRAM
    ) as client:
        client.settimeout(10)
        for _ in range(64):  # until one is for the first socket
            client.close()
            client = socket.socket(client.family, socket.SOCK_DGRAM)
            client.settimeout(10)
            client.sendto(b"q", (FAMILIES[host], first.getsockname()[1]))
            settle()
            try:
                _, peer = first.recvfrom(10, socket.MSG_PEEK)
                break
            except BlockingIOError:
                continue
        leave_datagrams(first)
        first.sendto(b"a", peer)
        assert client.recv(10) == b"a"
        client.close()


def connected(resources: ExitStack, address: tuple[str, int]) -> socket.socket:
    """A client whose handshake is over."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    sock = resources.enter_context(socket.socket(family))
    sock.connect(address)
    return sock


@pytest.mark.parametrize("host", FAMILIES)
def test_connections_that_came_before_stay_and_others_go_to_the_other_listener(
    resources: ExitStack, host: str
) -> None:
    first, second = two(resources, socket.SOCK_STREAM, host)
    address = (FAMILIES[host], first.getsockname()[1])
    before = [connected(resources, address) for _ in range(40)]
    leave_listeners(first)
    late = []
    for _ in range(20):
        client = resources.enter_context(socket.socket(before[0].family))
        client.setblocking(False)
        assert client.connect_ex(address) != 0
        late.append(client)
    settle()
    counts = []
    for listener in (first, second):
        count = 0
        while True:
            try:
                resources.enter_context(listener.accept()[0])
            except BlockingIOError:
                break
            count += 1
        counts.append(count)
    assert 40 <= sum(counts) < 60
    first.close()
    for client in late:  # those whose first packet was dropped send it again, to the other listener
        client.settimeout(10)
        client.send(b"x")


def test_a_socket_that_cannot_leave_is_left_as_it_is(resources: ExitStack) -> None:
    nowhere = resources.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    leave_datagrams(nowhere)
    leave_listeners(nowhere)
    with pytest.raises(OSError, match="not connected"):
        nowhere.getpeername()


def test_a_server_leaves_its_port_with_all_its_listeners(loop: Loop, tcp: TcpBench) -> None:
    server = tcp.serve()
    tcp.connected(server)
    server.leave_port()
    client = tcp.resources.enter_context(socket.socket())
    client.setblocking(False)
    client.connect_ex(tcp.listener.getsockname())
    settle()
    turn(loop, 2)
    assert server.counters.accepted == 1


def test_an_endpoint_leaves_its_port(loop: Loop, resources: ExitStack) -> None:
    sock = shared(resources, socket.SOCK_DGRAM, "127.0.0.1")
    endpoint = UdpEndpoint(loop, sock, MmsgDatagramIO(sock, BatchMemory()), EchoService())
    endpoint.leave_port()
    assert sock.getpeername() == sock.getsockname()
    endpoint.close()
