"""The message rate of each member of the chat, by a token bucket without a leak.

The limit on answers leaks, because an answer has one receiver. A message is sent to all members.
"""

from collections import OrderedDict
from collections.abc import Hashable

BURST = 2.0  # seconds of its rate that a member may use at once, after a silence
LEAST_BURST = 10.0  # messages that a member may send at once in any case
REFUSAL_INTERVAL = 1.0  # seconds between two refusals of one member
MAX_BUCKETS = 65536  # buckets of members and former members; beyond it the idlest one is dropped


class MessageRate:
    """Counts the datagrams of each member that are sent to all members."""

    def __init__(self) -> None:
        # Tokens, and the time when they were counted. The idlest bucket comes first.
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()
        # Times of the last refusals. The earliest comes first.
        self._refused: OrderedDict[Hashable, float] = OrderedDict()

    def admits(self, member: Hashable, rate: float, now: float) -> bool:
        """Take a token of `member`, which gets `rate` of them a second. Return whether there was one."""
        burst = max(LEAST_BURST, BURST * rate)
        tokens, when = self._buckets.pop(member, (burst, now))
        tokens = min(burst, tokens + (now - when) * rate)
        admitted = tokens >= 1.0
        self._buckets[member] = (tokens - admitted, now)
        if len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
        return admitted

    def may_be_refused(self, member: Hashable, now: float) -> bool:
        """Return whether to send a member the refusal for its rate now. If so, that is counted."""
        while self._refused and now - next(iter(self._refused.values())) >= REFUSAL_INTERVAL:
            self._refused.popitem(last=False)
        if member in self._refused:
            return False
        self._refused[member] = now
        return True
