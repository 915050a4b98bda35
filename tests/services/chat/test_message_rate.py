"""The message rate of a member: a rate, a burst, and a limited number of refusals."""

import pytest

from netechod.services.chat.message_rate import BURST, LEAST_BURST, MAX_BUCKETS, REFUSAL_INTERVAL, MessageRate


def admitted(rate: MessageRate, member: str, count: int, now: float, limit: float = 10.0) -> int:
    """Return how many of so many messages pass at once."""
    return sum(rate.admits(member, limit, now) for _ in range(count))


@pytest.mark.parametrize(("limit", "burst"), [(10.0, BURST * 10), (0.5, LEAST_BURST), (1000.0, BURST * 1000)])
def test_a_burst_passes_and_then_the_rate_without_a_leak(limit: float, burst: float) -> None:
    rate = MessageRate()
    assert admitted(rate, "ann", 5000, now=0.0, limit=limit) == burst
    assert admitted(rate, "ann", 5000, now=4.0, limit=limit) == min(burst, 4 * limit)
    assert admitted(rate, "ann", 5000, now=4.0, limit=limit) == 0


def test_the_messages_of_one_member_cost_another_nothing() -> None:
    rate = MessageRate()
    admitted(rate, "ann", 1000, now=0.0)
    assert admitted(rate, "bob", 1000, now=0.0) == BURST * 10


def test_a_refusal_is_due_once_in_a_while_for_each_member() -> None:
    rate = MessageRate()
    assert [rate.may_be_refused("ann", now) for now in (0.0, 0.5, 0.9)] == [True, False, False]
    assert rate.may_be_refused("bob", 0.9)
    assert rate.may_be_refused("ann", REFUSAL_INTERVAL)


def test_only_so_many_members_are_remembered() -> None:
    rate = MessageRate()
    admitted(rate, "ann", 20, now=0.0)
    for number in range(MAX_BUCKETS - 1):
        rate.admits(number, 10.0, 0.0)
    assert not rate.admits("ann", 10.0, 0.0)
    for number in range(MAX_BUCKETS):
        rate.admits(-number, 10.0, 0.0)
    assert rate.admits("ann", 10.0, 0.0)
