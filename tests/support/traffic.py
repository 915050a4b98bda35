"""Requests of every kind, without a pause, while something is done to the daemon that must not cost any."""

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from socket import SOCK_STREAM, socket
from types import TracebackType
from typing import Self

from support.daemon import PATIENCE
from support.machine import CHAT, DICTIONARY, ECHO, Machine

WORDS = (("apple", "苹果"), ("banana", "香蕉"), ("nowhere to be found", "unknown"))
MEMBERS = 5
CONNECTIONS = 4
CHUNK = 20_000  # bytes, more than one segment and less than what waits in the kernel
GOING_ON = 20  # turns of each kind that show that it goes on


class Flow:
    """One kind of request, made again and again: a turn ends when all of it is answered, and rightly so."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.turns = 0
        self.slowest = 0.0  # seconds that a turn has taken

    def turn(self) -> None:
        """One request and its answer."""
        raise NotImplementedError

    def close(self) -> None:
        """Close what is open."""


class LookUps(Flow):
    """Questions to the dictionary, each asked once: UDP loses none on one machine, so none may be lost.

    No question is that before it: out of many that are, the guard against loops drops one.
    """

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        self._sock = machine.connect(DICTIONARY)

    def turn(self) -> None:
        question, answer = WORDS[self.turns % len(WORDS)]
        self._sock.send(question.encode())
        heard = self._sock.recv(2048).decode()
        assert heard == answer, heard

    def close(self) -> None:
        self._sock.close()


class Visits(Flow):
    """Connections that are made, used and closed: none is refused, none is reset."""

    def turn(self) -> None:
        with self.machine.connect(ECHO, SOCK_STREAM) as sock:
            sock.sendall(b"hello")
            assert receive(sock, 5) == b"hello"


class Echoes(Flow):
    """Connections that stay: every byte comes back, in its order."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        self._socks = [machine.connect(ECHO, SOCK_STREAM) for _ in range(CONNECTIONS)]
        self._random = random.Random(1)

    def turn(self) -> None:
        chunk = self._random.randbytes(CHUNK)
        for sock in self._socks:
            sock.sendall(chunk)
        for sock in self._socks:
            assert receive(sock, CHUNK) == chunk, "a byte came back as another"

    def close(self) -> None:
        for sock in self._socks:
            sock.close()


class Conversation(Flow):
    """Members of the chat, who join once. What one says, all hear: this, once, and nothing else."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        self._members: list[socket] = []
        for _ in range(MEMBERS):
            self._members.append(machine.connect(CHAT))
            self._all_hear(self._members[-1], "online")

    def turn(self) -> None:
        self._all_hear(self._members[self.turns % MEMBERS], f"第{self.turns}句")

    def close(self) -> None:
        for member in self._members:
            member.close()

    def _all_hear(self, speaker: socket, text: str) -> None:
        speaker.send(text.encode())
        line = "{}--{}#{}".format(*speaker.getsockname(), text)
        for member in self._members:
            heard = member.recv(2048).decode()
            assert heard == line, f"heard {heard!r} instead of {line!r}"


class Traffic:
    """All of it at once, each kind on a thread of its own, until the block ends."""

    def __init__(self, machine: Machine) -> None:
        self.look_ups = LookUps(machine)
        self._flows = [self.look_ups, Visits(machine), Echoes(machine), Conversation(machine)]
        self._over = threading.Event()
        self._news = threading.Condition()
        self._pool = ThreadPoolExecutor(len(self._flows), "traffic")
        self._futures: list[Future[None]] = []

    def __enter__(self) -> Self:
        self._futures = [self._pool.submit(self._repeat, flow) for flow in self._flows]
        self.goes_on()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.goes_on()
        self._over.set()
        wait(self._futures)
        self._pool.shutdown()
        for flow in self._flows:
            flow.close()
        if error is None:
            self._check()

    def goes_on(self) -> None:
        """Wait until everybody has had some more answers."""
        goals = [flow.turns + GOING_ON for flow in self._flows]

        def reached() -> bool:
            return all(flow.turns >= goal for flow, goal in zip(self._flows, goals, strict=True))

        with self._news:
            self._news.wait_for(lambda: reached() or self._failed(), PATIENCE)
        self._check()
        assert reached(), {type(flow).__name__: flow.turns for flow in self._flows}

    def _failed(self) -> bool:
        return any(future.done() for future in self._futures)

    def _check(self) -> None:
        for future in self._futures:
            if future.done():
                future.result()

    def _repeat(self, flow: Flow) -> None:
        try:
            while not self._over.is_set():
                begun = time.perf_counter()
                flow.turn()
                flow.slowest = max(flow.slowest, time.perf_counter() - begun)
                with self._news:
                    flow.turns += 1
                    self._news.notify_all()
        except BaseException as error:  # for whoever waits: the future has it, a moment later
            error.add_note(f"in {type(flow).__name__}, turn {flow.turns}")
            raise
        finally:
            with self._news:
                self._news.notify_all()


def receive(sock: socket, size: int) -> bytes:
    """Read `size` bytes of a connection, or fewer if it ends."""
    parts = []
    while size and (part := sock.recv(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def timed(action: Callable[[], object]) -> float:
    """How many seconds an action takes."""
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun
