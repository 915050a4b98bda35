"""The pace of the probes."""

from contextlib import closing
from itertools import pairwise

from support.stub_link import StubLink

from netechod.client.ping.attention import Attention
from netechod.client.ping.prober import Plan, Prober
from netechod.client.ping.tally import Tally
from netechod.client.ping.views import Silent


def test_whoever_was_stopped_does_not_make_up_for_it_by_a_burst() -> None:
    interval = 0.01
    with closing(StubLink(stall=10 * interval)) as link, Attention() as attention:
        Prober(link, Plan(56, interval, probes=6), Tally(2.0), Silent(), attention).run()
    assert len(link.times) == 6
    after_the_stall = list(pairwise(link.times[2:]))
    assert all(later - earlier >= 0.9 * interval for earlier, later in after_the_stall)
