"""The reflector: answers each test packet with the times of its arrival and of its own leaving.

It needs no set-up, so it must not be an amplifier or a partner in a loop. An answer has the size of its
request, or 44 octets if that is more, and goes to where the request came from. `is_recent_answer` ends loops.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from netechod.services.api import Datagram, MeasuredPayload, Outbox, Peer
from netechod.services.stamp.packets import (
    DEFAULT_KEY,
    LEAST_REQUEST,
    OPEN,
    SIGNED,
    Facts,
    Layout,
    UnfinishedAnswer,
    answer_to,
    is_recent_answer,
    is_signed_with,
)
from netechod.services.stamp.sessions import Session, SessionTable
from netechod.services.stamp.timestamps import error_estimate, ntp_of
from netechod.services.stamp.tlv import Ends, Situation, reflect

Authentication = Literal["off", "optional", "required"]

_DSCP = 0xFC  # bits of a traffic class; the other two are ECN, and answers are Not-ECT (RFC 7750, 2.2.1)


@dataclass(frozen=True)
class Settings:
    """What the operator has chosen. `trusts` says of a peer whether it may take a place in the table."""

    stateful: bool = True
    max_sessions: int = 4096
    session_timeout: float = 900.0  # seconds
    authentication: Authentication = "off"
    keys: Mapping[str, bytes] = field(default_factory=dict)  # by SSID in decimal, or DEFAULT_KEY
    copies_dscp: bool = True
    trusts: Callable[[Peer], bool] = lambda peer: False


class _Request:
    """A packet that is answered."""

    __slots__ = ("base", "is_signed", "key", "layout", "number", "payload", "peer")

    def __init__(self, payload: bytes, peer: Peer, key: bytes | None) -> None:
        self.payload = payload
        self.peer = peer
        self.key = key  # that signs it and its answer
        self.is_signed = key is not None
        self.layout = SIGNED if self.is_signed else OPEN
        size = self.layout.size
        self.base = payload[:size].ljust(size, b"\0")  # a TWAMP sender may leave out its end
        self.number = int.from_bytes(payload[:4], "big")

    @property
    def session_ssid(self) -> bytes:
        """Return the SSID that tells sessions apart, zero if there is none.

        A TWAMP sender may have random padding in its place. Then each packet would be a session.
        """
        at = self.layout.ssid
        has_one = self.is_signed or not self.base[at + 2 :].strip(b"\0")
        return self.base[at : at + 2] if has_one else b"\0\0"


class StampReflector:
    """A Session-Reflector (RFC 8762, 4.3).

    `wall_ns` returns the time in nanoseconds since the epoch. `clock_error` returns its error in seconds,
    None if nobody synchronizes it. `address_of` returns the address and port of a peer.
    """

    def __init__(
        self,
        *,
        wall_ns: Callable[[], int],
        clock_error: Callable[[], float | None],
        address_of: Callable[[Peer], tuple[str, int]] = lambda peer: ("", 0),
    ) -> None:
        self.dropped: Counter[str] = Counter()  # by reason
        self.sessions = SessionTable()
        self._stateless = 0
        self._wall_ns = wall_ns
        self._clock_error = clock_error
        self._address_of = address_of
        self._is_synchronized, self._error = False, error_estimate(None)  # of the clock, at the last batch
        self.configure(Settings())

    def configure(self, settings: Settings) -> None:
        """Answer by other settings from now on."""
        self._settings = settings
        limit = settings.max_sessions if settings.stateful else 0
        self.sessions.configure(limit, settings.session_timeout)

    @property
    def counters(self) -> dict[str, int]:
        """What there is to count besides datagrams and drops."""
        return {"stateless": self._stateless}

    def datagrams_received(self, batch: Sequence[Datagram], now: float, out: Outbox) -> None:
        """Queue the answer to each packet that deserves one."""
        error = self._clock_error()
        self._is_synchronized, self._error = error is not None, error_estimate(error)
        for payload, peer in batch:
            key = self._key_of(payload)
            objection = self._objection(payload, key)
            if objection is not None:
                self.dropped[objection] += 1
            else:
                out.send(self._answer(_Request(payload, peer, key), now), peer)

    def next_deadline(self) -> float | None:
        """A reflector waits for nothing: sessions are looked after when there is a new one."""
        return None

    def deadline_reached(self, now: float, out: Outbox) -> None:
        """Nothing is ever due."""

    def _key_of(self, payload: bytes) -> bytes | None:
        """Return the key that a packet is signed with; None if it is none of ours, or unsigned."""
        if self._settings.authentication == "off" or len(payload) < SIGNED.size:
            return None
        key = self._key_for(payload, SIGNED)
        return key if key is not None and is_signed_with(payload, key) else None

    def _key_for(self, payload: bytes, layout: Layout) -> bytes | None:
        """Return the key of the packet's session. No other is tried: that would cost an HMAC for each."""
        ssid = int.from_bytes(payload[layout.ssid : layout.ssid + 2], "big")
        keys = self._settings.keys
        return keys.get(str(ssid)) or keys.get(DEFAULT_KEY)

    def _objection(self, payload: bytes, key: bytes | None) -> str | None:
        """Return why a packet is not answered, as the name of a counter; None if it is."""
        if len(payload) < LEAST_REQUEST:
            return "malformed"
        if key is None and self._settings.authentication == "required":
            return "forged"
        layout = OPEN if key is None else SIGNED
        if not payload[layout.error + 1]:  # Multiplier 0 is invalid (RFC 4656, 4.1.2)
            return "malformed"
        return "reflected" if is_recent_answer(payload, layout, self._wall_ns()) else None

    def _answer(self, request: _Request, now: float) -> UnfinishedAnswer:
        payload = request.payload
        if not isinstance(payload, MeasuredPayload):
            payload = MeasuredPayload(payload)
        session = self._session_of(request, now)
        number = request.number if session is None else session.take(request.number, now)
        received = payload.received_ns or self._wall_ns()
        facts = Facts(number, self._error, ntp_of(received), payload.ttl)
        packet = answer_to(request.base, facts, is_signed=request.is_signed)
        copies_dscp = self._settings.copies_dscp
        tail, answer_tos = payload[request.layout.size :], payload.tos & _DSCP if copies_dscp else 0
        if tail:
            situation = Situation(
                payload.tos,
                copies_dscp,
                is_synchronized=self._is_synchronized,
                received=None if session is None else session.received,
                sent=0 if session is None else session.sent,
                ends=Ends(self._address_of(request.peer), payload.asked) if payload.asked[1] else None,
                key=self._tlv_key(request),
                is_signed=request.is_signed,
                request_number=request.base[:4],
                answer_number=packet[:4],
            )
            tail, wish = reflect(tail, situation)
            answer_tos = answer_tos if wish is None else wish
        return UnfinishedAnswer.of(packet + tail, answer_tos, request.key)

    def _session_of(self, request: _Request, now: float) -> Session | None:
        """Return the packet's session: a forger must not fill the table, so not everybody has one."""
        if not self.sessions.limit:
            return None
        key = (request.peer, request.session_ssid)
        if key not in self.sessions and not request.is_signed and not self._settings.trusts(request.peer):
            return None
        session = self.sessions.find(key, request.number, now)
        self._stateless += session is None
        return session

    def _tlv_key(self, request: _Request) -> bytes | None:
        """Return the key of an HMAC TLV, which an open packet may have, too."""
        if request.is_signed or self._settings.authentication == "off":
            return request.key
        return self._key_for(request.base, OPEN)
