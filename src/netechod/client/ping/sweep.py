"""Payloads of many sizes: the largest that comes back, and who reports those that do not.

Over UDP every packet goes whole or not at all (DF), so this is where a path's MTU bites (RFC 1191, RFC 8899).
"""

import time
from collections.abc import Iterator
from typing import NamedTuple

from netechod.client.i18n.translate import tr
from netechod.client.ping.layout import ms
from netechod.client.ping.links import Link
from netechod.client.ping.prober import Plan, Prober, View
from netechod.client.ping.report import About
from netechod.client.ping.tally import Event, Tally
from netechod.client.ping.user_input import UserInput
from netechod.client.ping.views import reason_text
from netechod.client.terminal.output import put, put_json

SCHEMA = "netecho.sweep/1"
TRIES = 3  # probes of a size: one may get lost for another reason
SLACK = 1.0  # seconds that an answer may take longer than four times the slowest so far
HEADERS = {4: 20 + 8, 6: 40 + 8}  # bytes of the IP and UDP headers before a payload


class Outcome(NamedTuple):
    """The outcome of the probes of one size."""

    size: int
    sent: int
    received: int
    times: dict[str, float]  # milliseconds by name; empty without an answer
    reason: str  # why the last one was lost; empty if none was
    reporter: str  # the address of the host that reported the loss, if any
    mtu: int  # bytes, as it was reported; 0 if it was not

    def record(self) -> dict[str, object]:
        """Return it for programs."""
        return {
            "bytes": self.size,
            "sent": self.sent,
            "received": self.received,
            "rtt_ms": {name: self.times[name] for name in ("min", "avg", "max")} if self.times else None,
            "reason": self.reason or None,
            "by": self.reporter or None,
            "mtu": self.mtu or None,
        }

    def line(self, wait: float) -> str:
        """Return it for people. `wait` is how long an answer could take, in seconds."""
        text = tr("{size:>7} bytes  {received} of {sent}", **self._asdict())
        if self.times:
            return f"{text}  {ms(self.times['min'] / 1000)} ms"
        text += f"  {reason_text(self.reason, wait)}"
        if not self.mtu:
            return text
        reporter = self.reporter or tr("this machine")
        return text + tr(": MTU {mtu}, told by {reporter}", mtu=self.mtu, reporter=reporter)


class _LastLoss(View):
    """Remembers why a probe was lost, and who reported it."""

    def __init__(self) -> None:
        self.last: Event | None = None

    def happened(self, event: Event, tally: Tally) -> None:
        """See View."""
        if event.reason:
            self.last = event

    def has_enough(self, tally: Tally) -> bool:
        """See View: a probe that is too long once is too long again."""
        return "too long" in tally.reasons


class Sweep:
    """The search for the largest size."""

    def __init__(self, link: Link, about: About, plan: Plan, wait: float) -> None:
        self.outcomes: list[Outcome] = []
        self.largest = 0  # payload that came back
        self.smallest = 0  # payload that did not come back; 0 if all did
        self._link = link
        self._about = about
        self._headers = HEADERS[6 if ":" in about.addr else 4]
        self._plan = plan
        self._patience = wait
        self._slowest = 0.0  # seconds
        self._number = 1  # of the next probe
        self._told = 0  # the largest payload for the MTU that a host on the path has reported

    @property
    def wait(self) -> float:
        """Return how many seconds an answer may take. It is short, because half of the search is losses."""
        return min(self._patience, SLACK + 4 * self._slowest) if self._slowest else self._patience

    def run(self, sizes: tuple[int, int], form: str) -> None:
        """Search, and write in this form. The person, or the deadline, may end it early."""
        low, high = sizes
        tell = {"json": _ignore, "quiet": _ignore, "jsonl": _put_record}.get(form, self._put_line)
        with UserInput() as user_input:
            if not form.startswith("json"):
                put(self._headline(low, high) + "\n")
            for size in self._sizes(low, high):
                outcome = self._try(size, user_input)
                if outcome is None:
                    break
                self._learn(outcome)
                tell(outcome)
        if form.startswith("json"):
            put_json({**({"type": "summary"} if form == "jsonl" else {}), **self.record()})
        else:
            put("".join(f"{line}\n" for line in self.conclusion()))

    def _headline(self, low: int, high: int) -> str:
        where = self._about.where
        return tr("SWEEP {where}, payloads of {low} to {high} bytes", where=where, low=low, high=high)

    def _sizes(self, low: int, high: int) -> Iterator[int]:
        """Return sizes: doubled until one fails, then halving the interval between passed and failed."""
        while not self.smallest and self.largest < high:
            yield min(low, high)
            low *= 2
        while self.largest and self.smallest - self.largest > 1:
            told = self._told + (self._told == self.largest)  # what was reported, and then one byte more
            yield told if self.largest < told < self.smallest else (self.largest + self.smallest) // 2

    def _try(self, size: int, user_input: UserInput) -> Outcome | None:
        """Probe one size; return None when the search is to end."""
        if time.monotonic() >= self._plan.until:
            return None
        tally, view = Tally(self.wait, self._number), _LastLoss()
        prober = Prober(self._link, self._plan._replace(size=size), tally, view, user_input)
        prober.run()
        self._number += tally.sent
        if prober.was_ended or (tally.pending and not tally.received):
            return None
        reason, reporter = (view.last.reason, view.last.reporter) if view.last else ("", "")
        return Outcome(size, tally.sent, tally.received, tally.times.in_ms(), reason, reporter, prober.mtu)

    def _learn(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        if outcome.received:
            self.largest = outcome.size
            self._slowest = max(self._slowest, outcome.times["max"] / 1000)
        else:
            self.smallest = outcome.size
        if outcome.mtu:
            self._told = outcome.mtu - self._headers

    def _put_line(self, outcome: Outcome) -> None:
        put(outcome.line(self.wait) + "\n")

    def record(self) -> dict[str, object]:
        """Return everything for programs."""
        is_packet = self.largest and self._about.proto == "udp"
        return {
            "schema": SCHEMA,
            "host": self._about.host,
            "addr": self._about.addr,
            "port": self._about.port,
            "proto": self._about.proto,
            "largest_answered": self.largest or None,
            "smallest_unanswered": self.smallest or None,
            "packet_bytes": self.largest + self._headers if is_packet else None,
            "sizes": [outcome.record() for outcome in sorted(self.outcomes)],
        }

    def conclusion(self) -> Iterator[str]:
        """Return what it means, for people."""
        if self.largest and not self.smallest:
            yield tr("every size up to {size} bytes comes back", size=self.largest)
        elif self.largest:
            yield tr("{size} bytes come back, {more} do not", size=self.largest, more=self.smallest)
            if self._about.proto == "udp":
                packet = self.largest + self._headers
                yield tr("packets of {size} bytes pass whole, no larger ones", size=packet)
                if not self._told:
                    yield tr("nobody on the path says so: larger ones vanish without a word")


def _put_record(outcome: Outcome) -> None:
    put_json({"type": "size", **outcome.record()})


def _ignore(_outcome: Outcome) -> None:
    """Write nothing before the end."""
