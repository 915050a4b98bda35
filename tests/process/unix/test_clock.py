"""A wall clock that is set back: it is told once, and complained about until it has caught up."""

from support.looping import FakeClock, turn

from netechod.process.unix.clock import INTERVAL, ClockWatch
from netechod.reactor.loop import Loop


class Site:
    """A watched wall clock. The monotonic clock goes on by one interval at each look."""

    def __init__(self) -> None:
        self.time, self.wall = FakeClock(), FakeClock(1_700_000_000.0)
        self.loop = Loop(clock=self.time)
        self.told = 0
        self.watch = ClockWatch(self.loop, self._on_set_back, self.wall)

    def _on_set_back(self) -> None:
        self.told += 1

    def look(self, *, after: float) -> None:
        """Let the wall clock change by `after` seconds until the next look."""
        self.time.advance(INTERVAL)
        self.wall.advance(after)
        turn(self.loop, 2)


def test_a_clock_that_goes_on_is_no_complaint() -> None:
    site = Site()
    for seconds in (INTERVAL, 0.0, -3.0, 86400.0):
        site.look(after=seconds)
    assert (site.told, site.watch.complaint) == (0, "")
    site.loop.close()


def test_a_clock_that_is_set_back_is_told_once_and_complained_about_until_it_has_caught_up() -> None:
    site = Site()
    site.look(after=-28800.0)
    site.look(after=INTERVAL)
    assert site.told == 1
    assert site.watch.complaint == (
        "the clock was set back: it is 28795 s behind, "
        "and shows times for the second time until 2023-11-14T22:13:20Z"
    )
    site.look(after=-3600.0)
    assert site.told == 2
    site.look(after=40000.0)
    assert (site.told, site.watch.complaint) == (2, "")
    site.loop.close()
