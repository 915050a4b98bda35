"""The counters: all begin at nothing, and only those that are named exist."""

import dataclasses

import pytest

from netechod.reactor.counters import TcpCounters, UdpCounters


@pytest.mark.parametrize("counters", [UdpCounters, TcpCounters])
def test_every_counter_begins_at_zero_and_counts_for_its_own_socket(
    counters: type[UdpCounters] | type[TcpCounters],
) -> None:
    one, other = counters(), counters()
    for name in dataclasses.asdict(one):
        assert getattr(one, name) == 0
        setattr(one, name, 1)
    assert set(dataclasses.asdict(one).values()) == {1}
    assert set(dataclasses.asdict(other).values()) == {0}


def test_a_misspelt_counter_is_an_error() -> None:
    with pytest.raises(AttributeError):
        UdpCounters().recieved = 1  # type: ignore[attr-defined]
