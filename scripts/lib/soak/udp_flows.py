"""UDP echo and look-ups: hits, misses, other spellings, silence where silence is due, and strangers."""

import random
import socket

from scripts.lib.soak.flow import Flow
from scripts.lib.soak.place import STRANGERS, WORDS, Place, expect, meaning_in

SOCKETS = 8  # each at an address of its own
IN_FLIGHT = 8  # questions asked before the first answer is taken
LARGEST = 65507  # bytes of a datagram
CROWD = 50  # strangers: peers have their places in the daemon's tables, which are full of them soon
QUERY = 400  # bytes, with padding, that earn a stranger any answer


class UdpFlow(Flow):
    """A flow over UDP: its sockets, and its counts of datagrams."""

    service = ""
    sources: tuple[str, ...] = ()

    def __init__(self, place: Place, rng: random.Random) -> None:
        super().__init__(place, rng)
        self.socks: list[socket.socket] = []

    def open(self) -> None:
        """See Flow."""
        for source in self.sources:
            self.socks.append(self.place.connect(self.service, source))

    def ask(self, sock: socket.socket, payload: bytes, service: str = "") -> None:
        """Send a datagram, which is in the books from now on."""
        sock.send(payload)
        self.counts[f"{service or self.service} said"] += 1

    def hear(self, sock: socket.socket, service: str = "") -> bytes:
        """The next datagram."""
        payload = sock.recv(LARGEST)
        self.counts[f"{service or self.service} heard"] += 1
        return payload

    def close(self) -> None:
        """See Flow."""
        for sock in self.socks:
            sock.close()


class LookUps(UdpFlow):
    """Words of the edition in use, as the file has them or otherwise spelled, and words of none."""

    service = "dictionary"
    sources = (*(f"127.0.3.{number}" for number in range(1, SOCKETS)), "::1")

    def turn(self) -> None:
        """Some questions at once, and their answers in the same order."""
        sock, oldest = self.rng.choice(self.socks), self.place.loaded
        words = [self.rng.randrange(WORDS + WORDS // 10) for _ in range(IN_FLIGHT)]
        for word in words:
            self.ask(sock, self._spelled(word))
            if not self.rng.randrange(8):
                self.ask(sock, self.rng.choice([b"", b"\0word1", b"unknown", b"\r\n"]))  # no answer
                self.counts["dictionary silent"] += 1
        for word in words:
            answer = self.hear(sock).decode()
            editions = range(oldest, self.place.written + 1)
            right = {meaning_in(edition, word) if word < WORDS else "unknown" for edition in editions}
            expect(answer in right, f"word{word} is {answer!r} instead of {right}")

    def _spelled(self, word: int) -> bytes:
        """One of the ways to ask for a word."""
        return self.rng.choice(
            [
                b"word%d" % word,
                b"word%d\n" % word,
                b"WORD%d" % word,
                b"Word%d\0\xff\x1b[2J" % word,
                (b"word%d" % word).ljust(QUERY, b"\0"),
            ]
        )


class UdpEchoes(UdpFlow):
    """Datagrams of any size, from none to the largest, each numbered."""

    service = "echo-udp"
    sources = (*(f"127.0.3.{number}" for number in range(1, SOCKETS)), "::1")

    def turn(self) -> None:
        """Some at once, and their echoes in the same order; a large one alone."""
        sock = self.rng.choice(self.socks)
        sizes = [self.rng.choice([0, self.rng.randrange(1500)]) for _ in range(IN_FLIGHT)]
        if not self.rng.randrange(10):
            sizes = [self.rng.choice([LARGEST, self.rng.randrange(LARGEST)])]
        payloads = [self.rng.randbytes(size) for size in sizes]
        for payload in payloads:
            self.ask(sock, payload)
        for payload in payloads:
            expect(self.hear(sock) == payload, f"{len(payload)} bytes came back as others")


class Strangers(UdpFlow):
    """Clients that are not trusted: look-ups are answered, echo is silent, and chat wants a cookie."""

    service = "dictionary"
    sources = tuple(f"{STRANGERS}.{number}" for number in range(1, CROWD + 1))

    def open(self) -> None:
        """See Flow: the sockets for one service after the other."""
        for service in ("dictionary", "echo-udp", "chat"):
            for source in self.sources:
                self.socks.append(self.place.connect(service, source))

    def turn(self) -> None:
        """One of them."""
        number, word, oldest = self.rng.randrange(CROWD), self.rng.randrange(WORDS), self.place.loaded
        asker, echo, chat = self.socks[number::CROWD]
        self.ask(echo, b"is anybody there?", "echo-udp")  # no answer
        self.counts["echo-udp silent"] += 1
        self.ask(asker, (b"word%d" % word).ljust(QUERY, b"\0"))
        answer = self.hear(asker).decode()
        right = {meaning_in(edition, word) for edition in range(oldest, self.place.written + 1)}
        expect(answer in right, f"word{word} is {answer!r} instead of {right}")
        self.ask(chat, b"online", "chat")
        challenge = self.hear(chat, "chat")
        expect(challenge.startswith(b"challenge "), f"{challenge!r} instead of a challenge")
        self.ask(chat, b"online " + challenge[:9:-1], "chat")
        expect(self.hear(chat, "chat").startswith(b"challenge "), "a cookie that is none was taken")
