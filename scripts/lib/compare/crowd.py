"""The load: a crowd of clients in one loop, each with a message under way, and a probe of UDP beside them."""

import errno
import heapq
import itertools
import os
import select
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field
from statistics import quantiles

Address = tuple[str, int]

SIZE = 64  # bytes of a message
SOURCES = 32  # addresses that clients come from: each has ports of its own, and TIME_WAIT keeps them
IP_BIND_ADDRESS_NO_PORT = 24  # ip(7); Python 3.11 has no name for it
PROBE_INTERVAL = 0.005  # seconds between two datagrams of the probe
SLOW_CHUNK, SLOW_INTERVAL = 16 * 1024, 0.02  # what the slow reader takes, and how often: 800 kB/s

_ALPHABET = bytes(range(256)) * 2
_TEXTS = [_ALPHABET[start : start + SIZE] for start in range(251)]  # of all values, no two in a row alike


@dataclass
class Tally:
    """The result of a load. Times are in seconds. A client that still waits counts with its wait so far."""

    seconds: float = 0.0
    answered: int = 0
    wrong: int = 0
    lost: int = 0  # connections that ended with an answer due
    waited: list[float] = field(default_factory=list)
    probed: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answered / self.seconds


def percentile(values: list[float], percent: int) -> float:
    """The value below which so many of the hundred are."""
    if len(values) < 2:
        return sum(values)
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def connected(address: Address, source: int = 0) -> socket.socket:
    """A connection that is under way, from one of our addresses."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    sock.bind((f"127.0.0.{1 + source}", 0))
    trouble = sock.connect_ex(address)
    if trouble not in (0, errno.EINPROGRESS):
        raise OSError(trouble, os.strerror(trouble))
    return sock


class _Client:
    """One connection, with so many messages left to say."""

    __slots__ = ("due", "heard", "left", "message", "since", "sock")

    def __init__(self, sock: socket.socket, messages: int, due: float) -> None:
        self.sock = sock
        self.left = messages
        self.due = due  # when the next message is to go
        self.since: float | None = (
            time.perf_counter()
        )  # when it has begun to wait, for an answer or to get in
        self.message = b""
        self.heard = b""


class Crowd:
    """So many clients side by side, each with some messages; who has said them leaves, and another comes."""

    def __init__(self, address: Address, probe: Address, clients: int, messages: int) -> None:
        self._address = address
        self.clients = clients
        self._messages = messages
        self._epoll = select.epoll()
        self._open: dict[int, _Client] = {}
        self._due: list[tuple[float, int, _Client]] = []
        self._number = itertools.count()
        self._tally = Tally()
        self._gap = -1.0  # seconds between two messages of a client
        self.known = 0  # clients that have got an answer
        self._slow: _SlowReader | None = None
        self._probe = _Probe(probe)
        self._epoll.register(self._probe.sock, select.EPOLLIN)

    def let_a_slow_reader_in(self) -> None:
        """Have one come first that takes its answers slowly."""
        self._slow = _SlowReader(self._address)
        self._epoll.register(self._slow.sock, select.EPOLLOUT)

    def run(self, seconds: float, rate: float = 0.0) -> Tally:
        """Ask for so long, at so many messages a second over all clients; 0: as fast as answers come."""
        tally = self._tally = Tally()
        begun = now = time.perf_counter()
        end = begun + seconds
        gap = self.clients / rate if rate else 0.0
        if gap != self._gap or not self._open:
            self._gap = gap
            self._spread(begun)
        while now < end:
            self._send_due(now)
            for fd, mask in self._epoll.poll(max(0.0, min(end, self._next_due()) - time.perf_counter())):
                self._on_event(fd, mask)
            now = time.perf_counter()
        tally.seconds = now - begun
        tally.waited += [now - client.since for client in self._open.values() if client.since is not None]
        tally.probed = self._probe.taken()
        return tally

    def close(self) -> None:
        """Leave, all of them."""
        for client in self._open.values():
            client.sock.close()
        if self._slow is not None:
            self._slow.sock.close()
        self._probe.sock.close()
        self._epoll.close()

    def _spread(self, begun: float) -> None:
        """Have those that rest speak one after the other, and those that are missing come."""
        self._due.clear()
        step = self._gap / self.clients
        for number, client in enumerate(self._open.values()):
            if client.since is None:
                self._speak_at(begun + number * step, client)
        for number in range(len(self._open), self.clients):
            self._come(begun + number * step)

    def _next_due(self) -> float:
        """When somebody speaks next, or reads."""
        slow = [self._slow.due] if self._slow is not None else []
        return min([self._probe.due, *slow, *(due for due, *_ in self._due[:1])])

    def _come(self, due: float) -> None:
        sock = connected(self._address, next(self._number) % SOURCES)
        self._open[sock.fileno()] = _Client(sock, self._messages, due)
        self._epoll.register(sock, select.EPOLLOUT)

    def _leave(self, client: _Client) -> None:
        """Let a client go, and another one come for it."""
        del self._open[client.sock.fileno()]
        client.sock.close()
        self._come(max(time.perf_counter(), client.due + self._gap))

    def _on_event(self, fd: int, mask: int) -> None:
        client = self._open.get(fd)
        if client is not None:
            try:
                if mask & ~select.EPOLLOUT:
                    self._listen(client)
                else:
                    self._enter(client)
            except OSError:
                self._tally.lost += 1
                self._leave(client)
        elif fd == self._probe.sock.fileno():
            self._probe.listen()
        elif self._slow is not None:
            self._slow.push()

    def _enter(self, client: _Client) -> None:
        """It is connected. A visit counts from its beginning, a message from its sending."""
        self._epoll.modify(client.sock, select.EPOLLIN)
        if self._messages == 1:
            self._say(client)
        else:
            client.since = None
            self._speak_at(client.due, client)

    def _speak_at(self, due: float, client: _Client) -> None:
        client.due = due
        heapq.heappush(self._due, (due, next(self._number), client))

    def _send_due(self, now: float) -> None:
        self._probe.ask(now)
        if self._slow is not None:
            self._slow.read(now)
        while self._due and self._due[0][0] <= now:
            *_, client = heapq.heappop(self._due)
            client.since = time.perf_counter()
            self._say(client)

    def _say(self, client: _Client) -> None:
        client.message = _TEXTS[next(self._number) % len(_TEXTS)]
        client.heard = b""
        client.sock.send(client.message)

    def _listen(self, client: _Client) -> None:
        data = client.sock.recv(SIZE)
        if not data or client.since is None:
            raise ConnectionResetError  # the end, or more than was asked for
        client.heard += data
        if len(client.heard) == SIZE:
            self._answered(client, time.perf_counter(), client.since)

    def _answered(self, client: _Client, now: float, since: float) -> None:
        self._tally.waited.append(now - since)
        self._tally.answered += 1
        self._tally.wrong += client.heard != client.message
        self.known += client.left == self._messages
        client.since = None
        client.left -= 1
        if client.left:
            self._speak_at(max(now, client.due + self._gap), client)
        else:
            self._leave(client)


class _SlowReader:
    """A client that sends as fast as it can, and takes its answers slowly."""

    def __init__(self, address: Address) -> None:
        self.sock = connected(address)
        self.due = 0.0

    def push(self) -> None:
        """Send as much as goes."""
        self.sock.send(bytes(SLOW_CHUNK))

    def read(self, now: float) -> None:
        """Take a little, when it is time."""
        if now >= self.due:
            self.due = now + SLOW_INTERVAL
            with suppress(BlockingIOError):
                self.sock.recv(SLOW_CHUNK)


class _Probe:
    """A datagram to the UDP echo now and then, and how long it takes: what else the daemon has to do."""

    def __init__(self, address: Address) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.connect(address)
        self.due = 0.0
        self._number = 0
        self._asked = 0.0  # 0: nothing is under way
        self._times: list[float] = []

    def ask(self, now: float) -> None:
        """Send one, when it is time and the last one has come back."""
        if now >= self.due:
            self.due = now + PROBE_INTERVAL
            if not self._asked:
                self._number += 1  # no two alike, or the guard against loops would drop one
                self._asked = time.perf_counter()
                self.sock.send(b"%d" % self._number)

    def listen(self) -> None:
        """Take it back."""
        self.sock.recv(SIZE)
        self._times.append(time.perf_counter() - self._asked)
        self._asked = 0.0

    def taken(self) -> list[float]:
        """The times since the last call; who is still under way has taken that long at least."""
        times, self._times = self._times, []
        return times + ([time.perf_counter() - self._asked] if self._asked else [])
