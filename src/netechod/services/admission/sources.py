"""Sources: addresses that belong to one customer count as one."""

from collections.abc import Hashable
from functools import lru_cache
from ipaddress import IPv6Address

from netechod.services.wire import unmapped

RECENT = 256  # addresses whose source is remembered


@lru_cache(RECENT)
def source_of(address: str) -> Hashable:
    """Return the source of an address: an IPv4 address itself, or the /64 of an IPv6 one."""
    address = unmapped(address)
    if ":" not in address:
        return address
    return IPv6Address(address.partition("%")[0]).packed[:8]
