"""Count places by source, so that neither one customer nor one site takes them all."""

from collections import Counter
from collections.abc import Hashable

from netechod.services.admission.sources import source_of

SITE_SHARE = 4
"""One in so many of all places is what an IPv6 /48, one site (RFC 6177), may hold; or one source's share."""


class SourceCounter:
    """Count the places that each source holds: an IPv4 address, an IPv6 /64, and the /48 around it."""

    def __init__(self) -> None:
        self._held: Counter[Hashable] = Counter()

    def has_place(self, address: str, *, per_source: int, places: int) -> bool:
        """Return whether `address` may take one more of `places`, of which each source gets `per_source`."""
        source, site = _keys(address)
        if self._held[source] >= per_source:
            return False
        return site is None or self._held[site] < max(per_source, places // SITE_SHARE)

    def add(self, address: str) -> None:
        """Note that `address` has taken a place."""
        self._held.update(filter(None, _keys(address)))

    def remove(self, address: str) -> None:
        """Note that `address` has left a place. It must have taken one."""
        for key in filter(None, _keys(address)):
            self._held[key] -= 1
            if not self._held[key]:
                del self._held[key]


def _keys(address: str) -> tuple[Hashable, bytes | None]:
    """Return the source of `address`, and the first 48 bits of an IPv6 one."""
    source = source_of(address)
    return source, source[:6] if isinstance(source, bytes) else None
