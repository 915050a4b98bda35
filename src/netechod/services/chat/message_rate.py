"""The message rate of members of the chat: a token bucket for each, without a leak.

Answers may leak through a limit, since each has one receiver. A message has one receiver for each member.
"""

from collections import OrderedDict
from collections.abc import Hashable

BURST = 2.0  # seconds of its rate that a member may use at once, after a silence
LEAST_BURST = 10.0  # messages that it may say at once in any case
REFUSAL_INTERVAL = 1.0  # seconds between two refusals of one member
MAX_BUCKETS = 65536  # members and leavers remembered; beyond it the one that was silent longest starts anew


class MessageRate:
    """Counts what each member has caused to be sent to all members."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = (
            OrderedDict()
        )  # tokens, when; idlest first
        self._refused: OrderedDict[Hashable, float] = OrderedDict()  # when; the earliest first

    def admits(self, member: Hashable, rate: float, now: float) -> bool:
        """Take a token of `member`, which gets `rate` of them a second."""
        burst = max(LEAST_BURST, BURST * rate)
        tokens, when = self._buckets.pop(member, (burst, now))
        tokens = min(burst, tokens + (now - when) * rate)
        admitted = tokens >= 1.0
        self._buckets[member] = (tokens - admitted, now)
        if len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
        return admitted

    def may_be_refused(self, member: Hashable, now: float) -> bool:
        """Return whether to tell a member now that it is over its rate. If so, that counts as done."""
        while self._refused and now - next(iter(self._refused.values())) >= REFUSAL_INTERVAL:
            self._refused.popitem(last=False)
        if member in self._refused:
            return False
        self._refused[member] = now
        return True
