"""How often the log is told of a trouble that lasts."""

from netechod.reactor.loop import Loop

COMPLAINT_INTERVAL = 10.0  # seconds between two log lines about the same shortage


class Complaint:
    """One trouble: told when it comes up, and again only after COMPLAINT_INTERVAL."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._told = -COMPLAINT_INTERVAL

    def is_due(self) -> bool:
        """Whether the last line is old enough for another; if so, that counts as written."""
        if self._loop.now - self._told < COMPLAINT_INTERVAL:
            return False
        self._told = self._loop.now
        return True
