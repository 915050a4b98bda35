"""Datagrams through the kernel in batches: what is sent arrives, whatever the shared memory held before."""

import select
import socket
from collections.abc import Sequence
from functools import cache

from fuzz.feed import Feed
from fuzz.target import target

from netechod.reactor.udp.datagram_io import FanOut
from netechod.reactor.udp.mmsg import BatchMemory, MmsgDatagramIO
from netechod.services.api import Datagram

PATIENCE = 10.0  # seconds until a datagram counts as lost
MOST = 60  # datagrams either way: so many fit the buffer of a socket, whatever their sizes here


class Line:
    """A batched socket: what it was asked, in order, and the batches that it has received."""

    def __init__(self, sock: socket.socket, memory: BatchMemory) -> None:
        self.sock = sock
        self.io = MmsgDatagramIO(sock, memory)
        self.address = ("127.0.0.1", int(sock.getsockname()[1]))
        self.asked: list[bytes] = []
        self.batches: list[Sequence[Datagram]] = []

    def receive(self) -> None:
        """Take what has arrived."""
        batch = self.io.receive()
        assert [payload for payload, _ in batch] == self.asked[: len(batch)]
        del self.asked[: len(batch)]
        if batch:
            self.batches.append(batch)


@cache
def sockets() -> tuple[list[Line], list[socket.socket]]:
    """Two lines that share one memory, one of them on every address; and three clients."""
    socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(5)]
    for sock, address in zip(socks, ("127.0.0.1", "", "127.0.0.1", "127.0.0.2", "127.0.0.3"), strict=True):
        sock.bind((address, 0))
        sock.setblocking(False)
    memory = BatchMemory()
    return [Line(sock, memory) for sock in socks[:2]], socks[2:]


@target()
def batches(feed: Feed) -> None:
    """Received, and sent back whole, in part, at once or later, or one payload to many: all of it arrives."""
    lines, clients = sockets()
    places = {client.getsockname(): number for number, client in enumerate(clients)}
    expected: list[list[bytes]] = [[] for _ in clients]
    for number in range(MOST):
        if not feed or sum(map(len, expected)) > MOST:
            break
        line = feed.pick(lines)
        deed = feed.pick(["ask", "ask", "receive", "receive", "answer", "answer"])
        if deed == "ask":
            line.asked.append(payload := b"%d" % number * feed.pick([0, 1, 7, 500]))
            feed.pick(clients).sendto(payload, line.address)
        elif deed == "receive":
            line.receive()
        elif line.batches:
            answer = answer_to(feed.pick(line.batches), feed)
            send = feed.pick([line.io.send, line.io.send_back])
            assert send(answer) == len(answer)
            for payload, peer in answer:
                expected[places[line.io.address_of(peer)]].append(payload)
    finish(lines, clients, expected)


def answer_to(batch: Sequence[Datagram], feed: Feed) -> Sequence[Datagram]:
    """The batch itself, a part of it, or the same for everybody in it."""
    peers = [peer for _, peer in batch]
    return feed.pick([batch, batch, batch[feed.number(len(batch) - 1) :], FanOut(b"to all", peers)])


def finish(lines: list[Line], clients: list[socket.socket], expected: list[list[bytes]]) -> None:
    """Take everything that is still on its way, so that the next input begins with nothing."""
    for line in lines:
        while line.asked:
            assert select.select([line.sock], [], [], PATIENCE)[0], "a question has been lost"
            line.receive()
        line.batches.clear()
    for client, payloads in zip(clients, expected, strict=True):
        for payload in payloads:
            assert select.select([client], [], [], PATIENCE)[0], "an answer has been lost"
            assert client.recv(65536) == payload
