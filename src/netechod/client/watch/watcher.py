"""The watch: sends the probes of all targets at their pace, and knows which of them are lost."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime

from netechod.client.kernel import reason_of
from netechod.client.resolver import Address, is_numeric
from netechod.client.watch.events import Event, Kind, Recorder, Sample
from netechod.client.watch.statistics import SAMPLES
from netechod.client.watch.watched import RESOLVE_INTERVAL, Network, State, Watched
from netechod.reactor.loop import Callback, Loop

LOSSES = 2  # losses in a row from which on a target counts as lost, and its name is resolved again
LONGEST_RESOLVE_INTERVAL = 64.0  # seconds: each resolution without use doubles the time to the next one
FIRST_LOOK = 0.05  # seconds until a probe is tried again whose target's name is being resolved
UNRESOLVED = "unresolved"

Note = tuple[str, int]
"""Why a probe was lost, and how many bytes of its answer are not as they were sent."""
NONE: Note = ("", 0)


class Watcher:
    """Watches targets until each has had `count` probes, if that is not 0; then calls `done`."""

    def __init__(
        self, loop: Loop, all_watched: Sequence[Watched], network: Network, *, count: int, done: Callback
    ) -> None:
        self.recorders: list[Recorder] = []
        self._loop = loop
        self._watched = all_watched
        self._network = network
        self._count = count
        self._done = done
        self._wants_samples = False

    def start(self) -> None:
        """Begin. The first probes of the targets are spread over an interval."""
        self._wants_samples = any(recorder.wants_samples for recorder in self.recorders)
        for place, watched in enumerate(self._watched):
            self._resolve(watched)
            spread = min(1.0, watched.target.interval) * place / len(self._watched)
            watched.next_send = self._loop.now + spread
            self._loop.call_at(watched.next_send, self._ticker(watched))

    def close(self) -> None:
        """Send no more."""
        for watched in self._watched:
            if watched.transport is not None:
                watched.transport.close()

    def answered(self, watched: Watched, number: int, at: float, damaged: int) -> None:
        """Count an answer; `at` is when it arrived, less what a reflector has kept it."""
        counted = watched.statistics
        if not counted.is_recent(number):
            return
        sent = watched.waiting.pop(number, None)
        if sent is None:
            outcome = counted.answer_again(number)
            self._tell(watched, number, outcome, max(0.0, at - counted.sent_at(number)))
            return
        seconds = max(0.0, at - sent)
        outage_began, losses = counted.outage_began, counted.losses_in_a_row
        counted.answer(number, seconds, self._loop.now)
        counted.corrupted += damaged > 0
        self._tell(watched, number, "answered", seconds, note=("", damaged))
        if watched.state is not State.UP:
            is_first = watched.state is State.WAITING
            outage = 0.0 if outage_began is None else counted.sent_at(number) - outage_began
            watched.state = State.UP
            watched.resolve_interval = RESOLVE_INTERVAL
            kind = Kind.UP if is_first else Kind.BACK
            self._happened(kind, watched, seconds=seconds if is_first else outage, losses=losses)
        self._finish(watched)

    def failed(self, watched: Watched, number: int, reason: str) -> None:
        """Count a probe as lost, if it has no outcome yet."""
        if watched.waiting.pop(number, None) is None:
            return
        counted = watched.statistics
        counted.lose(number, reason, self._loop.now)
        self._tell(watched, number, "lost", note=(reason, 0))
        if counted.losses_in_a_row >= LOSSES:
            if watched.state is not State.DOWN:
                watched.state = State.DOWN
                self._happened(Kind.DOWN, watched, reason=reason, losses=counted.losses_in_a_row)
            self._resolve_again(watched)
        self._finish(watched)

    def all_failed(self, watched: Watched, reason: str) -> None:
        """Count all probes of a target as lost that have no outcome yet."""
        for number in list(watched.waiting):
            self.failed(watched, number, reason)

    def left(self, watched: Watched, number: int, at: float) -> None:
        """Note that a probe leaves later than it was given to its transport."""
        if number in watched.waiting:
            watched.waiting[number] = at
            watched.statistics.leave(number, at)

    def _ticker(self, watched: Watched) -> Callback:
        def tick() -> None:
            self._tick(watched)

        return tick

    def _tick(self, watched: Watched) -> None:
        """Send the next probe. After a stop (Ctrl-Z) there is no burst to make up for it."""
        counted, target, now = watched.statistics, watched.target, self._loop.now
        missed = max(0.0, now - watched.next_send) // target.interval
        watched.next_send += target.interval * (1 + missed)
        if watched.address is None and not watched.trouble:  # its name is being resolved for the first time
            watched.next_send = min(watched.next_send, now + FIRST_LOOK)
            self._loop.call_at(watched.next_send, self._ticker(watched))
            return
        self.failed(watched, counted.sent + 1 - SAMPLES, "timeout")
        trouble = self._open(watched)
        now = self._loop.clock()  # the turn may have begun long ago
        number = counted.send(now)
        watched.waiting[number] = now
        if not trouble and watched.transport is not None:
            trouble = watched.transport.send(number)
        if trouble:
            self.failed(watched, number, trouble)
        if not self._count or counted.sent < self._count:
            self._loop.call_at(watched.next_send, self._ticker(watched))
        if watched.waiting and watched.expiry is None:
            self._expect(watched)

    def _open(self, watched: Watched) -> str:
        """Make the transport of a target, if it has none; return why that is impossible, or nothing."""
        if watched.transport is not None:
            return ""
        if watched.address is None:
            return UNRESOLVED
        try:
            watched.transport = self._network.open(watched, watched.address)
        except OSError as error:
            return reason_of(error)
        return ""

    def _expect(self, watched: Watched) -> None:
        """Have `_expire` called when the oldest probe counts as lost."""
        oldest = next(iter(watched.waiting.values()))

        def expire() -> None:
            self._expire(watched)

        watched.expiry = self._loop.call_at(oldest + watched.target.timeout, expire)

    def _expire(self, watched: Watched) -> None:
        watched.expiry = None
        before = self._loop.now - watched.target.timeout
        over = [number for number, sent in watched.waiting.items() if sent <= before]
        for number in over:
            self.failed(watched, number, "timeout")
        if over and watched.transport is not None:
            watched.transport.timed_out()
        if watched.waiting:
            self._expect(watched)

    def _finish(self, watched: Watched) -> None:
        """Call `done` when this was the last outcome of all."""
        if self._is_finished(watched) and all(map(self._is_finished, self._watched)):
            self._done()

    def _is_finished(self, watched: Watched) -> bool:
        return bool(self._count) and not watched.waiting and watched.statistics.sent >= self._count

    def _resolve_again(self, watched: Watched) -> None:
        """Resolve the name of a target that is lost: it may have moved."""
        if self._loop.now < watched.resolves_at or is_numeric(watched.target.host):
            return
        watched.resolves_at = self._loop.now + watched.resolve_interval
        watched.resolve_interval = min(2 * watched.resolve_interval, LONGEST_RESOLVE_INTERVAL)
        self._resolve(watched)

    def _resolve(self, watched: Watched) -> None:
        if not watched.is_resolving:
            watched.is_resolving = True
            self._network.resolve(watched.target, lambda found, why: self._resolved(watched, found, why))

    def _resolved(self, watched: Watched, found: Sequence[Address], trouble: str) -> None:
        watched.is_resolving = False
        if not found:
            if watched.address is None and not watched.trouble:
                watched.trouble = trouble
                self._happened(Kind.UNRESOLVED, watched, reason=trouble)
            return
        was_known, watched.trouble = watched.address is not None or bool(watched.trouble), ""
        fresh = found[0]
        if watched.address is not None and watched.address in found:  # it does not answer; another one may
            fresh = found[(found.index(watched.address) + 1) % len(found)]
        if fresh == watched.address:
            return
        watched.address = fresh
        if watched.transport is not None:
            watched.transport.close()
            watched.transport = None
            self.all_failed(watched, "given up")
        if was_known:
            self._happened(Kind.MOVED, watched)

    def _tell(
        self, watched: Watched, number: int, outcome: str, seconds: float | None = None, *, note: Note = NONE
    ) -> None:
        if self._wants_samples:
            sent = self._wall_time(watched.statistics.sent_at(number))
            sample = Sample(watched, number, sent, outcome, seconds, *note)
            for recorder in self.recorders:
                if recorder.wants_samples:
                    recorder.sampled(sample)

    def _happened(
        self, kind: Kind, watched: Watched, *, seconds: float = 0.0, reason: str = "", losses: int = 0
    ) -> None:
        event = Event(kind, watched, datetime.now(UTC), seconds, reason, losses)
        for recorder in self.recorders:
            recorder.happened(event)

    @staticmethod
    def _wall_time(at: float) -> datetime:
        """Return a time of the monotonic clock as one of the wall clock, as that is set now."""
        return datetime.fromtimestamp(time.clock_gettime(time.CLOCK_REALTIME) - time.monotonic() + at, UTC)
