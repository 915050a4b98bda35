"""The memory that batched sockets share. Everything else is tested in test_datagram_io."""

import os
import select
import socket
import struct
from contextlib import ExitStack

import pytest
from support.looping import settle

from netechod.reactor.udp.budget import BATCH
from netechod.reactor.udp.datagram_io import FanOut
from netechod.reactor.udp.mmsg import STRIDE, BatchMemory, MmsgDatagramIO
from netechod.services.api import Datagram


@pytest.fixture
def memory() -> BatchMemory:
    return BatchMemory()


def datagram_socket(resources: ExitStack, address: str = "127.0.0.1") -> socket.socket:
    sock = resources.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    sock.bind((address, 0))
    sock.settimeout(20.0)
    return sock


def receive(sock: socket.socket, io: MmsgDatagramIO, count: int) -> list[Datagram]:
    """The next `count` datagrams of `sock`."""
    batch: list[Datagram] = []
    while len(batch) < count:
        assert select.select([sock], [], [], 20.0)[0], "datagrams are missing"
        batch += io.receive()
    return batch


def test_two_sockets_that_share_one_memory_do_not_disturb_one_another(
    memory: BatchMemory, resources: ExitStack
) -> None:
    ours = [datagram_socket(resources), datagram_socket(resources, "0.0.0.0")]
    ios = [MmsgDatagramIO(sock, memory) for sock in ours]
    clients = [datagram_socket(resources), datagram_socket(resources)]
    for index, (client, sock) in enumerate(zip(clients, ours, strict=True)):
        for number in range(BATCH):
            client.sendto(b"client %d says %d" % (index, number), ("127.0.0.1", sock.getsockname()[1]))
    batches = [receive(sock, io, BATCH) for sock, io in zip(ours, ios, strict=True)]
    for io, batch in zip(ios, batches, strict=True):
        assert io.send(batch) == BATCH
    for index, client in enumerate(clients):
        assert [client.recv(100) for _ in range(BATCH)] == [
            b"client %d says %d" % (index, number) for number in range(BATCH)
        ]


ANSWERS = [b"", b"x" * 3000, b"hello"]


def ask(client: socket.socket, sock: socket.socket) -> None:
    for payload in ANSWERS:
        client.sendto(payload, ("127.0.0.1", sock.getsockname()[1]))


def told(client: socket.socket) -> list[bytes]:
    return [client.recv(65536) for _ in ANSWERS]


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_an_echo_is_sent_from_where_it_lies(memory: BatchMemory, resources: ExitStack, address: str) -> None:
    sock, client = datagram_socket(resources, address), datagram_socket(resources)
    io = MmsgDatagramIO(sock, memory)
    for _ in range(2):
        ask(client, sock)
        settle()
        batch = io.receive()
        memory.received[:5] = b"moved"  # where the empty one lies: if that shows, nothing was copied
        memory.received[STRIDE : STRIDE + 5] = b"moved"
        assert io.send_back(batch) == len(ANSWERS)
        assert told(client) == [b"", b"moved" + ANSWERS[1][5:], b"hello"]


def test_an_echo_is_right_when_another_socket_has_used_the_memory_since(
    memory: BatchMemory, resources: ExitStack
) -> None:
    socks = [datagram_socket(resources), datagram_socket(resources)]
    client, other = datagram_socket(resources), datagram_socket(resources)
    first, second = (MmsgDatagramIO(sock, memory) for sock in socks)
    ask(client, socks[0])
    other.sendto(b"something else", socks[1].getsockname())
    settle()
    batch = first.receive()
    assert second.receive()
    assert first.send_back(batch) == len(ANSWERS)
    assert told(client) == ANSWERS


def test_an_echo_is_right_when_the_socket_has_found_nothing_more_since(
    memory: BatchMemory, resources: ExitStack
) -> None:
    sock, client = datagram_socket(resources), datagram_socket(resources)
    io = MmsgDatagramIO(sock, memory)
    ask(client, sock)
    settle()
    batch = io.receive()
    assert io.receive() == ()
    assert io.send_back(batch) == len(ANSWERS)
    assert told(client) == ANSWERS


def test_a_part_of_what_was_received_is_sent_as_that_part(memory: BatchMemory, resources: ExitStack) -> None:
    sock, client = datagram_socket(resources), datagram_socket(resources)
    io = MmsgDatagramIO(sock, memory)
    ask(client, sock)
    settle()
    assert io.send_back(io.receive()[1:]) == 2
    assert [client.recv(65536) for _ in range(2)] == ANSWERS[1:]


def test_the_same_link_local_address_on_two_links_is_two_addresses() -> None:
    def peer(link: int) -> bytes:
        address = socket.inet_pton(socket.AF_INET6, "fe80::2")
        return (
            struct.pack("@H", socket.AF_INET6)
            + struct.pack("!HI16s", 5555, 0, address)
            + struct.pack("@I", link)
        )

    assert MmsgDatagramIO.address_of(peer(2)) == ("fe80::2%2", 5555)
    assert MmsgDatagramIO.address_of(peer(3)) == ("fe80::2%3", 5555)


def test_one_payload_for_many_reaches_each_of_them(memory: BatchMemory, resources: ExitStack) -> None:
    sock, clients = datagram_socket(resources), [datagram_socket(resources) for _ in range(5)]
    io = MmsgDatagramIO(sock, memory)
    for client in clients:
        client.sendto(b"online", sock.getsockname())
    peers = [peer for _, peer in receive(sock, io, 5)]
    for payload, count in ((b"a long payload", 5), (b"", 3), (b"short", 5)):
        assert io.send(FanOut(payload, peers[:count])) == count
    assert [[client.recv(100) for _ in range(2)] for client in clients[3:]] == [
        [b"a long payload", b"short"]
    ] * 2
    for client in clients[:3]:
        assert [client.recv(100) for _ in range(3)] == [b"a long payload", b"", b"short"]


def test_a_full_batch_of_the_largest_datagrams_has_room(memory: BatchMemory, resources: ExitStack) -> None:
    sock, client = datagram_socket(resources), datagram_socket(resources)
    io = MmsgDatagramIO(sock, memory)
    client.sendto(b"hello", sock.getsockname())
    [(_, peer)] = receive(sock, io, 1)
    payloads = [bytes([number]) * 65507 for number in range(BATCH)]
    assert io.send([(payload, peer) for payload in payloads]) == BATCH
    assert client.recv(65536) == payloads[0]


def test_what_is_sent_after_the_close_goes_to_nobody() -> None:
    with ExitStack() as resources:
        ours, client = (
            resources.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in "ab"
        )
        for sock in (ours, client):
            sock.bind(("127.0.0.1", 0))
        io = MmsgDatagramIO(ours, BatchMemory())
        client.sendto(b"hello", ours.getsockname())
        [(_, peer)] = io.receive()
        number = ours.fileno()
        io.close()
        os.dup2(client.fileno(), number)  # as when another socket gets the number
        for call in (lambda: io.send([(b"answer", peer)]), io.receive):
            with pytest.raises(OSError, match="Bad file descriptor"):
                call()
