"""The lines that were said before we came, as a room with `chat.history` sends them."""

from collections import deque
from dataclasses import replace

from netechod.client.chat.events import Event, Kind

MOST_LINES = 1000  # that are remembered: a room sends no more
TOLERANCE = 3.0  # seconds: the room tells ages in whole seconds, and datagrams take their time


class Scrollback:
    """Leaves out the lines that we have heard ourselves, before we lost the room. It knows names of then."""

    def __init__(self) -> None:
        self._heard: deque[tuple[str, str, float]] = deque(maxlen=MOST_LINES)
        self._nicks: dict[str, str] = {}  # by address, as the history tells them

    def note(self, event: Event, now: float) -> Event | None:
        """Return an event, if it is one from before, with the name of then; None if it is to be left out."""
        if event.kind is Kind.MESSAGE:
            self._heard.append((event.sender, event.text, now))
        if event.kind is not Kind.EARLIER or event.seconds is None:
            return event
        if event.nick:
            self._nicks[event.sender] = event.nick
            return None
        said = now - event.seconds
        if any(
            (event.sender, event.text) == (sender, text) and abs(at - said) < TOLERANCE
            for sender, text, at in self._heard
        ):
            return None
        self._heard.append((event.sender, event.text, said))
        return replace(event, nick=self._nicks.get(event.sender, ""))
