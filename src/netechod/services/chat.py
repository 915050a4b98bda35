"""Chat: come online, talk to everybody online, go offline. UDP has no connection, so presence is a lease."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from netechod.services.api import Datagram, Outbox, Peer
from netechod.services.cookie import LENGTH, CookieJar
from netechod.services.sources import source_of
from netechod.services.wire import (
    NOT_ONLINE,
    OFFLINE,
    ONLINE,
    REFUSED,
    chat_line,
    display_name,
    flaw_of,
    text_of,
)

PROMPT_INTERVAL = 5.0  # seconds between two prompts to the same stranger: an error text must not feed a loop
MAX_PROMPTED = 4096  # strangers remembered for that; beyond it the longest-prompted is forgotten

_REFUSED = REFUSED.encode()
_JOINING = re.compile(rb"online(?: ([0-9a-f]{%d}))?" % LENGTH)

Departure: TypeAlias = Literal["said", "idle", "unreachable"]


Lease: TypeAlias = complex
"""When a member came and was heard last, as `complex(since, heard)`: a quarter of what two floats take."""


class Member(NamedTuple):
    """Somebody online; times are the loop's clock, in seconds."""

    name: str
    since: float
    heard: float


@dataclass(frozen=True)
class Terms:
    """What the operator grants. `trusts` tells whether an address may join without a cookie (`auto`)."""

    join: Literal["auto", "open", "cookie"] = "open"
    trusts: Callable[[str], bool] = lambda address: True
    idle_timeout: float = 120.0  # seconds of silence after which a member is offline; 0 for never
    max_members: int = 4096
    max_members_per_source: int = 4096
    max_message: int = 1024  # bytes


class ChatRoom:
    """Who is online, until when, and under what name.

    `address_of` gives a peer's address and port; `on_online(name)` and `on_offline(name, reason)` tell the
    operator's log. `secret` makes the cookies of those who have to prove their address before they join.
    """

    def __init__(
        self,
        *,
        address_of: Callable[[Peer], tuple[str, int]],
        on_online: Callable[[str], None],
        on_offline: Callable[[str, Departure], None],
        secret: bytes,
    ) -> None:
        self._address_of = address_of
        self._cookies = CookieJar(secret)
        self._sources: Counter[Hashable] = Counter()  # members by source
        self._on_online = on_online
        self._on_offline = on_offline
        self._members: dict[Peer, Lease] = {}  # the most silent come first
        self._prompted: dict[Peer, float] = {}  # when; the earliest come first
        self.configure(Terms())
        self.messages = 0
        self.refused = 0
        self.strangers = 0
        self.dropped: Counter[str] = Counter()  # what it does not answer, by reason

    def configure(self, terms: Terms) -> None:
        """Change the terms; who is online stays so."""
        self._terms = terms

    @property
    def presence(self) -> Mapping[Peer, Member]:
        """Who is online, by peer, the most silent first: made anew at every call."""
        return {
            peer: Member(self._name_of(peer), lease.real, lease.imag) for peer, lease in self._members.items()
        }

    @property
    def size(self) -> int:
        """How many are online."""
        return len(self._members)

    def _name_of(self, peer: Peer) -> str:
        """The peer as everybody sees it; made when it is needed, for very many members say nothing."""
        return display_name(*self._address_of(peer))

    def restore(self, peer: Peer, since: float, heard: float) -> None:
        """Have a member back that was online before a restart: nobody is told, for nobody has missed it."""
        self._sources[source_of(self._address_of(peer)[0])] += 1
        self._members[peer] = complex(since, heard)

    def datagrams_received(self, batch: Sequence[Datagram], now: float, out: Outbox) -> None:
        """Handle every datagram that has a text, and is not an error text of a room such as this.

        Two forged datagrams make two rooms members of each other: they must not pass on each other's
        refusals for ever.
        """
        for payload, peer in batch:
            text = text_of(payload)
            if not text:
                self.dropped["empty"] += 1
            elif text == NOT_ONLINE or text.startswith(_REFUSED):
                self.dropped["error-text"] += 1
            elif peer in self._members:
                self._member_said(text, peer, now, out)
            elif _JOINING.fullmatch(text):
                self._ask_to_join(text, peer, now, out)
            else:
                self._prompt(peer, now, out)

    def _member_said(self, text: bytes, peer: Peer, now: float, out: Outbox) -> None:
        """Leave, stay or talk; whatever it is, it renews the lease."""
        since = self._members.pop(peer).real
        # Put back last: the dict stays in order of silence.
        self._members[peer] = complex(since, now)
        name = self._name_of(peer)
        if text == OFFLINE:
            self._leave(peer, "said", out)
        elif text != ONLINE and not self._proves(text, name, now):
            self._talk(text, peer, name, out)

    def _talk(self, text: bytes, peer: Peer, name: str, out: Outbox) -> None:
        """One copy to every member; the sender's own is the receipt."""
        limit = self._terms.max_message
        flaw = f"longer than {limit} bytes" if len(text) > limit else flaw_of(text)
        if flaw is None:
            self.messages += 1
            out.broadcast(chat_line(name, text), tuple(self._members))
        else:
            self._refuse(flaw, peer, out)

    def _ask_to_join(self, text: bytes, peer: Peer, now: float, out: Outbox) -> None:
        """Let in who is trusted or has the cookie; the others get one, if they can receive it."""
        address, port = self._address_of(peer)
        name = display_name(address, port)
        terms = self._terms
        at_once = terms.join == "open" or (terms.join == "auto" and terms.trusts(address))
        if not at_once and not self._proves(text, name, now):
            out.send(f"challenge {self._cookies.cookie_for(name, now)}".encode(), peer)
        elif len(self._members) >= terms.max_members:
            self._refuse("the room is full", peer, out)
        elif self._sources[source_of(address)] >= terms.max_members_per_source:
            self._refuse("too many members from your address", peer, out)
        else:
            self._sources[source_of(address)] += 1
            self._members[peer] = complex(now, now)
            out.broadcast(chat_line(name, ONLINE), tuple(self._members))
            self._on_online(name)

    def _proves(self, text: bytes, name: str, now: float) -> bool:
        """Whether `text` is a join with a cookie that is good for `name`."""
        joining = _JOINING.fullmatch(text)
        return joining is not None and bool(joining[1]) and self._cookies.proves(joining[1], name, now)

    def _refuse(self, why: str, peer: Peer, out: Outbox) -> None:
        self.refused += 1
        out.send((REFUSED + why).encode(), peer)

    def unreachable(self, places: Collection[tuple[str, int]], out: Outbox) -> None:
        """Put offline whose host says that nobody listens there (address, port); the others are told.

        All of them go first: nothing more is sent to any of them.
        """
        names = {display_name(address, port) for address, port in places}
        gone = [(peer, name) for peer in self._members if (name := self._name_of(peer)) in names]
        for peer, _ in gone:
            self._forget(peer)
        for _, name in gone:
            self._tell_offline(name, "unreachable", tuple(self._members), out)

    def _leave(self, peer: Peer, reason: Departure, out: Outbox) -> None:
        """Go offline and tell everybody, the leaver included."""
        hearers = tuple(self._members)
        self._tell_offline(self._forget(peer), reason, hearers, out)

    def _forget(self, peer: Peer) -> str:
        """Take a member out of the tables; returns the name."""
        address, port = self._address_of(peer)
        source = source_of(address)
        self._sources[source] -= 1
        if not self._sources[source]:
            del self._sources[source]
        del self._members[peer]
        return display_name(address, port)

    def _tell_offline(self, name: str, reason: Departure, hearers: Sequence[Peer], out: Outbox) -> None:
        out.broadcast(chat_line(name, OFFLINE), hearers)
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
        if not (self._terms.idle_timeout and self._members):
            return None
        return next(iter(self._members.values())).imag + self._terms.idle_timeout

    def deadline_reached(self, now: float, out: Outbox) -> None:
        """Put everybody offline whose lease has ended."""
        while (deadline := self.next_deadline()) is not None and deadline <= now:
            self._leave(next(iter(self._members)), "idle", out)
