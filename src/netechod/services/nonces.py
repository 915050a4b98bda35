"""Which signed requests were seen: each is good once, within a window of time, and never after a restart."""

from collections import defaultdict
from typing import Literal, TypeAlias

MAX_NONCES = 65536  # remembered; while there is no room for one more, nothing is taken

Refusal: TypeAlias = Literal["stale", "before-start", "replayed", "nonces-full"]
"""Why a request is not taken, as the name of a counter."""


class NonceCache:
    """Takes each request once. Times are whole seconds since the epoch, and may differ by `window`.

    A nonce is forgotten when its request's own time is too old to be taken once more; and what has that time
    or an earlier one is never taken again, not even when the clock is put back. In the same way nothing is
    taken from before the start, which another process may have taken.
    """

    def __init__(self, started: float, window: int = 30) -> None:
        self.window = window
        self._started = int(started)
        self._forgotten = -1  # the latest second whose nonces are forgotten
        self._looked = -1  # the second in which it was last looked what can be forgotten
        self._seen: set[str] = set()
        self._by_second: defaultdict[int, list[str]] = defaultdict(list)

    def __len__(self) -> int:
        return len(self._seen)

    def refusal(self, nonce: str, seconds: int, wall: float) -> Refusal | None:
        """Take the request with `nonce` made at `seconds`, or say why not. `wall` is the time now."""
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
        """Forget what was made before the second `oldest`: the window refuses it."""
        for second in [second for second in self._by_second if second < oldest]:
            self._seen.difference_update(self._by_second.pop(second))
            self._forgotten = max(self._forgotten, second)
