"""STAMP without sockets: a reflector to talk to."""

from collections.abc import Sequence

from support.recorder import Recorder

from netechod.services.api import MeasuredPayload, Peer
from netechod.services.stamp.packets import UnfinishedAnswer
from netechod.services.stamp.reflector import Settings, StampReflector
from netechod.services.stamp.timestamps import SECOND

ASKED = ("192.0.2.2", 862)  # address and port of the reflector
SENDER = ("192.0.2.1", 5000)
NOW = 1_796_062_694 * SECOND


def arrived(
    payload: bytes, received_ns: int = 0, ttl: int = 64, tos: int = 0, asked: tuple[str, int] = ("", 0)
) -> MeasuredPayload:
    """Return a payload that has travelled so."""
    made = MeasuredPayload(payload)
    made.received_ns, made.ttl, made.tos, made.asked = received_ns, ttl, tos, asked
    return made


class Point:
    """A reflector with a clock of its own; what it queues leaves at once."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.now_ns = NOW
        self.error: float | None = None
        self.reflector = StampReflector(
            wall_ns=lambda: self.now_ns, clock_error=lambda: self.error, address_of=lambda peer: SENDER
        )
        self.reflector.configure(settings or Settings(trusts=lambda peer: True))

    def hears(self, payload: bytes, peer: Peer = "ann", now: float = 0.0) -> bytes | None:
        """Return the answer as it leaves; None for silence."""
        answer = self.queues(payload, peer, now)
        return None if answer is None else answer.completed(self.now_ns)

    def queues(self, payload: bytes, peer: Peer = "ann", now: float = 0.0) -> UnfinishedAnswer | None:
        """Return the answer as it is queued; None for silence."""
        out = Recorder()
        self.reflector.datagrams_received([(payload, peer)], now, out)
        answers: Sequence[tuple[str, bytes, object]] = out.take()
        if not answers:
            return None
        [(kind, answer, to)] = answers
        assert (kind, to) == ("send", peer)
        assert isinstance(answer, UnfinishedAnswer)
        return answer
