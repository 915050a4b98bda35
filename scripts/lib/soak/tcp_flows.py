"""TCP echo: connections that stay, that come and go, that read slowly, half-close, reset, or say nothing."""

import random
import select
import socket

from scripts.lib.soak.flow import Flow
from scripts.lib.soak.place import PATIENCE, Place, Wrong, expect, reset

TALKERS = 12  # connections that stay
CHUNK = 32 * 1024  # bytes said at once on one of them
BULK = 512 * 1024  # bytes for who reads slowly
GULP = 4096  # bytes that such a one takes at a time
SILENT = 8  # connections that say nothing


class TcpFlow(Flow):
    """A flow over TCP: its counts of bytes, and its source address."""

    source = ""

    def __init__(self, place: Place, rng: random.Random) -> None:
        super().__init__(place, rng)
        self.socks: list[socket.socket] = []  # those that stay open from turn to turn

    def connect(self, receive_buffer: int = 0) -> socket.socket:
        """A connection, which is in the books from now on."""
        sock = self.place.connect("echo-tcp", self.source, receive_buffer)
        self.counts["connections"] += 1
        return sock

    def close(self) -> None:
        """See Flow."""
        for sock in self.socks:
            sock.close()

    def say(self, sock: socket.socket, data: bytes) -> None:
        """Send all of it."""
        sock.sendall(data)
        self.counts["tcp bytes said"] += len(data)

    def hear(self, sock: socket.socket, data: bytes) -> None:
        """Take as much and compare."""
        missing = memoryview(data)
        while missing:
            heard = sock.recv(len(missing))
            expect(heard, f"closed {len(missing)} of {len(data)} bytes early")
            expect(heard == missing[: len(heard)], "a byte came back as another")
            missing = missing[len(heard) :]
        self.counts["tcp bytes heard"] += len(data)

    def hear_the_end(self, sock: socket.socket) -> None:
        """Expect the end of the stream."""
        expect(sock.recv(1) == b"", "something came behind the echo")


class Talks(TcpFlow):
    """Connections that stay, each saying something in every turn; now and then one goes, another comes."""

    source = "127.0.2.1"

    def open(self) -> None:
        """See Flow."""
        for _ in range(TALKERS):
            self.socks.append(self.connect())

    def turn(self) -> None:
        """Let all speak, then listen to all."""
        said = [self.rng.randbytes(self.rng.randint(1, CHUNK)) for _ in self.socks]
        for sock, data in zip(self.socks, said, strict=True):
            self.say(sock, data)
        for sock, data in zip(self.socks, said, strict=True):
            self.hear(sock, data)
        if not self.rng.randrange(10):
            self.socks.pop(self.rng.randrange(TALKERS)).close()
            self.socks.append(self.connect())


class Visits(TcpFlow):
    """Connections for a few words: closed by us, half-closed, reset in the middle or at once."""

    source = "127.0.2.2"

    def turn(self) -> None:
        """Every way to go, once."""
        data = self.rng.randbytes(self.rng.randint(1, 3000))
        with self.connect() as sock:
            self.say(sock, data)
            self.hear(sock, data)
        with self.connect() as sock:
            self.say(sock, data)
            sock.shutdown(socket.SHUT_WR)
            self.hear(sock, data)
            self.hear_the_end(sock)
        sock = self.connect()
        self.say(sock, data)
        reset(sock)
        reset(self.connect())
        self.connect().close()


class SlowReaders(TcpFlow):
    """Clients that send much and read slowly: they begin when the daemon takes no more."""

    source = "127.0.2.3"

    def turn(self) -> None:
        """One of them, to the end of the stream."""
        data = self.rng.randbytes(BULK)
        with self.connect(receive_buffer=GULP) as sock:
            sock.setblocking(False)
            sent = heard = 0
            poll = select.poll()  # select(2) takes no descriptor above 1023, and a large room opens thousands
            while heard < len(data):
                wanted = select.POLLIN * (heard < sent) | select.POLLOUT * (sent < len(data))
                poll.register(sock, wanted)
                found = dict(poll.poll(PATIENCE * 1000)).get(sock.fileno(), 0)
                if found & select.POLLOUT:
                    size = sock.send(data[sent : sent + 65536])
                    self.counts["tcp bytes said"] += size
                    sent += size
                    if sent == len(data):
                        sock.shutdown(socket.SHUT_WR)
                elif found:
                    part = sock.recv(GULP)
                    expect(part, f"closed {len(data) - heard} of {len(data)} bytes early")
                    expect(part == data[heard : heard + len(part)], "a byte came back as another")
                    self.counts["tcp bytes heard"] += len(part)
                    heard += len(part)
                else:
                    raise Wrong(f"nothing moves any more, {heard} of {sent} bytes came back")
            sock.settimeout(PATIENCE)
            self.hear_the_end(sock)


class Silence(TcpFlow):
    """Connections that say nothing, stay open, and are not forgotten: in the end each gets its echo."""

    source = "::1"

    def open(self) -> None:
        """See Flow."""
        for _ in range(SILENT):
            self.socks.append(self.connect())

    def turn(self) -> None:
        """One of them speaks at last and goes."""
        with self.socks.pop(0) as sock:
            self.say(sock, b"at last")
            self.hear(sock, b"at last")
        self.socks.append(self.connect())
