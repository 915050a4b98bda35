"""The rate limit on answers to each source: token buckets with a leak."""

from collections import OrderedDict
from collections.abc import Hashable

MAX_SOURCES = 65536  # buckets; beyond it the idlest one is dropped
LEAK = 4  # one in so many datagrams over the rate is answered
DROPS = 16  # buckets dropped at once, at most: after a flood all of them are full again


class Buckets:
    """A token bucket for each source, with a leak: `rate` datagrams a second, `burst` of them at once.

    Beyond the rate, one datagram in LEAK is still answered. Otherwise an attacker could silence a victim with
    forged datagrams (chrony.conf(5), ratelimit).
    """

    def __init__(self, *, rate: float = 50.0, burst: int = 100) -> None:
        # Tokens, the time when they were counted, and datagrams over the rate since. The idlest comes first.
        self._buckets: OrderedDict[Hashable, tuple[float, float, int]] = OrderedDict()
        self.configure(rate=rate, burst=burst)

    def configure(self, *, rate: float, burst: int) -> None:
        """Change rate and burst for all sources."""
        self._rate = rate
        self._burst = float(burst)

    def admits(self, source: Hashable, now: float) -> bool:
        """Take a token of `source`. Return whether there was one, or the leak lets the datagram through."""
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
        """Drop the idlest buckets, DROPS at most: those that are full again, and those beyond MAX_SOURCES."""
        buckets = self._buckets
        for _ in range(min(DROPS, len(buckets))):
            source, (tokens, when, _) = next(iter(buckets.items()))
            if len(buckets) <= MAX_SOURCES and tokens + (now - when) * self._rate < self._burst:
                return
            del buckets[source]
