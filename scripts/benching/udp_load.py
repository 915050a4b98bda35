"""Generators for the datagram services: many questions in flight, and one at a time."""

import select
import socket
import struct
import time
from collections.abc import Mapping
from itertools import cycle, islice

from netechod.reactor.datagram_io import BATCH
from netechod.reactor.mmsg import BatchMemory, datagram_io
from netechod.services.api import Peer
from scripts.benching.contest import Tally
from scripts.benching.server import PATIENCE, Address

LOSS = 1.0  # seconds of silence after which what is in flight counts as lost


def echoes() -> Mapping[bytes, bytes]:
    """Questions for UDP echo, each its own answer: 32 bytes with a number, so that no two are alike."""
    payloads = [struct.pack("!Q", number) + bytes(range(128, 152)) for number in range(4096)]
    return {payload: payload for payload in payloads}


class WindowLoad:
    """As many questions in flight as a batch holds, from one socket, in batches both ways."""

    def __init__(self, address: Address, answers: Mapping[bytes, bytes]) -> None:
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind(("127.0.0.1", 0))
        self._io = datagram_io(self._sock, BatchMemory())
        self._poll = select.poll()
        self._poll.register(self._sock, select.POLLIN)
        peer = self._meet(address, next(iter(answers)))
        self._size = len(answers)
        around = self._size + BATCH  # some of them twice, so that no batch has to wrap around
        self._questions = list(islice(cycle([(question, peer) for question in answers]), around))
        self._answers = list(islice(cycle(answers.values()), around))
        self._next = 0
        self._awaited: list[bytes] = []  # answers, in the order of the questions in flight
        self._lost = self._wrong = 0

    def _meet(self, address: Address, question: bytes) -> Peer:
        """The server's address in the form that batches need: its first answer brings it."""
        self._sock.sendto(question, address)
        self._poll.poll(PATIENCE * 1000)
        batch = self._io.receive()
        if not batch:
            self._sock.close()
            raise TimeoutError(f"no answer within {PATIENCE:g} seconds")
        return batch[0][1]

    def run(self, seconds: float) -> Tally:
        """See Load."""
        done = self._lost = self._wrong = 0
        begun = time.monotonic()
        end = begun + seconds
        self._ask(BATCH)
        while self._awaited:
            asking = time.monotonic() < end
            if not self._poll.poll(LOSS * 1000):
                self._lost += len(self._awaited)
                self._awaited.clear()
            else:
                done += self._check([payload for payload, _ in self._io.receive()])
            if asking:
                self._ask(BATCH - len(self._awaited))
        return Tally(done, self._lost, self._wrong, time.monotonic() - begun)

    def _ask(self, count: int) -> None:
        start = self._next
        sent = self._io.send(self._questions[start : start + count]) if count else 0
        self._awaited += self._answers[start : start + sent]
        self._next = (start + sent) % self._size

    def _check(self, batch: list[bytes]) -> int:
        """How many of the answers are right. In order, as they should be, one comparison tells it."""
        count = len(batch)
        if batch == self._awaited[:count]:
            del self._awaited[:count]
            return count
        right = 0
        for payload in batch:
            if payload in self._awaited:
                self._awaited.remove(payload)
                right += 1
            else:  # it stands for the oldest question, whichever it was meant for
                del self._awaited[:1]
                self._wrong += 1
        return right

    def close(self) -> None:
        """See Load."""
        self._sock.close()


class SingleLoad:
    """One question, its answer, the next question: what one client feels."""

    def __init__(self, address: Address, answers: Mapping[bytes, bytes]) -> None:
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", int(PATIENCE), 0))
        self._sock.connect(address)
        self._questions = cycle(answers.items())

    def run(self, seconds: float) -> Tally:
        """See Load."""
        done = lost = wrong = 0
        send, receive = self._sock.send, self._sock.recv
        begun = time.monotonic()
        end = begun + seconds
        for question, answer in self._questions:
            send(question)
            try:
                right = receive(2048) == answer
            except BlockingIOError:
                lost += 1
            else:
                done += right
                wrong += not right
            if time.monotonic() >= end:
                break
        return Tally(done, lost, wrong, time.monotonic() - begun)

    def close(self) -> None:
        """See Load."""
        self._sock.close()
