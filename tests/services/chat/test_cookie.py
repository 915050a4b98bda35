"""A cookie lets a peer join from the address that it was made for, and from no other."""

import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from netechod.services.chat.cookie import LENGTH, SLOT, CookieJar

ANN = "192.0.2.1--40001"
names = st.builds("{}--{}".format, st.ip_addresses(), st.integers(1024, 65535))
times = st.floats(min_value=0, max_value=1e7)


@pytest.fixture
def jar() -> CookieJar:
    return CookieJar(b"secret")


def test_a_cookie_is_an_hmac_of_name_and_slot_cut_to_64_bits(jar: CookieJar) -> None:
    # printf '192.0.2.1--40001|2' | openssl dgst -sha256 -hmac secret
    assert jar.cookie_for(ANN, 120.0) == "25d201e57dfb047b"


@settings(deadline=None)
@given(names, times)
def test_a_cookie_is_16_hexadecimal_digits_and_proves_its_name(name: str, now: float) -> None:
    cookie = CookieJar(b"secret").cookie_for(name, now)
    assert re.fullmatch("[0-9a-f]{16}", cookie)
    assert CookieJar(b"secret").proves(cookie.encode(), name, now)
    assert LENGTH == 16


@settings(deadline=None)
@given(names, times, st.floats(min_value=0, max_value=200))
def test_a_cookie_is_good_for_60_seconds_and_never_after_120(name: str, made: float, age: float) -> None:
    jar = CookieJar(b"secret")
    good = jar.proves(jar.cookie_for(name, made).encode(), name, made + age)
    if age <= 59.999:
        assert good
    if age >= 120.001:
        assert not good


@pytest.mark.parametrize(
    ("made", "asked", "good"),
    [
        (60.0, 60.0, True),
        (60.0, 179.9, True),
        (60.0, 180.0, False),
        (119.9, 120.0, True),
        (119.9, 179.9, True),
        (119.9, 180.0, False),
        (120.0, 119.9, False),
    ],
)
def test_a_cookie_lives_in_its_slot_and_in_the_next_one(
    jar: CookieJar, made: float, asked: float, good: bool
) -> None:
    assert jar.proves(jar.cookie_for(ANN, made).encode(), ANN, asked) is good
    assert SLOT == 60.0


@settings(deadline=None)
@given(names, names)
def test_a_cookie_is_bound_to_address_and_port(name: str, other: str) -> None:
    assume(name != other)
    jar = CookieJar(b"secret")
    assert not jar.proves(jar.cookie_for(name, 0.0).encode(), other, 0.0)


@pytest.mark.parametrize("other", ["192.0.2.1--40002", "192.0.2.2--40001", "192.0.2.1--4000", ""])
def test_a_neighbours_cookie_proves_nothing(jar: CookieJar, other: str) -> None:
    assert not jar.proves(jar.cookie_for(other, 0.0).encode(), ANN, 0.0)


def test_a_cookie_of_another_secret_proves_nothing(jar: CookieJar) -> None:
    assert not jar.proves(CookieJar(b"another").cookie_for(ANN, 0.0).encode(), ANN, 0.0)


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_junk_proves_nothing(junk: bytes) -> None:
    assert not CookieJar(b"secret").proves(junk, ANN, 0.0)


def test_a_cookie_proves_nothing_in_part_in_capitals_or_with_more_behind_it(jar: CookieJar) -> None:
    cookie = jar.cookie_for(ANN, 120.0).encode()
    for wrong in (b"", cookie[:-1], cookie.upper(), cookie + b"0", cookie + b"\0"):
        assert not jar.proves(wrong, ANN, 120.0)
