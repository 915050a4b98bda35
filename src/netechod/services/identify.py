"""Identify: each question is answered by one line of JSON that says who was asked by whom.

People put it behind load balancers and routers, to see where their packets go. An answer is one of ANSWER's
shape, and no answer is answered: two servers that identify themselves to each other fall silent at once.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import count

from netechod.services.api import Datagram, Outbox, Peer, StreamSession
from netechod.services.wire import MAX_DATAGRAM, host_port, text_of, truncate_utf8

ANSWER = b'{"n":'
"""The beginning of every answer."""

MAX_ASKED = 128  # bytes of a question that its answer repeats; escaped, they take six times as many at most
LINES = 32  # questions of a connection that are answered in one piece

_ENVIRONMENT = {
    "pod": "POD_NAME",
    "namespace": "POD_NAMESPACE",
    "instance": "NETECHOD_INSTANCE",
}
_MAX_NAME = 253  # characters of a name (RFC 1035, 2.3.4)


class Identity:
    """The server, as its answers describe it. It counts them, over all connections and sockets."""

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        """`name` is that of the host. The environment may say more, as Kubernetes lets a pod say it."""
        given = {key: environment.get(variable, "") for key, variable in _ENVIRONMENT.items()}
        self._node = (environment.get("NODE_NAME") or name)[:_MAX_NAME]
        self._names = {key: value[:_MAX_NAME] for key, value in {"name": name, **given}.items() if value}
        self._numbers = count(1)

    def answer(
        self, question: bytes, client: str, server: str, *, proxy: str = "", limit: int = MAX_DATAGRAM
    ) -> bytes | None:
        """Return the answer to a question, with as many fields as fit `limit` bytes; None if that is none.

        The most useful fields come first. An answer that is too long loses fields from its end.
        """
        asked = truncate_utf8(question, MAX_ASKED).decode(errors="backslashreplace")
        via = {"proxy": proxy} if proxy else {}
        ends = {"node": self._node, "client": client, "server": server, **via, **self._names, "asked": asked}
        number = next(self._numbers)
        while ends:
            line = json.dumps({"n": number, **ends}, separators=(",", ":")).encode() + b"\n"
            if len(line) <= limit:
                return line
            ends.popitem()
        return None


class IdentifyService:
    """Identify over UDP: a datagram is a question. Its payload tells which address of ours was asked."""

    def __init__(self, identity: Identity, address_of: Callable[[Peer], tuple[str, int]]) -> None:
        self.dropped: Counter[str] = Counter()  # by reason
        self._identity = identity
        self._address_of = address_of

    def datagrams_received(self, batch: Sequence[Datagram], now: float, out: Outbox) -> None:
        """See DatagramService."""
        for payload, peer in batch:
            if payload.startswith(ANSWER):
                self.dropped["loop"] += 1
                continue
            client, server = (
                host_port(*self._address_of(peer)),
                host_port(*getattr(payload, "asked", ("", 0))),
            )
            answer = self._identity.answer(text_of(payload), client, server, limit=out.limit)
            if answer is None:
                self.dropped["short"] += 1
            else:
                out.send(answer, peer)

    def next_deadline(self) -> float | None:
        """See DatagramService. There are no deadlines."""
        return None

    def deadline_reached(self, now: float, out: Outbox) -> None:
        """See DatagramService."""


class IdentifySession(StreamSession):
    """Identify over TCP: a line is a question, and so is what stands behind the last one."""

    def __init__(self, answer: Callable[[bytes], bytes | None]) -> None:
        """`answer` returns the answer to one question."""
        self._answer = answer
        self._heard = bytearray()  # bytes in which lines have yet to be found
        self._line = bytearray()  # the beginning of a line whose end has not come yet

    def data_received(self, data: memoryview) -> bytes:
        """See StreamSession."""
        self._heard += data
        return self.more() or b""

    def more(self) -> bytes | None:
        """See StreamSession."""
        piece = bytearray()
        for number in range(LINES):
            line = self._next_line()
            if line is None:
                return bytes(piece) if number else None
            piece += self._answered(line)
        return bytes(piece)

    def eof_received(self) -> bytes:
        """See StreamSession."""
        return self._answered(bytes(self._line)) if self._line else b""

    def _next_line(self) -> bytes | None:
        """Take the next line off what was heard, at most MAX_ASKED bytes of it. Returns None for none."""
        line, heard = self._line, self._heard
        end = heard.find(b"\n")
        line += heard[: min(end, MAX_ASKED - len(line))] if end >= 0 else heard[: MAX_ASKED - len(line)]
        if end < 0:
            heard.clear()
            return None
        del heard[: end + 1]
        found = bytes(line)
        line.clear()
        return found

    def _answered(self, line: bytes) -> bytes:
        """Return the answer to a line. An answer of another server gets none."""
        return b"" if line.startswith(ANSWER) else self._answer(text_of(line)) or b""
