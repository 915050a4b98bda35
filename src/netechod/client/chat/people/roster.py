"""The members that were seen in the room, and their names."""

from collections import Counter
from dataclasses import replace

from netechod.client.chat.events import Event, Kind
from netechod.client.chat.people.nickname import skeleton

MOST_SEEN = (
    4096  # members that are remembered, as many as a room has; then the longest silent one is forgotten
)
_SIGNS_OF_LIFE = {Kind.JOIN, Kind.MESSAGE, Kind.NICK}


class Roster:
    """The members that were seen since we came online. The room has no list, so silent ones are missing."""

    def __init__(self) -> None:
        self._heard: dict[str, float] = {}  # time by address; the longest silent come first
        self._nicks: dict[str, str] = {}  # by address
        self._skeletons: Counter[str] = Counter()  # how many names look so

    def __len__(self) -> int:
        return len(self._heard)

    def note(self, event: Event, now: float) -> Event | None:
        """Learn from an event. Return it with the name of its sender; None if it repeats a known name.

        A room that lets us join again has forgotten the others. A member takes its name along when it
        leaves: the next one from the same address and port may be somebody else.
        """
        if event.kind is Kind.JOIN and event.own:
            self._heard.clear()
            self._nicks.clear()
            self._skeletons.clear()
        if event.kind is Kind.JOIN:
            self._call(event.sender, "")
        if event.kind is Kind.NICK:
            before = self._nicks.get(event.sender, "")
            self._call(event.sender, event.nick)
            named = self.named(replace(event, before=before)) if event.nick != before else None
        else:
            named = self.named(event)
        if event.kind in _SIGNS_OF_LIFE:
            self._heard.pop(event.sender, None)
            self._heard[event.sender] = now
            if len(self._heard) > MOST_SEEN:
                self._forget(next(iter(self._heard)))
        elif event.kind is Kind.LEAVE:
            self._forget(event.sender)
        return named

    def named(self, event: Event) -> Event:
        """Return an event with the name of its sender, and whether another member has one like it."""
        nick = self._nicks.get(event.sender, "")
        return replace(event, nick=nick, is_shared=self._skeletons[skeleton(nick)] > 1) if nick else event

    def nick(self, address: str) -> str:
        """Return the name of a member; empty if it has none."""
        return self._nicks.get(address, "")

    def _call(self, address: str, nick: str) -> None:
        """Give a member another name; none if it is empty."""
        if before := self._nicks.pop(address, ""):
            look = skeleton(before)
            self._skeletons[look] -= 1
            if not self._skeletons[look]:
                del self._skeletons[look]
        if nick:
            self._nicks[address] = nick
            self._skeletons[skeleton(nick)] += 1

    def _forget(self, address: str) -> None:
        self._heard.pop(address, None)
        self._call(address, "")

    def names(self) -> list[str]:
        """Return the addresses, the latest speaker first."""
        return list(reversed(self._heard))

    def silence(self, name: str, now: float) -> float:
        """Return the seconds since a member was heard."""
        return now - self._heard[name]
