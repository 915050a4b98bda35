"""Echo: all bytes that come in go out (RFC 862). The tutorials' variant signs each chunk."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from netechod.services.api import Chunk, Datagram, Outbox, StreamSession

TUTORIAL_CHUNK = 1023  # bytes the tutorials' server reads at once: its buffer of 1024 less the final NUL
TUTORIAL_SUFFIX = b"[server echo]"


class EchoService:
    """UDP echo: the same datagram back, an empty one included (RFC 862, UDP Based Echo Service)."""

    def __init__(self) -> None:
        self.dropped: Counter[str] = Counter()  # stays empty: echo answers everything

    def datagrams_received(self, batch: Sequence[Datagram], now: float, out: Outbox) -> None:
        """Queue every datagram for the peer that it came from: the batch is its own answer."""
        out.send_back(batch)

    def next_deadline(self) -> float | None:
        """Echo waits for nothing."""
        return None

    def deadline_reached(self, now: float, out: Outbox) -> None:
        """Nothing is ever due."""


class EchoSession(StreamSession):
    """TCP echo: the same bytes back, all 256 values, in order, nothing added."""

    def data_received(self, data: memoryview) -> Chunk:
        """Answer with the chunk itself: no copy."""
        return data

    def eof_received(self) -> Chunk:
        """Add nothing: all answers are on their way already."""
        return b""


class TutorialEchoSession(EchoSession):
    """The tutorials' echo signs each chunk that it reads, so its answer depends on the segmentation."""

    def data_received(self, data: memoryview) -> Chunk:
        """Cut the data as the tutorials' 1023-byte reads would have, and sign each piece."""
        pieces = (data[start : start + TUTORIAL_CHUNK] for start in range(0, len(data), TUTORIAL_CHUNK))
        return b"".join(part for piece in pieces for part in (piece, TUTORIAL_SUFFIX))


def echo_session(mode: Literal["rfc862", "tutorial"]) -> EchoSession:
    """Return the session for `mode`. Echo remembers nothing, so one object serves every connection."""
    return EchoSession() if mode == "rfc862" else TutorialEchoSession()
