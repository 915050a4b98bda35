"""The pace of the probes."""

from contextlib import closing

from support.stub_link import StubLink

from netechod.client.ping.prober import Plan, Prober, View
from netechod.client.ping.tally import Tally
from netechod.client.ping.user_input import UserInput


def test_whoever_was_stopped_does_not_make_up_for_it_by_a_burst() -> None:
    interval, stall = 0.01, 0.1
    with closing(StubLink(stall=stall)) as link, UserInput() as user_input:
        Prober(link, Plan(56, interval, probes=6), Tally(2.0), View(), user_input).run()
    assert len(link.times) == 6
    # The fourth one as soon as there is time for it, the others at the old pace from there.
    assert link.times[5] - link.times[2] >= stall + 2 * interval
