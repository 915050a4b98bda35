"""The pace of the probes."""

import socket
from collections.abc import Sequence
from contextlib import closing

from support.stub_link import StubLink

from netechod.client.ping.prober import Plan, Prober, View
from netechod.client.ping.tally import Event, Kind, Tally
from netechod.client.ping.user_input import UserInput


def test_whoever_was_stopped_does_not_make_up_for_it_by_a_burst() -> None:
    interval, stall = 0.01, 0.1
    with closing(StubLink(stall=stall)) as link, UserInput() as user_input:
        Prober(link, Plan(56, interval, probes=6), Tally(2.0), View(), user_input).run()
    assert len(link.times) == 6
    # The fourth one as soon as there is time for it, the others at the old pace from there.
    assert link.times[5] - link.times[2] >= stall + 2 * interval


class Recorder(View):
    """Remembers what happened."""

    def __init__(self) -> None:
        self.kinds: list[Kind] = []
        self.addresses: list[str] = []
        self.told: list[tuple[str, list[str]]] = []

    def happened(self, event: Event, tally: Tally) -> None:
        self.kinds.append(event.kind)

    def moved(self, address: str) -> None:
        self.addresses.append(address)

    def has_others(self, address: str, others: Sequence[str]) -> None:
        self.told.append((address, list(others)))


class StubServer:
    """A server whose name has another address now."""

    address = (socket.AF_INET, ("192.0.2.1", 8080))

    def __init__(self, *found: str) -> None:
        self.resolutions = 0
        self._found = [(socket.AF_INET, (host, 8080)) for host in found]

    def resolve_again(self) -> "StubServer":
        self.resolutions += 1
        return self

    is_finished = True

    def addresses(self, patience: float) -> list[object]:
        return list(self._found)


def probe_with_losses(server: StubServer) -> tuple[StubLink, Recorder]:
    """Six probes, of which the first four get lost."""
    view = Recorder()
    with closing(StubLink(losses=4)) as link, UserInput() as user_input:
        prober = Prober(link, Plan(56, 0.002, probes=6), Tally(2.0), view, user_input)
        prober.follow(server)  # type: ignore[arg-type]
        prober.run()
    return link, view


def test_a_server_that_has_moved_is_followed_after_losses() -> None:
    server = StubServer("192.0.2.7")
    link, view = probe_with_losses(server)
    assert link.redirected == (socket.AF_INET, ("192.0.2.7", 8080))
    assert view.addresses == ["192.0.2.7"]
    assert server.resolutions == 1


def test_a_server_that_has_not_moved_is_asked_on_where_it_is() -> None:
    server = StubServer("192.0.2.7", "192.0.2.1")
    link, view = probe_with_losses(server)
    assert link.redirected is None
    assert view.addresses == []
    assert view.told == [("192.0.2.1", ["192.0.2.7"])]
    assert server.resolutions == 1  # not again within RESOLVE_INTERVAL, whatever gets lost


class LateReader(StubLink):
    """Its answers have come in time, but nobody has read them: we were stopped (Ctrl-Z)."""

    def fileno(self) -> int:
        return -1


def test_answers_that_came_in_time_while_we_were_stopped_are_not_lost() -> None:
    view = Recorder()
    tally = Tally(0.02)
    with closing(LateReader()) as link, UserInput() as user_input:
        Prober(link, Plan(56, 0.5, probes=1), tally, view, user_input).run()
    assert view.kinds == [Kind.ANSWERED]
    assert tally.lost == 0
