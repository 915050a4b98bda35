"""Echo: all received bytes are sent back (RFC 862). The tutorials' variant signs each chunk."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from netechod.services.api import Chunk, Datagram, Outbox, StreamSession

TUTORIAL_CHUNK = 1023  # bytes that the tutorials' server reads at once: its buffer of 1024 less a final NUL
TUTORIAL_SUFFIX = b"[server echo]"


class EchoService:
    """UDP echo: it sends every datagram back, empty ones, too (RFC 862, UDP Based Echo Service)."""

    def __init__(self) -> None:
        self.dropped: Counter[str] = Counter()  # stays empty: echo answers everything

    def datagrams_received(self, batch: Sequence[Datagram], now: float, out: Outbox) -> None:
        """See DatagramService. The batch is its own answer."""
        out.send_back(batch)

    def next_deadline(self) -> float | None:
        """See DatagramService. There are no deadlines."""
        return None

    def deadline_reached(self, now: float, out: Outbox) -> None:
        """See DatagramService."""


class EchoSession(StreamSession):
    """TCP echo: it sends all bytes back, in order."""

    def data_received(self, data: memoryview) -> Chunk:
        """See StreamSession. The answer is the chunk itself, without a copy."""
        return data

    def eof_received(self) -> Chunk:
        """See StreamSession."""
        return b""


class TutorialEchoSession(EchoSession):
    """The tutorials' echo signs each chunk that it reads. So its answer depends on the segmentation."""

    def data_received(self, data: memoryview) -> Chunk:
        """Cut the data into the pieces that the tutorials' server would read, and sign each piece."""
        pieces = (data[start : start + TUTORIAL_CHUNK] for start in range(0, len(data), TUTORIAL_CHUNK))
        return b"".join(part for piece in pieces for part in (piece, TUTORIAL_SUFFIX))


def echo_session(mode: Literal["rfc862", "tutorial"]) -> EchoSession:
    """Return the session for `mode`. It has no state, so one object serves all connections."""
    return EchoSession() if mode == "rfc862" else TutorialEchoSession()
