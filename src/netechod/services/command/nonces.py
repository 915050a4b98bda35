"""Replay protection: a signed request is accepted once, within a window of time, by one run of the daemon."""

from collections import defaultdict
from typing import Literal, TypeAlias

# Nonces of one key that are remembered. While there is no room for another one, its requests are refused.
MAX_NONCES = 8192

Refusal: TypeAlias = Literal["stale", "before-start", "replayed", "nonces-full"]
"""The reason for a refusal, as the name of a counter."""


class NonceCache:
    """Accepts each request of one key once. Its time may differ from ours by `window` seconds.

    A nonce is forgotten when its timestamp has left the window. From then on, requests with that timestamp or
    an older one are refused, even if the clock is set back. Requests from before our start are refused too:
    an earlier process may have run them.
    """

    def __init__(self, started: float, window: int = 30) -> None:
        self.window = window
        self._started = int(started)
        self._forgotten = -1  # the latest second whose nonces are forgotten
        self._looked = -1  # the second of the last search for old nonces
        self._seen: set[str] = set()
        self._by_second: defaultdict[int, list[str]] = defaultdict(list)

    def __len__(self) -> int:
        return len(self._seen)

    @property
    def refused_before(self) -> int:
        """The second, since the epoch, before which every request is refused."""
        return max(self._started, self._forgotten + 1)

    def refusal(self, nonce: str, seconds: int, wall: float) -> Refusal | None:
        """Accept the request with `nonce` that was made at `seconds`, or return why it is refused.

        `wall` is the current time. Both are in seconds since the epoch.
        """
        now = int(wall)
        if abs(seconds - now) > self.window:
            return "stale"
        if seconds < self._started:
            return "before-start"
        if now != self._looked:
            self._looked = now
            self._forget_before(now - self.window)
        if seconds <= self._forgotten:
            return "stale"
        if nonce in self._seen:
            return "replayed"
        if len(self._seen) >= MAX_NONCES:
            return "nonces-full"
        self._seen.add(nonce)
        self._by_second[seconds].append(nonce)
        return None

    def _forget_before(self, oldest: int) -> None:
        """Forget the nonces from before the second `oldest`, whose requests the window refuses."""
        for second in [second for second in self._by_second if second < oldest]:
            self._seen.difference_update(self._by_second.pop(second))
            self._forgotten = max(self._forgotten, second)
