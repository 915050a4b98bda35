"""Signed requests for commands and their signed answers, byte by byte. Service and client share this module.

A request is one datagram. An answer is one or more. The holder of the key can make and check both. They are
not encrypted. A request without a valid key gets no answer. The mac is HMAC-SHA-256 (RFC 2104, FIPS 198-1).
"""

import hashlib
import hmac
import json
import re
from collections.abc import Sequence
from typing import NamedTuple

MAX_DATAGRAM = 1200  # bytes of a request, and of each part of an answer: never fragmented (RFC 8085, 3.2)
PART = 1024  # bytes of output in a part: a round number that leaves room for the longest head
LIST = "?"  # in place of a name: asks for the commands of this key; no command can have this name

TRUNCATED, TIMEOUT, DENIED, BUSY = "truncated", "timeout", "denied", "busy"  # flags of an answer

KEY_ID = re.compile(r"[a-z0-9-]{1,32}")

_REQUEST = re.compile(
    rb"NX1 ([a-z0-9-]{1,32}) ([0-9]{1,12}) ([0-9A-Fa-f]{24}) ([0-9a-f]{64}) (.+)", re.ASCII | re.DOTALL
)
_ANSWER = re.compile(
    rb"NX1 ([0-9A-Fa-f]{24}) ([0-9]{1,5})/([0-9]{1,5}) ([0-9]{1,3}) (-|[a-z,]{1,40}) ([0-9a-f]{64})\n(.*)",
    re.ASCII | re.DOTALL,
)


class Request(NamedTuple):
    """A request as it arrived. No field may be trusted before `is_signed_with` has returned True."""

    key_id: str
    seconds: int  # since the epoch, by the sender's clock
    nonce: str
    mac: bytes
    text: bytes  # a JSON array of strings: the command's name and its arguments
    signed: bytes  # the bytes that the mac is computed over

    def is_signed_with(self, secret: bytes) -> bool:
        """Return whether it was made with `secret`. A wrong mac takes as long to check as the right one."""
        return hmac.compare_digest(self.mac, mac_of(secret, self.signed))

    def words(self) -> list[str] | None:
        """Return the command's name and its arguments; None if the text has another form."""
        try:
            words = json.loads(self.text)
        except (ValueError, RecursionError):  # RecursionError: a thousand brackets are enough
            return None
        fits = isinstance(words, list) and words and all(isinstance(word, str) for word in words)
        return words if fits else None


class Part(NamedTuple):
    """One datagram of an answer."""

    nonce: str
    number: int  # from 1
    parts: int
    status: int
    flags: frozenset[str]
    output: bytes


def mac_of(secret: bytes, signed: bytes) -> bytes:
    """Return the mac of `signed` as hexadecimal digits."""
    return hmac.new(secret, signed, hashlib.sha256).hexdigest().encode()


def request(key_id: str, secret: bytes, seconds: int, nonce: str, words: Sequence[str]) -> bytes:
    """Return the datagram that asks for a command. The caller checks its length."""
    text = json.dumps(list(words), ensure_ascii=False, separators=(",", ":")).encode()
    mac = mac_of(secret, f"NX1|{key_id}|{seconds}|{nonce}|".encode() + text)
    return f"NX1 {key_id} {seconds} {nonce} ".encode() + mac + b" " + text


def read_request(payload: bytes) -> Request | None:
    """Return the fields of a request; None if it is none. The JSON text is not parsed yet."""
    found = _REQUEST.fullmatch(payload) if len(payload) <= MAX_DATAGRAM else None
    if found is None:
        return None
    key_id, seconds, nonce, mac, text = found.groups()
    signed = b"|".join((b"NX1", key_id, seconds, nonce, text))
    return Request(key_id.decode(), int(seconds), nonce.decode(), mac, text, signed)


def answer(secret: bytes, nonce: str, status: int, flags: Sequence[str], output: bytes) -> list[bytes]:
    """Return the datagrams that answer the request with this nonce."""
    pieces = [output[start : start + PART] for start in range(0, len(output), PART)] or [b""]
    told = ",".join(flags) or "-"
    datagrams = []
    for number, piece in enumerate(pieces, 1):
        head = ("NX1", nonce, f"{number}/{len(pieces)}", str(status), told)
        mac = mac_of(secret, ("|".join(head) + "|").encode() + piece)
        datagrams.append(" ".join(head).encode() + b" " + mac + b"\n" + piece)
    return datagrams


def read_answer(payload: bytes, secret: bytes) -> Part | None:
    """Return a part of an answer; None if it was not made with `secret`."""
    found = _ANSWER.fullmatch(payload) if len(payload) <= MAX_DATAGRAM else None
    if found is None:
        return None
    nonce, number, parts, status, flags, mac, output = found.groups()
    signed = b"|".join((b"NX1", nonce, number + b"/" + parts, status, flags, output))
    if not hmac.compare_digest(mac, mac_of(secret, signed)):
        return None
    told = frozenset(flags.decode().split(",")) - {"-"}
    return Part(nonce.decode(), int(number), int(parts), int(status), told, output)
