"""Sources: who sends, as far as an address tells, and how much each may."""

from collections import OrderedDict
from collections.abc import Collection, Hashable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeAlias

MAX_SOURCES = 65536  # with a bucket of their own; beyond it the one that was idle longest starts anew
RECENT = 256  # addresses whose source is not worked out again
LEAK = 4  # one in so many datagrams over the rate is answered all the same

Network: TypeAlias = IPv4Network | IPv6Network
Address: TypeAlias = IPv4Address | IPv6Address


@lru_cache(RECENT)
def source_of(address: str) -> Hashable:
    """What counts as one source: an IPv4 address, or the /64 of an IPv6 one, which is one customer's."""
    address, _, _ = address.partition("%")  # a zone may have a dot, as eth0.5 has
    if "." in address:
        return address.removeprefix("::ffff:")
    return IPv6Address(address).packed[:8]


def within(address: str | Address, networks: Collection[Network]) -> bool:
    """Whether `address` is in one of `networks`; a v4-mapped address counts as IPv4 (RFC 4291, 2.5.5.2)."""
    ip = plain(address)
    return any(ip in network for network in networks)


def plain(address: str | Address) -> Address:
    """The address, without zone and mapping. To read it takes time: who asks more than once reads it once."""
    if not isinstance(address, str):
        return address
    text = address.partition("%")[0]
    if "." in text:
        text = text.removeprefix("::ffff:")  # what a dual-stack socket shows, and dear to read as IPv6
    if ":" not in text:
        return IPv4Address(text)
    ip = IPv6Address(text)
    return ip.ipv4_mapped or ip


class Buckets:
    """A token bucket for each source, with a leak: `rate` datagrams a second, `burst` of them at once.

    Whoever is over the rate is still answered one time in LEAK: or a forger could mute a victim by sending in
    its name (chrony.conf(5), ratelimit).
    """

    def __init__(self, *, rate: float = 50.0, burst: int = 100) -> None:
        # Tokens, when, and how many datagrams were over the rate; the idlest come first.
        self._buckets: OrderedDict[Hashable, tuple[float, float, int]] = OrderedDict()
        self.configure(rate=rate, burst=burst)

    def configure(self, *, rate: float, burst: int) -> None:
        """Change the measure for all."""
        self._rate = rate
        self._burst = float(burst)

    def admits(self, source: Hashable, now: float) -> bool:
        """Take a token of `source`, if it has one or the leak gives it one."""
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
        """Let go of the idlest: a full bucket is as good as none, and there are only so many."""
        buckets = self._buckets
        while True:
            source, (tokens, when, _) = next(iter(buckets.items()))
            if len(buckets) <= MAX_SOURCES and tokens + (now - when) * self._rate < self._burst:
                return
            del buckets[source]
