"""Addresses without zone and mapping, and the sets of networks that they are in."""

import sys
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netechod.services.admission.networks import Address, Network, NetworkSet, is_in, parse_ip


def networks(*texts: str) -> NetworkSet:
    return NetworkSet(ip_network(text) for text in texts)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:c000:201", "192.0.2.1"),
        ("::192.0.2.1", "::c000:201"),
        ("2001:db8::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("fe80::1%eth0.5", "fe80::1"),
    ],
)
def test_a_parsed_address_has_neither_zone_nor_mapping(address: str, expected: str) -> None:
    assert parse_ip(address) == ip_address(expected)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.1.2.3", True),
        ("11.1.2.3", False),
        ("::ffff:10.1.2.3", True),
        ("::ffff:11.1.2.3", False),
        ("::10.1.2.3", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("fe80::1%eth0.5", True),
        ("::a01:203", False),
    ],
)
def test_a_mapped_address_is_in_the_networks_of_ipv4(address: str, expected: bool) -> None:
    assert (parse_ip(address) in networks("10.0.0.0/8", "2001:db8::/32", "fe80::/10")) is expected


def test_a_question_about_networks_takes_addresses_as_text() -> None:
    is_known = is_in([ip_network("10.0.0.0/8"), ip_network("fe80::/10")])
    assert [is_known(text) for text in ("::ffff:10.0.0.1", "fe80::1%eth0", "192.0.2.1")] == [
        True,
        True,
        False,
    ]
    assert not is_in([])("not even an address")


def test_nobody_is_in_no_networks() -> None:
    assert ip_address("127.0.0.1") not in NetworkSet()


def test_everybody_of_a_version_is_in_its_whole_space() -> None:
    assert ip_address("255.255.255.255") in networks("0.0.0.0/0")
    assert ip_address("::") not in networks("0.0.0.0/0")
    assert ip_address("::") in networks("::/0")


NETWORKS = st.builds(
    lambda address, length: ip_network((address, length % (address.max_prefixlen + 1)), strict=False),
    st.ip_addresses(),
    st.integers(0, 128),
)


@settings(deadline=None)
@given(st.lists(NETWORKS, max_size=20), st.ip_addresses(), st.integers(0, 10**6))
def test_a_set_has_the_addresses_of_each_of_its_networks(
    listed: list[Network], address: Address, number: int
) -> None:
    addresses = [address, *(network[number % network.num_addresses] for network in listed)]
    for each in addresses:
        assert (each in NetworkSet(listed)) is any(each in network for network in listed)


@pytest.mark.parametrize("size", [8, 10_000])
def test_many_networks_cost_no_more_than_their_prefix_lengths(size: int) -> None:
    made = NetworkSet(ip_network((number << 8, 32 - number % 8)) for number in range(size))
    steps: list[str] = []
    absent = ip_address("255.0.0.1")
    sys.setprofile(lambda frame, event, argument: steps.append(event))
    try:
        found = absent in made
    finally:
        sys.setprofile(None)
    assert not found
    assert len(steps) <= 30
