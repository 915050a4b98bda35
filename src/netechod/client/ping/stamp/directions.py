"""Delays, jitter and hops by direction, and what can be known of both clocks.

A delay in one direction is the difference of two clocks. It has their offset in it, and nothing tells that
but the clocks themselves. So a delay is absolute only when both claim to be synchronized, and the claims do
not contradict what is measured. Else delays are relative to the least of the run (RFC 5481). No delay is
ever clamped.
"""

import math
from typing import NamedTuple

from netechod.client.ping.stamp.numbers import Numbers
from netechod.client.ping.tally import Crossing, Times
from netechod.services.stamp.timestamps import PTP, SYNCHRONIZED, error_of

RECENT = 4096  # probes whose delays are remembered for their neighbours


class Passage(NamedTuple):
    """What an answer tells of the way there and back. Times are in nanoseconds."""

    number: int  # of the probe, from 1
    forward: int  # T2 - T1
    backward: int  # T4 - T3
    residence: int  # T3 - T2
    reflector_number: int
    reflector_error: int  # Error Estimate
    hops_forward: int | None
    hops_backward: int | None


class Direction:
    """The packets of one direction."""

    def __init__(self) -> None:
        self.delays = Times()  # with the offset of the clocks in them
        self.jitter = Times()  # differences of neighbours' delays, without sign (RFC 3393)
        self.least = math.inf  # seconds, as of delays
        self.hops: int | None = None
        self._recent: dict[int, float] = {}

    def add(self, number: int, delay: float) -> None:
        """Add the delay of a probe, in seconds."""
        if number in self._recent:  # a duplicate
            return
        self.delays.add(delay)
        self.least = min(self.least, delay)
        for neighbour in (number - 1, number + 1):
            if neighbour in self._recent:
                self.jitter.add(abs(delay - self._recent[neighbour]))
        self._recent[number] = delay
        if len(self._recent) > RECENT:
            del self._recent[next(iter(self._recent))]

    @property
    def variation(self) -> Times:
        """The delays above the least one, which no offset changes (RFC 5481, 4.2)."""
        return self.delays.above(self.least) if self.delays.count else Times()


class Clocks(NamedTuple):
    """What is known of both clocks. Errors are in seconds, None where a clock is not synchronized."""

    ours: float | None
    reflectors: float | None
    is_ptp: bool
    offset: tuple[float, float] | None  # least and most that the reflector's is ahead; None if they drift
    is_absolute: bool
    is_contradictory: bool  # whether a packet came earlier than both errors allow
    is_vague: bool  # whether the errors are larger than half a round trip


class Directions:
    """The measurements of a run by direction."""

    def __init__(self, our_error: float | None, ssid: int = 0, *, is_signed: bool = False) -> None:
        self.ssid = ssid
        self.mode = "signed" if is_signed else "open"
        self.forward = Direction()
        self.backward = Direction()
        self.residence = Times()
        self.numbers = Numbers()
        self.early = 0  # packets that came before they left, beyond what both errors allow
        self.stepped = 0  # probes left out since a clock of ours was set meanwhile
        self.untold = 0  # answers without usable times
        self.our_error = our_error
        self.has_copied_ssid: bool | None = None
        self.has_kept_dscp: bool | None = None
        self.bytes = 0  # of the last answer
        self._estimate = 0  # the reflector's Error Estimate
        self._error = 0.0  # the greatest one that it has claimed
        self._was_ever_free = False  # whether the reflector's clock was not synchronized

    def note(self, passage: Passage) -> Crossing:
        """Count an answer; return what is to be shown of it."""
        estimate = self._estimate = passage.reflector_error
        self._error = max(self._error, error_of(estimate))
        self._was_ever_free = self._was_ever_free or not estimate & SYNCHRONIZED
        forward, backward = passage.forward / 1e9, passage.backward / 1e9
        residence = passage.residence / 1e9
        reroutings = (
            _change(self.forward.hops, passage.hops_forward),
            _change(self.backward.hops, passage.hops_backward),
        )
        self.forward.add(passage.number, forward)
        self.backward.add(passage.number, backward)
        self.residence.add(residence)
        self.forward.hops, self.backward.hops = passage.hops_forward, passage.hops_backward
        errors = self._errors
        if errors is not None:
            self.early += min(forward, backward) < -errors
        is_absolute = self.clocks().is_absolute
        base = (0.0, 0.0) if is_absolute else (self.forward.least, self.backward.least)
        shown = forward - base[0], backward - base[1]
        return Crossing(
            forward,
            backward,
            residence,
            passage.reflector_number,
            passage.hops_forward,
            passage.hops_backward,
            shown,
            is_absolute,
            reroutings,
        )

    @property
    def _errors(self) -> float | None:
        """The sum of both errors; None if a clock is not synchronized, or may count from another epoch."""
        if self.our_error is None or self._was_ever_free or self._estimate & PTP:
            return None
        return self.our_error + self._error

    def clocks(self) -> Clocks:
        """Return what is known of both clocks now."""
        reflectors = None if self._was_ever_free or not self._estimate else self._error
        errors, has_delays = self._errors, self.forward.delays.count > 0
        least, most = -self.backward.least, self.forward.least
        is_vague = errors is not None and has_delays and errors > (most - least) / 2
        return Clocks(
            self.our_error,
            reflectors,
            bool(self._estimate & PTP),
            (least, most) if has_delays and least <= most else None,
            is_absolute=errors is not None and has_delays and not self.early and not is_vague,
            is_contradictory=self.early > 0,
            is_vague=is_vague,
        )

    @property
    def uncertainty(self) -> float:
        """The error of an absolute delay, in seconds."""
        return self._errors or 0.0


def _change(before: int | None, now: int | None) -> tuple[int, int] | None:
    return (before, now) if before is not None and now is not None and before != now else None
