"""Count places by source: neither one customer nor one site may take them all."""

from collections.abc import Hashable

from netechod.services.admission.sources import source_of

SITE_SHARE = 4
"""An IPv6 /48 is one site (RFC 6177). It may hold one in so many of all places, or one source's share."""


class SourceCounter:
    """Counts the places of each IPv4 address, IPv6 /64, and IPv6 /48."""

    def __init__(self) -> None:
        self._held: dict[Hashable, int] = {}

    def has_place(self, address: str, *, per_source: int, places: int) -> bool:
        """Return whether `address` may take one more of `places`. A source may hold `per_source` of them."""
        source, *site = _keys(address)
        if self._held.get(source, 0) >= per_source:
            return False
        return not site or self._held.get(site[0], 0) < max(per_source, places // SITE_SHARE)

    def add(self, address: str) -> None:
        """Note that `address` has taken a place."""
        for key in _keys(address):
            self._held[key] = self._held.get(key, 0) + 1

    def remove(self, address: str) -> None:
        """Note that `address` has left a place, which it must have taken."""
        for key in _keys(address):
            left = self._held[key] - 1
            if left:
                self._held[key] = left
            else:
                del self._held[key]


def _keys(address: str) -> tuple[Hashable, ...]:
    """Return the source of `address`, and the first 48 bits if it is an IPv6 one."""
    source = source_of(address)
    return (source, source[:6]) if isinstance(source, bytes) else (source,)
