"""Texts of as many bytes as a datagram holds, that are slow to fold, to decode or to look up."""

from collections.abc import Mapping

from netechod.services.wire import MAX_DATAGRAM

_FAMILIES = {
    "alternating classes": "\u0300\u0316",
    "30 alternating marks": "a" + "\u0300\u0316" * 15,
    "31 alternating marks": "a" + "\u0300\u0316" * 15 + "\u0300",
    "iota subscripts": "\u0345",
    "double marks": "a" + "\u0344" * 15,
    "Hangul syllables": "\uac01",
    "Hangul jamo": "\u1100\u1161\u11a8",
    "18 letters in one": "\ufdfa",
    "four marks in one": "\u1f82",
    "three in one": "\u0390",
    "sharp s": "\u00df",
    "ligatures": "\ufb03",
    "Kelvin signs": "\u212a",
    "beyond the first plane": "\U0001d163",
    "capital letters": "A",
    "spaces": " ",
    "NULs": "\0",
}


def _whole(data: bytes) -> bytes:
    """A start of the data that fits a datagram and ends at a character."""
    return data[:MAX_DATAGRAM].decode(errors="ignore").encode()


def _texts(unit: str) -> tuple[bytes, bytes, bytes]:
    many = (unit * MAX_DATAGRAM).encode()
    behind_a_letter = _whole(b"a" + many)
    return behind_a_letter, _whole(many), behind_a_letter[:-1] + b"\xff"


def _sorted_last() -> bytes:
    half = MAX_DATAGRAM // 4
    return _whole(("a" + "\u0300" * half + "\u0316" * half).encode())


WORST_TEXTS: Mapping[str, bytes] = {
    f"{name}, {how}": text
    for name, unit in _FAMILIES.items()
    for how, text in zip(("behind a letter", "alone", "not UTF-8 at the end"), _texts(unit), strict=True)
} | {"marks that are to be sorted": _sorted_last(), "invalid": b"\xff" * MAX_DATAGRAM}
