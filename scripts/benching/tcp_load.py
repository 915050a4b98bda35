"""Generators for TCP echo: many conversations in a closed loop, and connections that come and go."""

import itertools
import select
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress

from scripts.benching.contest import Tally
from scripts.benching.server import PATIENCE, Address

IP_BIND_ADDRESS_NO_PORT = 24  # ip(7); Python 3.11 has no name for it
SOURCES = 32  # addresses that connections come from: each has ports of its own, and TIME_WAIT keeps them
AT_ONCE = 32  # connections of the connect load that are open side by side
MESSAGE = 32  # bytes of a message there
VARIETY = 251  # different messages: a prime, so that nobody gets the same one twice in a row


def messages(size: int) -> Iterator[bytes]:
    """Messages without end, of all byte values, each unlike the one before."""
    alphabet = bytes(range(256)) * (size // 256 + 2)
    return itertools.cycle([alphabet[start : start + size] for start in range(VARIETY)])


def connect(address: Address, source: int) -> socket.socket:
    """A blocking connection from one of our addresses that gives up in the end."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    limit = struct.pack("@ll", int(PATIENCE), 0)  # struct timeval, socket(7): no poll(2) before every call
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
    try:
        sock.bind((f"127.0.0.{1 + source}", 0))
        sock.connect(address)
    except OSError:
        sock.close()
        raise
    return sock


def ask(sock: socket.socket, message: bytes) -> bool:
    """One echo on a blocking connection; whether it came back right."""
    sock.sendall(message)
    return sock.recv(len(message), socket.MSG_WAITALL) == message


class _Conversation:
    """One connection with one message under way."""

    def __init__(self, sock: socket.socket, size: int) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.message = b""
        self.answer = bytearray(size)
        self._space = memoryview(self.answer)
        self.missing = 0  # bytes of the answer still to come
        self._unsent = memoryview(b"")

    def say(self, message: bytes) -> bool:
        """Begin a round; False when the kernel did not take the whole message at once."""
        self.message = message
        self.missing = len(message)
        sent = self.sock.send(message)
        if sent == len(message):
            return True
        self._unsent = memoryview(message)[sent:]
        return False

    def go_on(self) -> bool:
        """Send more of the message; True when it is on its way."""
        with suppress(BlockingIOError):
            self._unsent = self._unsent[self.sock.send(self._unsent) :]
        return not self._unsent

    def listen(self) -> bool:
        """Take what has come back; True when that is all."""
        space = self._space[-self.missing :]
        size = self.sock.recv_into(space)
        if not size:
            raise ConnectionResetError("closed by the server")
        self.missing -= size
        return not self.missing


class EchoLoad:
    """Connections that each send a message, wait for its echo, and send the next."""

    def __init__(self, address: Address, connections: int, size: int) -> None:
        self._address = address
        self._count = connections
        self._size = size
        self._messages = messages(size)
        self._epoll = select.epoll()
        self._open: dict[int, _Conversation] = {}
        self._done = self._lost = self._wrong = 0

    def run(self, seconds: float) -> Tally:
        """See Load."""
        self._connect()
        self._done = self._lost = self._wrong = 0
        begun = time.monotonic()
        end = begun + seconds
        for fd in tuple(self._open):
            self._say(fd)
        busy = len(self._open)
        while busy:
            events = self._epoll.poll(PATIENCE)
            if not events:
                for fd in [fd for fd, talk in self._open.items() if talk.missing]:
                    self._lose(fd)
                break
            busy -= self._turn(events, asking=time.monotonic() < end)
        return Tally(self._done, self._lost, self._wrong, time.monotonic() - begun)

    def _turn(self, events: list[tuple[int, int]], *, asking: bool) -> int:
        """Deal with what is ready; returns how many connections have nothing more under way."""
        resting = 0
        for fd, mask in events:
            talk = self._open[fd]
            try:
                if mask & select.EPOLLOUT and talk.go_on():
                    self._epoll.modify(fd, select.EPOLLIN)
                if mask & ~select.EPOLLOUT and talk.listen():
                    if talk.answer == talk.message:
                        self._done += 1
                    else:
                        self._wrong += 1
                    if not asking:
                        resting += 1
                    elif not talk.say(next(self._messages)):
                        self._epoll.modify(fd, select.EPOLLIN | select.EPOLLOUT)
            except OSError:
                self._lose(fd)
                resting += 1
        return resting

    def _say(self, fd: int) -> None:
        try:
            if not self._open[fd].say(next(self._messages)):
                self._epoll.modify(fd, select.EPOLLIN | select.EPOLLOUT)
        except OSError:
            self._lose(fd)

    def _connect(self) -> None:
        """Open what is missing: all of them at first, later those that were lost."""
        while len(self._open) < self._count:
            sock = connect(self._address, len(self._open) % SOURCES)
            self._open[sock.fileno()] = _Conversation(sock, self._size)
            self._epoll.register(sock.fileno(), select.EPOLLIN)

    def _lose(self, fd: int) -> None:
        self._lost += 1
        self._epoll.unregister(fd)
        self._open.pop(fd).sock.close()

    def close(self) -> None:
        """See Load."""
        for talk in self._open.values():
            talk.sock.close()
        self._open.clear()
        self._epoll.close()


class ConnectLoad:
    """Connect, one echo, close; some side by side, so that the server always has one to take."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._messages = messages(MESSAGE)
        self._sources = itertools.cycle(range(SOURCES))

    def run(self, seconds: float) -> Tally:
        """See Load."""
        right = asked = 0
        begun = time.monotonic()
        end = begun + seconds
        while time.monotonic() < end:
            source, message = next(self._sources), next(self._messages)
            socks = [connect(self._address, source) for _ in range(AT_ONCE)]
            for sock in socks:
                sock.send(message)
            answers = [sock.recv(MESSAGE, socket.MSG_WAITALL) for sock in socks]
            for sock in socks:
                sock.close()
            asked += AT_ONCE
            right += answers.count(message)
        return Tally(right, 0, asked - right, time.monotonic() - begun)

    def close(self) -> None:
        """Nothing stays open between two windows."""
