"""The test packets of STAMP and TWAMP Light, octet by octet (RFC 8762, 4.2 and 4.3).

A request and its answer have the same size. Open packets are "unauthenticated" in the RFC, signed ones
"authenticated". Whatever must be zero is zeroed when sent, and ignored when received.
"""

import hmac
from struct import Struct
from typing import NamedTuple

from netechod.services.stamp.timestamps import ntp_age, ntp_of

PORT = 862  # IANA: twamp-test (RFC 8545)
LEAST_REQUEST = 14  # octets: number, timestamp and error estimate of a TWAMP sender (RFC 5357, 4.1.2)
LEAST_ANSWER = 38  # octets: up to the sender's error estimate, as TWAMP reflectors without padding have it
DEFAULT_KEY = "default"  # the id of the key for sessions without a key of their own

_MAC_AT, _MAC_END = 96, 112  # the HMAC of a signed packet, over all before it (RFC 8762, 4.4)
_RECENT = 60_000_000_000  # nanoseconds: no timestamp of ours that circulates is older


class Layout(NamedTuple):
    """Where the fields of a base packet are, in octets from its start."""

    size: int
    timestamp: int  # T1 in a request, T3 in an answer
    error: int  # of that timestamp
    ssid: int
    received: int  # T2 in an answer
    returned: int  # T1 in an answer


OPEN = Layout(size=44, timestamp=4, error=12, ssid=14, received=16, returned=28)
SIGNED = Layout(size=112, timestamp=16, error=24, ssid=26, received=32, returned=64)

_OPEN_REQUEST = Struct(">IQHH28x")
_OPEN_ANSWER = Struct(">I8xHHQ14s2xB3x")
_SIGNED_REQUEST = Struct(">I12xQHH84x")
_SIGNED_ANSWER = Struct(">I20xHH4xQ8x4s12x10s6xB31x")
_READ_OPEN = Struct(">IQHHQIQH")
_READ_SIGNED = Struct(">I12xQHH4xQ8xI12xQH6xB31x")


class Facts(NamedTuple):
    """The facts that a reflector adds to a request."""

    number: int
    error: int  # its Error Estimate
    received: int  # NTP timestamp
    ttl: int


class Answer(NamedTuple):
    """The fields of an answer. Timestamps are those of the wire."""

    number: int
    sent: int  # T3
    error: int  # of T2 and T3
    ssid: int
    received: int  # T2
    sender_number: int
    sender_timestamp: int  # T1
    sender_error: int
    ttl: int | None  # of the request as it arrived; None if the answer is too short for it


class UnfinishedAnswer(bytes):
    """An answer without its time of leaving: see UnfinishedPayload, which it is."""

    tos: int
    _before: bytes  # the octets before the time of leaving
    _behind: bytes
    _key: bytes | None

    @classmethod
    def of(cls, packet: bytes, tos: int, key: bytes | None) -> "UnfinishedAnswer":
        """Return an answer that leaves in this traffic class, and is signed if there is a key."""
        answer = cls(packet)
        answer.tos, answer._key = tos, key
        at = OPEN.timestamp if key is None else SIGNED.timestamp
        answer._before, answer._behind = packet[:at], packet[at + 8 :]
        return answer

    def completed(self, now_ns: int) -> bytes:
        """Return the answer with `now_ns`, nanoseconds since the epoch, as its time of leaving, signed."""
        packet = b"".join((self._before, ntp_of(now_ns).to_bytes(8, "big"), self._behind))
        return packet if self._key is None else signed(packet, self._key)


def request(number: int, timestamp: int, error: int, ssid: int, *, is_signed: bool = False) -> bytes:
    """Return the base packet of a request. A signed one is without its HMAC yet."""
    layout = _SIGNED_REQUEST if is_signed else _OPEN_REQUEST
    return layout.pack(number, timestamp, error, ssid)


def answer_to(payload: bytes, facts: Facts, *, is_signed: bool) -> bytes:
    """Return the base packet of the answer to a request of its full size, without T3 and HMAC."""
    number, error, received, ttl = facts
    if is_signed:
        ssid = int.from_bytes(payload[SIGNED.ssid : SIGNED.ssid + 2], "big")
        at = SIGNED.timestamp
        return _SIGNED_ANSWER.pack(number, error, ssid, received, payload[:4], payload[at : at + 10], ttl)
    ssid = int.from_bytes(payload[OPEN.ssid : OPEN.ssid + 2], "big")
    return _OPEN_ANSWER.pack(number, error, ssid, received, payload[:LEAST_REQUEST], ttl)


def read_answer(payload: bytes, *, is_signed: bool) -> Answer | None:
    """Return the fields of an answer; None if it is too short. Its HMAC is another matter."""
    if is_signed:
        if len(payload) < SIGNED.size:
            return None
        return Answer._make(_READ_SIGNED.unpack_from(payload))
    if len(payload) < LEAST_ANSWER:
        return None
    return Answer._make((*_READ_OPEN.unpack_from(payload), payload[40] if len(payload) > 40 else None))


def is_recent_answer(payload: bytes, layout: Layout, now_ns: int) -> bool:
    """Return whether a packet is an answer of the last minute: ours, sent back, or one to an answer of ours.

    An answer is a valid request: between two reflectors one forged packet would circulate for ever. But where
    a request has zeros, an answer of ours has the time of arrival, and an answer to it our time of leaving,
    whoever the other reflector is.
    """
    for at in (layout.received, layout.returned):
        field = payload[at : at + 8]
        if field.strip(b"\0") and abs(ntp_age(int.from_bytes(field, "big"), now_ns)) < _RECENT:
            return True
    return False


def signed(packet: bytes, key: bytes) -> bytes:
    """Return the packet with the HMAC that the key makes."""
    return b"".join((packet[:_MAC_AT], mac_of(packet[:_MAC_AT], key), packet[_MAC_END:]))


def is_signed_with(payload: bytes, key: bytes) -> bool:
    """Return whether the key made the HMAC of a packet. A wrong HMAC takes as long as the right one."""
    mac = payload[_MAC_AT:_MAC_END]
    return len(payload) >= SIGNED.size and hmac.compare_digest(mac, mac_of(payload[:_MAC_AT], key))


def mac_of(octets: bytes, key: bytes) -> bytes:
    """Return HMAC-SHA-256, cut to 16 octets (RFC 8762, 4.4)."""
    return hmac.digest(key, octets, "sha256")[:16]
