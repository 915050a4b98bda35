"""The loop that sends the probes, at a steady pace, and counts what comes back."""

import math
import select
import time
from collections.abc import Callable, Container, Sequence
from typing import NamedTuple

from netechod.client.net import Server
from netechod.client.ping.departures import Departed
from netechod.client.ping.links import Arrival, Link, LinkEvent
from netechod.client.ping.report import RunInfo
from netechod.client.ping.tally import Event, Kind, Tally
from netechod.client.ping.user_input import UserInput, UserRequest
from netechod.client.resolver import Address, Resolution

LOSSES = 2  # losses in a row after which the server's name is resolved again
LONGEST_WAIT = 3600.0  # seconds: select(2) takes no endless time
RESOLVE_INTERVAL = 2.0  # seconds between two resolutions at least


class Plan(NamedTuple):
    """The probes to send, and the time to stop."""

    size: int  # bytes of a payload
    interval: float  # seconds between probes
    probes: int = 0  # 0: no limit
    until: float = math.inf  # monotonic clock: when it ends in any case


class View:
    """Shows what happens. This one shows nothing."""

    def begin(self) -> None:
        """Say what is probed."""

    def sent(self, number: int, tally: Tally) -> None:
        """Show that a probe is under way."""

    def happened(self, event: Event, tally: Tally) -> None:
        """Show that a probe was answered or lost."""

    def summary_wanted(self, tally: Tally, info: RunInfo) -> None:
        """Show a summary."""

    def resized(self) -> None:
        """Adapt to another size of the terminal."""

    def moved(self, address: str) -> None:
        """Show that the server has another address now."""

    def has_others(self, address: str, others: Sequence[str]) -> None:
        """Show which other addresses a silent server has."""

    def has_enough(self, tally: Tally) -> bool:
        """Return whether more probes would tell nothing new."""
        return False

    def end(self, tally: Tally, info: RunInfo) -> None:
        """Show the outcome."""


class NameWatch:
    """Resolves a server's name again when probes get lost: the server may have moved."""

    def __init__(self, server: Server, view: View) -> None:
        self._server = server
        self._view = view
        self._has_told = False  # about the other addresses
        self._address = server.address
        self._resolution: Resolution | None = None
        self._losses = 0  # in a row
        self._resolved = -math.inf  # when the name was resolved last

    def note(self, event: Event, now: float) -> None:
        """Count the losses in a row, and begin to resolve the name if there are enough."""
        if event.kind is Kind.ANSWERED:
            self._losses = 0
        elif event.kind in (Kind.LOST, Kind.FAILED):
            self._losses += 1
        if self._losses >= LOSSES and not self._resolution and now >= self._resolved + RESOLVE_INTERVAL:
            self._resolution = self._server.resolve_again()
            self._resolved = now

    def new_address(self) -> Address | None:
        """Return the address that the server has moved to; None if that is not known, or it has not."""
        if self._resolution is None or not self._resolution.is_finished:
            return None
        resolution, self._resolution, self._losses = self._resolution, None, 0
        try:
            addresses = resolution.addresses(0.0)
        except (OSError, UnicodeError):
            return None
        if self._address not in addresses:
            self._address = addresses[0]
            self._has_told = False
            return self._address
        others = [other[1][0] for other in addresses if other != self._address]
        if others and not self._has_told:
            self._has_told = True
            self._view.has_others(self._address[1][0], others)
        return None


class Prober:
    """Sends probes by a plan over a link, until all are answered or lost, or the person ends it."""

    def __init__(self, link: Link, plan: Plan, tally: Tally, view: View, user_input: UserInput) -> None:
        self.was_ended = False
        self.mtu = 0  # the MTU in bytes that a host on the path has reported
        self._link = link
        self._plan = plan
        self._tally = tally
        self._view = view
        self._user_input = user_input
        self._name_watch: NameWatch | None = None
        self._by_kernel = self._by_program = 0  # answers, by the clock that their time of arrival is from
        self._start = self._next = time.monotonic()

    def follow(self, server: Server) -> None:
        """Follow the server when its name gets another address."""
        self._name_watch = NameWatch(server, self._view)

    @property
    def seconds(self) -> float:
        """Return how long it has taken so far."""
        return time.monotonic() - self._start

    def run_info(self) -> RunInfo:
        """Return what is known besides the tally."""
        both = bool(self._by_kernel and self._by_program)
        clock = "mixed" if both else "kernel" if self._by_kernel else "program" if self._by_program else None
        link = self._link
        return RunInfo(self.seconds, clock, link.connect_seconds, link.unmatched, link.directions)

    def run(self) -> None:
        """Send, and wait for the answers. One probe is sent even if no time is left for its answer."""
        drive([self], self._user_input, self.show_summary)

    def show_summary(self) -> None:
        """Show a summary of the run so far."""
        self._view.summary_wanted(self._tally, self.run_info())

    def show_resize(self) -> None:
        """Adapt the view to another size of the terminal."""
        self._view.resized()

    def send_if_due(self) -> None:
        """Send the next probe if it is time for it. The first one is sent in any case."""
        now = time.monotonic()
        is_first = not self._tally.sent
        if is_first or (self._has_more() and now >= self._next and not self.was_ended):
            self._send(now)

    def _has_more(self) -> bool:
        return not self._plan.probes or self._tally.sent < self._plan.probes

    def is_over(self) -> bool:
        """Return whether nothing more is to be sent, and nothing to be waited for."""
        if time.monotonic() >= self._plan.until:
            return True
        is_done = not (self._has_more() or self._tally.pending)
        return self.was_ended or is_done or self._view.has_enough(self._tally)

    def _send(self, now: float) -> None:
        """Send the next probe. After a stop (Ctrl-Z) there is no burst to make up for it."""
        self._next += self._plan.interval
        if self._next <= now:
            self._next = now + self._plan.interval
        if self._name_watch and (address := self._name_watch.new_address()):
            self._link.redirect(address)
            self._view.moved(address[1][0])
        number = self._tally.send(now)
        error = self._link.send(number, self._plan.size)
        self._view.sent(number, self._tally)
        if error is not None:
            self._take(error)

    def descriptors(self) -> tuple[list[int], list[int]]:
        """Return the descriptors that select(2) has to watch, for reading and for writing."""
        link = self._link.fileno()
        watched = [link] if link >= 0 else []
        return watched, watched if self._link.wants_to_write() else []

    def ready(self, descriptors: Container[int]) -> None:
        """Handle what the link has, if its descriptor is among those that are ready, and what is overdue."""
        if self._link.fileno() in descriptors:
            self._take_events()
        self._expire()

    def _take_events(self) -> None:
        for event in self._link.events():
            self._take(event)

    def time_left(self) -> float:
        """Return the seconds until something is to be done."""
        dues = [self._plan.until, *([self._next] if self._has_more() else [])]
        if self._tally.deadline is not None:
            dues.append(self._tally.deadline)
        return min(LONGEST_WAIT, max(0.0, min(dues) - time.monotonic()))

    def _take(self, event: LinkEvent) -> None:
        """Count what has happened, and show it."""
        if isinstance(event, Arrival):
            self._take_answer(event)
            return
        if isinstance(event, Departed):
            self._tally.left(event.number, event.at)
            return
        self.mtu = event.mtu or self.mtu
        if event.number < 0:
            for failed in self._tally.all_failed(event.reason):
                self._tell(failed)
        else:
            number = event.number or self._tally.youngest_waiting()
            self._tell(self._tally.failed(number, event.reason, event.reporter))

    def _take_answer(self, answer: Arrival) -> None:
        number, size, damaged = answer.reading
        event = self._tally.answered(number, answer.at, size, damaged)
        if event is not None and event.kind is Kind.ANSWERED:
            self._by_kernel += answer.by_kernel
            self._by_program += not answer.by_kernel
        self._tell(event._replace(crossing=answer.crossing) if event else None)

    def _expire(self) -> None:
        now = time.monotonic()
        if self._tally.deadline is None or now < self._tally.deadline:
            return
        self._take_events()  # answers that came in time, while we were stopped
        events = self._tally.expired(now)
        if events and self._link.give_up():
            events += self._tally.all_failed("given up")
        for event in events:
            self._tell(event)

    def _tell(self, event: Event | None) -> None:
        if event is not None:
            if self._name_watch:
                self._name_watch.note(event, time.monotonic())
            self._view.happened(event, self._tally)


def drive(probers: Sequence[Prober], user_input: UserInput, summarize: Callable[[], None]) -> None:
    """Run probers side by side until all are over, or the person ends them."""
    for prober in probers:
        prober.send_if_due()
    while running := [prober for prober in probers if not prober.is_over()]:
        readers, writers = [*user_input.descriptors()], []
        for prober in running:
            to_read, to_write = prober.descriptors()
            readers += to_read
            writers += to_write
        patience = min(prober.time_left() for prober in running)
        readable, writable, _ = select.select(readers, writers, [], patience)
        ready = {*readable, *writable}
        for prober in running:
            prober.ready(ready)
        for request in user_input.take(readable):
            _obey(request, probers, summarize)
        for prober in running:
            prober.send_if_due()


def _obey(request: UserRequest, probers: Sequence[Prober], summarize: Callable[[], None]) -> None:
    if request is UserRequest.SUMMARY:
        summarize()
    for prober in probers:
        if request is UserRequest.END:
            prober.was_ended = True
        elif request is UserRequest.REDRAW:
            prober.show_resize()
