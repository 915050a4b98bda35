"""Chat: come online, talk to everybody online, go offline. UDP has no connection, so presence is a lease."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

from netechod.services.api import Datagram, Outbox, Peer
from netechod.services.wire import NOT_ONLINE, OFFLINE, ONLINE, REFUSED, chat_line, flaw_of, text_of

PROMPT_INTERVAL = 5.0  # seconds between two prompts to the same stranger: an error text must not feed a loop
MAX_PROMPTED = 4096  # strangers remembered for that; beyond it the longest-prompted is forgotten

Departure: TypeAlias = Literal["said", "idle", "unreachable"]


class Member(NamedTuple):
    """Somebody online; times are the loop's clock, in seconds."""

    name: str
    since: float
    heard: float


class ChatRoom:
    """Who is online, until when, and under what name.

    `name_of` gives a peer's name, `ip--port`; `on_online(name)` and `on_offline(name, reason)` tell the
    operator's log. A member that says nothing for `idle_timeout` seconds is offline (0: never).
    """

    def __init__(
        self,
        *,
        name_of: Callable[[Peer], str],
        on_online: Callable[[str], None],
        on_offline: Callable[[str, Departure], None],
    ) -> None:
        self._name_of = name_of
        self._on_online = on_online
        self._on_offline = on_offline
        self._members: dict[Peer, Member] = {}  # the most silent come first
        self._prompted: dict[Peer, float] = {}  # when; the earliest come first
        self.configure(idle_timeout=120.0, max_members=4096, max_message=1024)
        self.messages = 0
        self.refused = 0
        self.strangers = 0

    def configure(self, *, idle_timeout: float, max_members: int, max_message: int) -> None:
        """Change the limits: seconds of silence, members, and bytes of one message."""
        self._idle_timeout = idle_timeout
        self._max_members = max_members
        self._max_message = max_message

    @property
    def presence(self) -> Mapping[Peer, Member]:
        """Who is online, by peer, the most silent first."""
        return self._members

    def restore(self, peer: Peer, since: float, heard: float) -> None:
        """Have a member back that was online before a restart: nobody is told, for nobody has missed it."""
        self._members[peer] = Member(self._name_of(peer), since, heard)

    def datagrams_received(self, batch: Sequence[Datagram], now: float, out: Outbox) -> None:
        """Handle every datagram that has a text, and is not an error text of a room such as this.

        Two forged datagrams make two rooms members of each other: they must not pass on each other's
        refusals for ever.
        """
        for payload, peer in batch:
            text = text_of(payload)
            if not text or text == NOT_ONLINE or text.startswith(REFUSED.encode()):
                continue
            if peer in self._members:
                self._member_said(text, peer, now, out)
            elif text == ONLINE:
                self._join(peer, now, out)
            else:
                self._prompt(peer, now, out)

    def _member_said(self, text: bytes, peer: Peer, now: float, out: Outbox) -> None:
        """Leave, stay or talk; whatever it is, it renews the lease."""
        member = self._members.pop(peer)
        self._members[peer] = Member(
            member.name, member.since, now
        )  # put back last: the dict stays in order of silence
        if text == OFFLINE:
            self._leave(peer, "said", out)
        elif text != ONLINE:
            self._talk(text, peer, member.name, out)

    def _talk(self, text: bytes, peer: Peer, name: str, out: Outbox) -> None:
        """One copy to every member; the sender's own is the receipt."""
        flaw = f"longer than {self._max_message} bytes" if len(text) > self._max_message else flaw_of(text)
        if flaw is None:
            self.messages += 1
            out.broadcast(chat_line(name, text), tuple(self._members))
        else:
            self.refused += 1
            out.send((REFUSED + flaw).encode(), peer)

    def _join(self, peer: Peer, now: float, out: Outbox) -> None:
        """Come online and tell everybody, the newcomer included."""
        if len(self._members) >= self._max_members:
            self.refused += 1
            out.send((REFUSED + "the room is full").encode(), peer)
            return
        name = self._name_of(peer)
        self._members[peer] = Member(name, now, now)
        out.broadcast(chat_line(name, ONLINE), tuple(self._members))
        self._on_online(name)

    def _leave(self, peer: Peer, reason: Departure, out: Outbox) -> None:
        """Go offline and tell everybody, the leaver included."""
        name = self._members[peer].name
        out.broadcast(chat_line(name, OFFLINE), tuple(self._members))
        del self._members[peer]
        self._on_offline(name, reason)

    def _prompt(self, peer: Peer, now: float, out: Outbox) -> None:
        """Tell a stranger what to do first, but not the same stranger again and again."""
        self.strangers += 1
        prompted = self._prompted.get(peer)
        if prompted is not None and now - prompted < PROMPT_INTERVAL:
            return
        self._prompted.pop(peer, None)
        if len(self._prompted) >= MAX_PROMPTED:
            del self._prompted[next(iter(self._prompted))]
        self._prompted[peer] = now
        out.send(NOT_ONLINE, peer)

    def next_deadline(self) -> float | None:
        """When the most silent member's lease ends."""
        if not (self._idle_timeout and self._members):
            return None
        return next(iter(self._members.values())).heard + self._idle_timeout

    def deadline_reached(self, now: float, out: Outbox) -> None:
        """Put everybody offline whose lease has ended."""
        while (deadline := self.next_deadline()) is not None and deadline <= now:
            self._leave(next(iter(self._members)), "idle", out)
