"""The loop that sends the probes, at a steady pace, and takes in what comes of them."""

import select
import time
from typing import NamedTuple, Protocol

from netechod.client.ping.links import Arrival, Link, LinkEvent
from netechod.client.ping.report import RunInfo
from netechod.client.ping.tally import Event, Kind, Tally
from netechod.client.ping.user_input import UserInput, UserRequest


class Plan(NamedTuple):
    """What to send, and when to stop."""

    size: int  # bytes of a payload
    interval: float  # seconds between probes
    probes: int = 0  # 0: until somebody ends it
    deadline: float = 0.0  # seconds after which it ends; 0: none


class View(Protocol):
    """Who is told what happens."""

    def sent(self, number: int, tally: Tally) -> None:
        """A probe is under way."""

    def happened(self, event: Event, tally: Tally) -> None:
        """Something has become of a probe."""

    def summary_wanted(self, tally: Tally, info: RunInfo) -> None:
        """Somebody wants to know how it stands."""

    def resized(self) -> None:
        """The terminal has another size."""

    def has_enough(self, tally: Tally) -> bool:
        """Whether more probes would tell nothing new."""


class Prober:
    """Probes by a plan over a link, until all have their fate or somebody ends it."""

    def __init__(self, link: Link, plan: Plan, tally: Tally, view: View, user_input: UserInput) -> None:
        self.was_ended = False
        self.mtu = 0  # bytes of a packet that somebody on the path says he can pass on
        self._link = link
        self._plan = plan
        self._tally = tally
        self._view = view
        self._user_input = user_input
        self._by_kernel = self._by_program = 0  # answers, by whose clock their arrival is known
        self._start = self._next = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self._start

    def run_info(self) -> RunInfo:
        """What is known besides the tally."""
        both = bool(self._by_kernel and self._by_program)
        clock = "mixed" if both else "kernel" if self._by_kernel else "program" if self._by_program else None
        return RunInfo(self.seconds, clock, self._link.connect_seconds, self._link.unmatched)

    def run(self) -> None:
        """Send, and wait for the answers."""
        while not self._is_over():
            self._wait()
            self._expire()
            now = time.monotonic()
            if self._has_more() and now >= self._next and not self.was_ended:
                self._send(now)

    def _has_more(self) -> bool:
        return not self._plan.probes or self._tally.sent < self._plan.probes

    def _is_over(self) -> bool:
        if self._plan.deadline and self.seconds >= self._plan.deadline:
            return True
        is_done = not (self._has_more() or self._tally.pending)
        return self.was_ended or is_done or self._view.has_enough(self._tally)

    def _send(self, now: float) -> None:
        """Send the next probe. Whoever was stopped meanwhile does not make up for it by a burst."""
        self._next += self._plan.interval
        if self._next <= now:
            self._next = now + self._plan.interval
        number = self._tally.send(now)
        error = self._link.send(number, self._plan.size)
        self._view.sent(number, self._tally)
        if error is not None:
            self._take(error)

    def _wait(self) -> None:
        """Sleep until something comes or is due, and take it in."""
        link = self._link.fileno()
        readers = [*self._user_input.descriptors(), *([link] if link >= 0 else [])]
        writers = [link] if link >= 0 and self._link.wants_to_write() else []
        readable, writable, _ = select.select(readers, writers, [], self._time_left())
        if link in readable or writable:
            for event in self._link.events():
                self._take(event)
        for request in self._user_input.take(readable):
            self._obey(request)

    def _time_left(self) -> float:
        """Seconds until something is to be done."""
        dues = [self._next] if self._has_more() else []
        if self._tally.deadline is not None:
            dues.append(self._tally.deadline)
        if self._plan.deadline:
            dues.append(self._start + self._plan.deadline)
        return max(0.0, min(dues) - time.monotonic())

    def _obey(self, request: UserRequest) -> None:
        if request is UserRequest.END:
            self.was_ended = True
        elif request is UserRequest.SUMMARY:
            self._view.summary_wanted(self._tally, self.run_info())
        else:
            self._view.resized()

    def _take(self, news: LinkEvent) -> None:
        """Count what has happened, and tell it."""
        if isinstance(news, Arrival):
            number, size, damaged = news.reading
            event = self._tally.answered(number, news.at, size, damaged)
            if event is not None and event.kind is Kind.ANSWERED:
                self._by_kernel += news.by_kernel
                self._by_program += not news.by_kernel
            self._tell(event)
            return
        self.mtu = news.mtu or self.mtu
        if news.number < 0:
            for event in self._tally.all_failed(news.reason):
                self._tell(event)
        else:
            number = news.number or self._tally.youngest_waiting()
            self._tell(self._tally.failed(number, news.reason, news.reporter))

    def _expire(self) -> None:
        events = self._tally.expired(time.monotonic())
        if events and self._link.give_up():
            events += self._tally.all_failed("given up")
        for event in events:
            self._tell(event)

    def _tell(self, event: Event | None) -> None:
        if event is not None:
            self._view.happened(event, self._tally)
