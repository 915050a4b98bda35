"""Cutting bytes the way networks and files do: anywhere."""

from collections.abc import Sequence
from itertools import pairwise


def cut_at(data: bytes, places: Sequence[int]) -> list[bytes]:
    """`data` in pieces, some of them empty. Any numbers do as places, so that hypothesis may choose them."""
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]
