"""Count places by source: neither one customer nor one site may take them all."""

from collections import Counter
from collections.abc import Hashable

from netechod.services.admission.sources import source_of

SITE_SHARE = 4
"""An IPv6 /48 is one site (RFC 6177). It may hold one in so many of all places, or one source's share."""


class SourceCounter:
    """Counts the places of each IPv4 address, IPv6 /64, and IPv6 /48."""

    def __init__(self) -> None:
        self._held: Counter[Hashable] = Counter()

    def has_place(self, address: str, *, per_source: int, places: int) -> bool:
        """Return whether `address` may take one more of `places`. A source may hold `per_source` of them."""
        source, site = _keys(address)
        if self._held[source] >= per_source:
            return False
        return site is None or self._held[site] < max(per_source, places // SITE_SHARE)

    def add(self, address: str) -> None:
        """Note that `address` has taken a place."""
        self._held.update(filter(None, _keys(address)))

    def remove(self, address: str) -> None:
        """Note that `address` has left a place, which it must have taken."""
        for key in filter(None, _keys(address)):
            self._held[key] -= 1
            if not self._held[key]:
                del self._held[key]


def _keys(address: str) -> tuple[Hashable, bytes | None]:
    """Return the source of `address`, and the first 48 bits if it is an IPv6 one."""
    source = source_of(address)
    return source, source[:6] if isinstance(source, bytes) else None
