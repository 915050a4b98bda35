"""Sources: what an address says of who sends, and how much each source may ask."""

from collections import OrderedDict
from collections.abc import Hashable
from functools import lru_cache
from ipaddress import IPv6Address

from netechod.services.wire import unmapped

MAX_SOURCES = 65536  # buckets; beyond it the one that was idle longest is dropped
RECENT = 256  # addresses whose source is remembered
LEAK = 4  # one in so many datagrams over the rate is answered


@lru_cache(RECENT)
def source_of(address: str) -> Hashable:
    """Return what counts as one source: an IPv4 address, or the /64 of an IPv6 one, one customer's."""
    address = unmapped(address)
    if ":" not in address:
        return address
    return IPv6Address(address.partition("%")[0]).packed[:8]


class Buckets:
    """A token bucket for each source, with a leak: `rate` datagrams a second, `burst` of them at once.

    Beyond the rate one datagram in LEAK is still answered. Otherwise anybody could mute a victim by sending
    in its name (chrony.conf(5), ratelimit).
    """

    def __init__(self, *, rate: float = 50.0, burst: int = 100) -> None:
        # Tokens, when they were counted, and datagrams over the rate since; the idlest source comes first.
        self._buckets: OrderedDict[Hashable, tuple[float, float, int]] = OrderedDict()
        self.configure(rate=rate, burst=burst)

    def configure(self, *, rate: float, burst: int) -> None:
        """Change rate and burst for all sources."""
        self._rate = rate
        self._burst = float(burst)

    def admits(self, source: Hashable, now: float) -> bool:
        """Take a token of `source`; return whether there was one, or the leak lets the datagram through."""
        tokens, when, over = self._buckets.pop(source, (self._burst, now, 0))
        tokens += (now - when) * self._rate
        if tokens >= self._burst:
            tokens, over = self._burst, 0
        admitted = tokens >= 1.0
        if admitted:
            tokens -= 1.0
        else:
            over += 1
            admitted = over % LEAK == 0
        self._buckets[source] = (tokens, now, over)
        self._forget(now)
        return admitted

    def _forget(self, now: float) -> None:
        """Forget the idlest sources: those whose bucket is full again, and those beyond MAX_SOURCES."""
        buckets = self._buckets
        while True:
            source, (tokens, when, _) = next(iter(buckets.items()))
            if len(buckets) <= MAX_SOURCES and tokens + (now - when) * self._rate < self._burst:
                return
            del buckets[source]
