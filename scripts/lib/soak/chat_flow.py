"""The chat: people come, talk, go, and some vanish; all hear each line, once and in its order."""

import random
import socket
import time

from scripts.lib.soak.place import Place, expect
from scripts.lib.soak.udp_flows import UdpFlow

REGULARS = 6  # members that stay
GUESTS = 6  # that come and go
FORGOTTEN = 30.0  # seconds within which the others hear of one who has vanished
TEXTS = ("你好", "hi", "x" * 1024, "e\u0301 🍎", "a # b", "Online", "offline!", "100 %")
REFUSED = (b"\x1b[2J", b"\xff\xfe", "\u202e".encode(), b"x" * 1025, b"a\nb")
PROMPT = "你还没有上线,请先上线,运行: online"
SILENT = (b"", b"\n", b"online", PROMPT.encode(), b"message refused: x")  # what a member gets no answer to


class Chat(UdpFlow):
    """The members act in turn. Each line reaches everybody who is online, and nothing else does."""

    service = "chat"
    sources = (*(f"127.0.4.{number}" for number in range(1, REGULARS + GUESTS)), "::1")

    def __init__(self, place: Place, rng: random.Random) -> None:
        super().__init__(place, rng)
        self._online: list[socket.socket] = []
        self._prompted: set[socket.socket] = set()  # who may have been told to come online first
        self._vanished = ""  # the name of one who has closed its socket without a word
        self._vanished_at = 0.0
        self._unaware: set[socket.socket] = set()  # of the regulars: who has not heard of that yet
        self._vanishings = 0

    def open(self) -> None:
        """See Flow: who stays comes online."""
        super().open()
        for sock in self.socks[:REGULARS]:
            self._comes(sock)

    def close(self) -> None:
        """See Flow: all go, without waiting for the others' farewells."""
        try:
            for sock in self._online:
                self.ask(sock, b"offline")
        finally:
            super().close()

    def turn(self) -> None:
        """Everybody who stays says something, and two of the other things happen."""
        for sock in self.socks[:REGULARS]:
            self._all_hear(sock, self.rng.choice(TEXTS))
        for guest in self._online[REGULARS:]:
            self.ask(guest, b"online")  # says nothing, but is still there
        guest = self.rng.choice(self.socks[REGULARS:])
        if guest in self._online:
            self._goes(guest)
        else:
            self._comes(guest)
        self.rng.choice([self._is_refused, self._says_nothing, self._vanishes])()

    def _comes(self, sock: socket.socket) -> None:
        if not self.rng.randrange(4):
            self.ask(sock, b"offline")  # of a stranger: nobody hears it
            self._prompted.add(sock)
        self._online.append(sock)
        self._all_hear(sock, "online")

    def _goes(self, sock: socket.socket) -> None:
        self._all_hear(sock, "offline")
        self._online.remove(sock)

    def _is_refused(self) -> None:
        sock = self.rng.choice(self._online)
        self.ask(sock, self.rng.choice(REFUSED))
        heard = self._next_line(sock)
        expect(heard.startswith("message refused: "), f"{heard!r} instead of a refusal")

    def _says_nothing(self) -> None:
        for payload in SILENT:
            self.ask(self.socks[0], payload)

    def _vanishes(self) -> None:
        """A member closes its socket. Only one at a time does, so that the others notice each."""
        if self._unaware:
            late = time.monotonic() - self._vanished_at > FORGOTTEN
            expect(not late, f"{self._vanished} is still online, and has not been there for {FORGOTTEN:g} s")
            return
        self._vanishings += 1
        with self.place.connect("chat", f"127.0.5.{1 + self._vanishings % 250}") as sock:
            self._comes(sock)
            self._online.remove(sock)
            self._vanished, self._vanished_at = name_of(sock), time.monotonic()
            self._unaware = set(self.socks[:REGULARS])

    def _all_hear(self, speaker: socket.socket, text: str) -> None:
        self.ask(speaker, text.encode())
        line = f"{name_of(speaker)}#{text}"
        for member in self._online:
            heard = self._next_line(member)
            expect(heard == line, f"{heard!r} was heard instead of {line!r}")

    def _next_line(self, member: socket.socket) -> str:
        """Return the next line that a member hears, without those that may come at any time."""
        while True:
            heard = self.hear(member).decode()
            if heard == PROMPT and member in self._prompted:
                self._prompted.remove(member)
            elif heard == f"{self._vanished}#offline":
                self._unaware.discard(member)
            else:
                return heard


def name_of(sock: socket.socket) -> str:
    """A member's name: address and port."""
    address, port = sock.getsockname()[:2]
    return f"{address}--{port}"
