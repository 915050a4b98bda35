"""The TLVs behind the base packet (RFC 8972, 4): what a sender asks for beyond times and numbers.

A TLV is flags (1), type (1), length of the value (2), value. Return Path, Destination Node Address and
Reflected Control (RFC 9503 and later) are never obeyed: they send answers to third parties.
"""

import hmac
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

from netechod.services.stamp.packets import mac_of

UNRECOGNIZED = 0x80  # flag U: the sender sets it, and a reflector that knows the type clears it
MALFORMED = 0x40  # flag M
FAILED = 0x20  # flag I: the HMAC is wrong
HEAD = 4  # octets before a value
MAC = 16  # octets of an HMAC
MAX_TLVS = 64  # in one packet; the next one counts as malformed, so that no packet costs more than that

NTP_SOURCE, FREE_RUNNING = 1, 5  # kinds of synchronization (RFC 8972, 4.3)
LOCAL_SOFTWARE = 2  # how timestamps are taken: by software of the host


class Type(IntEnum):
    """The types that are understood."""

    EXTRA_PADDING = 1
    LOCATION = 2
    TIMESTAMP_INFORMATION = 3
    CLASS_OF_SERVICE = 4
    DIRECT_MEASUREMENT = 5
    ACCESS_REPORT = 6
    HMAC = 8


_KNOWN = frozenset(int(one) for one in Type)

_LENGTHS: Mapping[int, int] = {
    Type.TIMESTAMP_INFORMATION: 4,
    Type.CLASS_OF_SERVICE: 4,
    Type.DIRECT_MEASUREMENT: 12,
    Type.ACCESS_REPORT: 4,
    Type.HMAC: MAC,
}
"""Octets of the values that have a fixed length."""

_ADDRESS = 16  # octets of an address in a sub-TLV, an IPv4 address with zeros behind it
_DESTINATION_IP, _SOURCE_IP = 4, 7  # sub-TLVs of Location; the type for IPv4 is one more, for IPv6 two
_ACCESS_IDS = (1, 2)  # 3GPP and non-3GPP: the others are invalid (RFC 8972, 4.6)


class Tlv(NamedTuple):
    """A TLV of a packet."""

    start: int  # of its head, from the start of the tail
    type: int
    value: bytes

    @property
    def value_at(self) -> int:
        """Where its value starts, from the start of the tail."""
        return self.start + HEAD


class Ends(NamedTuple):
    """Address and port of both ends; an empty address is not known."""

    source: tuple[str, int]
    destination: tuple[str, int]


class Situation(NamedTuple):
    """How a packet arrived, and how it is answered: what the TLVs are filled with."""

    tos: int  # the traffic class that it arrived in
    copies_dscp: bool = True  # whether the sender may choose the traffic class of the answer
    is_synchronized: bool = False
    received: int | None = None  # packets of the session so far, this one included; None without a session
    sent: int = 0  # answers of the session so far, this one included
    ends: Ends | None = None
    key: bytes | None = None  # of the HMAC TLV
    is_signed: bool = False  # whether all TLVs must be covered by one
    request_number: bytes = b""  # the sequence number, 4 octets
    answer_number: bytes = b""


def tlv(type_: int, value: bytes) -> bytes:
    """Return a TLV as a sender sends it."""
    return bytes((UNRECOGNIZED, type_)) + len(value).to_bytes(2, "big") + value


def with_mac(tail: bytes, number: bytes, key: bytes) -> bytes:
    """Return TLVs with the HMAC TLV that covers them and the sequence number."""
    return tail + tlv(Type.HMAC, mac_of(number + tail, key))


def parse(tail: bytes) -> tuple[list[Tlv], int]:
    """Return the TLVs up to the end or the first malformed one, and where that starts (or the end)."""
    found, end = _split(tail)
    for place, one in enumerate(found):
        if _is_malformed(one):
            return found[:place], one.start
    return found, end


def _split(tail: bytes) -> tuple[list[Tlv], int]:
    """Return the TLVs, or sub-TLVs, whose heads and values are whole, and where they end."""
    found: list[Tlv] = []
    start = 0
    while start < len(tail) and len(found) < MAX_TLVS:
        head, end = tail[start : start + HEAD], start + HEAD
        end += int.from_bytes(head[2:], "big")
        if len(head) < HEAD or end > len(tail):
            break
        found.append(Tlv(start, head[1], tail[start + HEAD : end]))
        start = end
    return found, start


def _is_malformed(one: Tlv) -> bool:
    match one.type:
        case Type.LOCATION:
            return len(one.value) < HEAD  # two ports
        case Type.ACCESS_REPORT:
            return len(one.value) != _LENGTHS[Type.ACCESS_REPORT] or one.value[0] >> 4 not in _ACCESS_IDS
        case _:
            return len(one.value) != _LENGTHS.get(one.type, len(one.value))


def reflect(tail: bytes, situation: Situation) -> tuple[bytes, int | None]:
    """Return the tail that goes back, of the same size, and the traffic class that it asks for, if any.

    Every STAMP sender sets flag U of the first TLV. Where it is clear the tail is the padding of a TWAMP
    sender, and goes back as it came (RFC 8762, 4.3).
    """
    if not tail or not tail[0] & UNRECOGNIZED:
        return tail, None
    tlvs, end = parse(tail)
    answer = bytearray(tail)
    is_authentic = _is_authentic(tail, tlvs, end, situation)
    for one in tlvs:
        flags = 0 if _is_understood(one, situation) else UNRECOGNIZED
        if not is_authentic:
            flags |= FAILED
        elif not flags and one.type in _FILL:
            _FILL[one.type](answer, one, situation)
        answer[one.start] = flags
    if end < len(tail):
        known = end + 1 < len(tail) and tail[end + 1] in _KNOWN
        answer[end] = MALFORMED if known else UNRECOGNIZED | MALFORMED
    if is_authentic:
        _sign(answer, tlvs, situation)
    return bytes(answer), _wanted_tos(tlvs) if is_authentic and situation.copies_dscp else None


def _is_understood(one: Tlv, situation: Situation) -> bool:
    """Return whether there is something to fill it with."""
    match one.type:
        case Type.DIRECT_MEASUREMENT:
            return situation.received is not None
        case Type.HMAC:
            return situation.key is not None
        case Type.LOCATION:
            return situation.ends is not None
        case _:
            return one.type in _KNOWN


def _is_authentic(tail: bytes, tlvs: Sequence[Tlv], end: int, situation: Situation) -> bool:
    """Return whether the HMAC TLV is right; without one, whether none is needed (RFC 8972, 4.8)."""
    if situation.key is None:
        return True
    rest = [one for one in tlvs if one.type != Type.EXTRA_PADDING]
    macs = [one for one in rest if one.type == Type.HMAC]
    if not macs:
        return not situation.is_signed or (not rest and end == len(tail))
    mac = rest[-1]
    covered = situation.request_number + tail[: mac.start]
    is_last = len(macs) == 1 and mac.type == Type.HMAC and end == len(tail)
    return is_last and hmac.compare_digest(mac.value, mac_of(covered, situation.key))


def _sign(answer: bytearray, tlvs: Sequence[Tlv], situation: Situation) -> None:
    for one in tlvs:
        if one.type == Type.HMAC and situation.key is not None:
            covered = situation.answer_number + answer[: one.start]
            answer[one.value_at : one.value_at + MAC] = mac_of(covered, situation.key)


def _wanted_tos(tlvs: Sequence[Tlv]) -> int | None:
    """Return the traffic class that a Class of Service TLV asks for: DSCP1 is its first 6 bits."""
    return next((one.value[0] & 0xFC for one in tlvs if one.type == Type.CLASS_OF_SERVICE), None)


def _fill_location(answer: bytearray, one: Tlv, situation: Situation) -> None:
    """Tell the sender how its packet looked here: ports, and in sub-TLVs the addresses."""
    assert situation.ends is not None  # noqa: S101 (for the type checker: else it is not understood)
    source, destination = situation.ends
    at = one.value_at
    answer[at : at + HEAD] = destination[1].to_bytes(2, "big") + source[1].to_bytes(2, "big")
    hosts = {_DESTINATION_IP: destination[0], _SOURCE_IP: source[0]}
    for sub in _split(one.value[HEAD:])[0]:
        host = hosts.get(sub.type)
        if host and len(sub.value) == _ADDRESS:
            start = at + HEAD + sub.start
            answer[start : start + HEAD + _ADDRESS] = _address(sub.type, host)


def _address(generic: int, host: str) -> bytes:
    """Return an address as a sub-TLV: the type says which IP it is."""
    ip = ip_address(host.partition("%")[0])
    if isinstance(ip, IPv6Address):
        ip = ip.ipv4_mapped or ip
    return bytes((0, generic + (1 if ip.version == 4 else 2), 0, _ADDRESS)) + ip.packed.ljust(_ADDRESS, b"\0")


def _fill_timestamp_information(answer: bytearray, one: Tlv, situation: Situation) -> None:
    source = NTP_SOURCE if situation.is_synchronized else FREE_RUNNING
    answer[one.value_at : one.value_at + HEAD] = bytes((source, LOCAL_SOFTWARE) * 2)


def _fill_class_of_service(answer: bytearray, one: Tlv, situation: Situation) -> None:
    """Write DSCP2 and ECN, as the packet arrived, and RP, whether its wish is refused.

    The 16 bits are DSCP1 (6), DSCP2 (6), ECN (2), RP (2).
    """
    wish = one.value[0] & 0xFC
    refused = int(not situation.copies_dscp)
    bits = wish << 8 | situation.tos << 2 | refused
    answer[one.value_at : one.value_at + 2] = bits.to_bytes(2, "big")


def _fill_direct_measurement(answer: bytearray, one: Tlv, situation: Situation) -> None:
    received, sent = (situation.received or 0) & 0xFFFF_FFFF, situation.sent & 0xFFFF_FFFF
    at = one.value_at + 4
    answer[at : at + 8] = received.to_bytes(4, "big") + sent.to_bytes(4, "big")


_FILL: Mapping[int, Callable[[bytearray, Tlv, Situation], None]] = {
    Type.LOCATION: _fill_location,
    Type.TIMESTAMP_INFORMATION: _fill_timestamp_information,
    Type.CLASS_OF_SERVICE: _fill_class_of_service,
    Type.DIRECT_MEASUREMENT: _fill_direct_measurement,
}
