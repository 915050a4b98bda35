"""Limit the prompts to peers that are not members: an error text must not feed a loop."""

from netechod.services.api import Peer

PROMPT_INTERVAL = 5.0  # seconds between two prompts to the same stranger
MAX_PROMPTED = 4096  # strangers that are remembered; beyond it the one that was prompted first is forgotten


class Strangers:
    """Remembers when each stranger was prompted."""

    def __init__(self) -> None:
        self._prompted: dict[Peer, float] = {}  # the earliest come first

    def may_be_prompted(self, peer: Peer, now: float) -> bool:
        """Return whether to prompt a stranger now. If so, that is counted."""
        prompted = self._prompted.get(peer)
        if prompted is not None and now - prompted < PROMPT_INTERVAL:
            return False
        self._prompted.pop(peer, None)
        if len(self._prompted) >= MAX_PROMPTED:
            del self._prompted[next(iter(self._prompted))]
        self._prompted[peer] = now
        return True
