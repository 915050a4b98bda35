"""Sources: the grouping of addresses, and the limits for each group."""

from collections.abc import Hashable
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netechod.services.admission.rate_limit import Buckets
from netechod.services.admission.sources import source_of

# Addresses.


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%lo", "fe80::2", True),
        ("fe80::1%eth0.5", "fe80::2%eth0.5", True),
        ("::192.0.2.1", "::192.0.2.2", True),  # IPv4-compatible (RFC 4291, 2.5.5.1) is no IPv4
        ("::192.0.2.1", "192.0.2.1", False),
        ("::ffff:0:192.0.2.1", "::ffff:0:192.0.2.2", True),  # IPv4-translated neither (RFC 2765)
    ],
)
def test_a_source_is_an_ipv4_address_or_an_ipv6_network_of_64_bits(one: str, other: str, same: bool) -> None:
    assert (source_of(one) == source_of(other)) is same


@settings(deadline=None)
@given(st.ip_addresses(v=4), st.ip_addresses(v=4))
def test_two_ipv4_addresses_are_one_source_only_if_equal(one: IPv4Address, other: IPv4Address) -> None:
    assert (source_of(f"::ffff:{one}") == source_of(str(other))) is (one == other)


@settings(deadline=None)
@given(st.ip_addresses(v=6, network="2000::/3"), st.integers(0, 127))
def test_one_other_bit_makes_another_source_in_the_first_half_of_an_ipv6_address(
    address: IPv6Address, bit: int
) -> None:
    other = IPv6Address(int(address) ^ 1 << bit)
    assert (source_of(str(address)) == source_of(str(other))) is (bit < 64)


# Buckets.


def answered(buckets: Buckets, source: Hashable, times: int, now: float) -> int:
    """Return how many of so many datagrams at once are admitted."""
    return sum(buckets.admits(source, now) for _ in range(times))
