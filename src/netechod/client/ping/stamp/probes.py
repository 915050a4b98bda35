"""The probes of a run, and what answers them."""

import os
from collections.abc import Callable
from operator import ne
from typing import NamedTuple

from netechod.client.ping.payload import RECENT, Reading
from netechod.services.stamp.packets import (
    OPEN,
    SIGNED,
    Answer,
    Layout,
    is_signed_with,
    read_answer,
    request,
    signed,
)
from netechod.services.stamp.timestamps import error_estimate, ntp_of
from netechod.services.stamp.tlv import HEAD, Type, tlv
from netechod.services.wire import MAX_DATAGRAM

SIZES = (OPEN.size, *range(OPEN.size + HEAD, MAX_DATAGRAM + 1))
"""Payloads of open probes: the base packet, from 4 octets more on with a TLV for padding."""


class ProbeStyle(NamedTuple):
    """How the probes of a run are made."""

    ssid: int
    is_ssid_strict: bool = False  # whether an answer with SSID zero is not ours
    has_zero_padding: bool = False
    key: bytes | None = None  # signs the probes
    tos: int = 0  # traffic class
    source_port: int = 0

    @property
    def layout(self) -> Layout:
        """Return where the fields of a probe are."""
        return OPEN if self.key is None else SIGNED


class Reflection(NamedTuple):
    """An answer to a probe."""

    reading: Reading
    answer: Answer
    is_extra: bool  # whether it answers the probe that repeats a number


class _Sent(NamedTuple):
    timestamp: int
    size: int


class Probes:
    """The probes of one run: numbered from 0 on the wire, from 1 for people."""

    def __init__(self, style: ProbeStyle, clock_error: Callable[[], float | None]) -> None:
        self._style = style
        self._clock_error = clock_error
        self._sent: dict[int, _Sent] = {}
        self._extra: int | None = None  # timestamp of the extra probe
        self._noise = bytes(MAX_DATAGRAM) if style.has_zero_padding else os.urandom(MAX_DATAGRAM)

    def make(self, number: int, size: int, wall_ns: int) -> bytes:
        """Return a probe that leaves at `wall_ns`, nanoseconds since the epoch."""
        timestamp = ntp_of(wall_ns)
        self._sent[number] = _Sent(timestamp, size)
        if len(self._sent) > RECENT:
            del self._sent[next(iter(self._sent))]
        return self._packet(number, size, timestamp)

    def make_extra(self, number: int, size: int, wall_ns: int) -> bytes:
        """Return one that repeats a number: a reflector that counts will not."""
        self._extra = ntp_of(wall_ns)
        return self._packet(number, size, self._extra)

    def _packet(self, number: int, size: int, timestamp: int) -> bytes:
        style = self._style
        error = error_estimate(self._clock_error())
        base = request(
            (number - 1) & 0xFFFF_FFFF, timestamp, error, style.ssid, is_signed=style.key is not None
        )
        if style.key is not None:
            base = signed(base, style.key)
        return base + self._tail(size)

    def _tail(self, size: int) -> bytes:
        room = size - self._style.layout.size
        return tlv(Type.EXTRA_PADDING, self._noise[: room - HEAD]) if room else b""

    def number_of(self, data: bytes) -> int:
        """Return the number of the probe that begins so; 0 if none does."""
        number = int.from_bytes(data[:4], "big") + 1
        at = self._style.layout.timestamp
        sent = self._sent.get(number)
        told = data[at : at + 8]
        is_it = sent is not None and sent.timestamp.to_bytes(8, "big").startswith(told)
        return number if is_it and len(data) >= 4 else 0

    def match(self, payload: bytes) -> Reflection | None:
        """Return the answer in a datagram; None if it answers no probe."""
        style = self._style
        answer = read_answer(payload, is_signed=style.key is not None)
        if answer is None or (style.key is not None and not is_signed_with(payload, style.key)):
            return None
        if answer.ssid != style.ssid and (answer.ssid or style.is_ssid_strict):
            return None
        number = answer.sender_number + 1
        sent = self._sent.get(number)
        is_extra = answer.sender_timestamp == self._extra
        if sent is None or not (is_extra or answer.sender_timestamp == sent.timestamp):
            return None
        return Reflection(Reading(number, len(payload), self._damage(payload, sent.size)), answer, is_extra)

    def _damage(self, payload: bytes, size: int) -> int:
        """Return how many octets of the padding differ. A reflector may cut it, and writes into its head."""
        start = self._style.layout.size + HEAD
        return sum(map(ne, payload[start:], self._tail(size)[HEAD:]))
