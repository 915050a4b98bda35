"""Inputs that grow: a few bytes, repeated until they fill a datagram. Work that is not linear shows there."""

import random
from collections.abc import Iterator, Sequence

from fuzz.target import Target

# Texts whose handling is worst in many libraries. Marks out of their canonical order have to be sorted
# (UAX #15, 1.3); Hangul is composed; U+FDFA decomposes to 18 characters, the longest there is.
FAMILIES: Sequence[bytes] = tuple(
    text.encode()
    for text in (
        "\u0300\u0316",
        "a\u0300\u0316",
        "\u1112\u1161\u11ab",
        "각",
        "\ufdfa",
        "\u0130ß",
        "苹",
        "\u202e",
        "a",
    )
)
ENDS = (b"\0" * 8, b"\1" * 8)  # targets take their decisions from the end of an input


def full_sized(target: Target) -> Iterator[bytes]:
    """The largest inputs made of one piece: of each family, word and seed."""
    for piece in filter(None, (*FAMILIES, *target.words, *target.seeds)):
        for end in ENDS:
            yield repeated(piece, target.largest - len(end)) + end


def shortened(data: bytes) -> bytes:
    """The first quarter of an input, with its end."""
    end = len(ENDS[0])
    return data[: len(data) // 4] + data[-end:]


def repeated(piece: bytes, size: int) -> bytes:
    """A piece, as often as it fits `size` bytes."""
    return piece * (size // len(piece))


def grown(data: bytes, size: int, rng: random.Random) -> bytes:
    """Insert one of the pieces of an input, or a family, many times; it has `size` bytes then at most."""
    start = rng.randrange(len(data) + 1)
    piece = data[start : start + rng.choice([2, 4, 8, 64])]
    if not piece or not rng.randrange(4):
        piece = rng.choice(FAMILIES)
    room = size - len(data)
    return data[:start] + repeated(piece, rng.randrange(room + 1)) + data[start:] if room > 0 else data[:size]
