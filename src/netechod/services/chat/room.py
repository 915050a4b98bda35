"""The chat: members come online, talk to all members, and go offline.

UDP has no connections. So a member that is silent for too long goes offline.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Literal, NamedTuple, TypeAlias

from netechod.services.api import Alone, Datagram, Others, Outbox, Peer
from netechod.services.chat.cookie import LENGTH, CookieJar
from netechod.services.chat.history import History
from netechod.services.chat.members import Members, shown
from netechod.services.chat.message_rate import MessageRate
from netechod.services.chat.strangers import Strangers
from netechod.services.chat.terms import Terms
from netechod.services.wire import (
    CHALLENGE,
    NOT_ONLINE,
    OFFLINE,
    ONLINE,
    REFUSED,
    chat_line,
    display_name,
    text_error,
    text_of,
)

TRUSTED_FACTOR = 100  # times the rate that members from trusted networks have
DEPARTURE_COPIES = 512  # datagrams about departures that one call queues, but one departure in any case
FEW = 16  # idle members, at most, that get the lines about one another when they leave together
RECENT = 256  # peers and addresses whose names and rules are cached

_REFUSED = REFUSED.encode()
_JOINING = re.compile(rb"online(?: ([0-9a-f]{%d}))?" % LENGTH)

Departure: TypeAlias = Literal["said", "idle", "unreachable"]


class MemberInfo(NamedTuple):
    """The facts about a member for other parts of the daemon. Times are the loop's clock, in seconds."""

    name: str
    since: float
    last_seen: float


class ChatRoom:
    """The room as a datagram service.

    A member is an address, with its zone, and a port. Datagrams to it leave from the address of ours that it
    sent to last. `address_of` returns a peer's address and port. `on_online(name)` and `on_offline(name,
    reason)` are for the operator's log. `secret` is the key of the cookies, by which newcomers prove their
    address. `others` are the nodes that form one room with this one.
    """

    def __init__(
        self,
        *,
        address_of: Callable[[Peer], tuple[str, int]],
        on_online: Callable[[str], None],
        on_offline: Callable[[str, Departure], None],
        secret: bytes,
        others: Others | None = None,
    ) -> None:
        self._others = Alone() if others is None else others
        self._address_of = address_of
        self._key_of = lru_cache(RECENT)(lambda peer: display_name(*address_of(peer)))
        self._cookies = CookieJar(secret)
        self._on_online = on_online
        self._on_offline = on_offline
        self._members = Members(address_of)
        # Keys of unreachable members whose departure is not announced yet.
        self._unreachable: dict[str, None] = {}
        self._strangers = Strangers()
        self._rate = MessageRate()
        self._history = History()
        self.configure(Terms())
        self.counters: Counter[str] = Counter(messages=0, refused=0)
        self.dropped: Counter[str] = Counter()  # datagrams that get no answer, by reason

    def configure(self, terms: Terms) -> None:
        """Change the terms. Members stay online."""
        self._terms = terms
        self._trusts = lru_cache(RECENT)(terms.trusts)
        self._history.configure(terms.history)

    @property
    def presence(self) -> Mapping[Peer, MemberInfo]:
        """The members by peer, the most silent first. Each access makes a new mapping."""
        return {
            member.peer: MemberInfo(shown(key), member.since, member.last_seen)
            for key, member in self._members.items()
        }

    @property
    def size(self) -> int:
        """The number of members."""
        return len(self._members)

    def is_member(self, destination: tuple[str, int]) -> bool:
        """Return whether a member is at this address and port."""
        return display_name(*destination) in self._members

    def restore(self, peer: Peer, since: float, last_seen: float) -> None:
        """Take back a member that was online before a restart. No line is sent: it has not left."""
        self._members.add(peer, since, last_seen)
        self._others.stayed(shown(display_name(*self._address_of(peer))))

    def hear(self, line: bytes, now: float, out: Outbox) -> None:
        """Send the members a line about a member of another node."""
        if not line.endswith((b"#" + ONLINE, b"#" + OFFLINE)):
            self._history.add(line, now)
        out.broadcast(line, self._members.peers())

    def datagrams_received(self, batch: Sequence[Datagram], now: float, out: Outbox) -> None:
        """Handle every datagram, unless it is empty or an error text of a room.

        Two forged datagrams make two rooms members of each other. They must not exchange their error texts
        for ever.
        """
        for payload, peer in batch:
            text = text_of(payload)
            key = self._key_of(peer)
            if not text:
                self.dropped["empty"] += 1
            elif text == NOT_ONLINE or text.startswith(_REFUSED):
                self.dropped["error-text"] += 1
            elif key in self._members:
                self._members.renew(key, peer, now)
                self._member_said(text, key, now, out)
            elif _JOINING.fullmatch(text):
                self._ask_to_join(text, peer, now, out)
            elif self._strangers.may_be_prompted(peer, now):
                out.send(NOT_ONLINE, peer)
            else:
                self.dropped["not-online"] += 1

    def _member_said(self, text: bytes, key: str, now: float, out: Outbox) -> None:
        """Handle the text of a member: it leaves, stays, or talks."""
        if text == OFFLINE:
            self._leave(key, "said", now, out)
        elif text != ONLINE:
            if text.startswith(ONLINE) and self._proves(text, key, now):
                self._history.promise(key, self._members, now)
            else:
                self._talk(text, key, now, out)

    def _talk(self, text: bytes, key: str, now: float, out: Outbox) -> None:
        """Send a text to all members. The sender's own copy is its receipt."""
        limit = self._terms.max_message
        flaw = f"longer than {limit} bytes" if len(text) > limit else text_error(text)
        peer = self._members[key].peer
        if flaw is not None:
            self._refuse(flaw, peer, out)
        elif self._is_in_rate(peer, key, now, out):
            self.counters["messages"] += 1
            name = shown(key)
            line = chat_line(name, text)
            self._history.add(line, now)
            out.broadcast(line, self._members.peers())
            self._others.said(name, text, now)

    def _is_in_rate(self, peer: Peer, key: str, now: float, out: Outbox) -> bool:
        """Count a datagram to all members. Over the rate, refuse it, at most once a second."""
        rate = self._terms.rate
        if not rate:
            return True
        if self._trusts(self._address_of(peer)[0]):
            rate *= TRUSTED_FACTOR
        if self._rate.admits(key, rate, now):
            return True
        self.dropped["member-rate"] += 1
        if self._rate.may_be_refused(key, now):
            self._refuse(f"more than {rate:g} messages a second", peer, out)
        return False

    def _ask_to_join(self, text: bytes, peer: Peer, now: float, out: Outbox) -> None:
        """Let in a peer that is trusted or has its cookie. Send a cookie to any other peer."""
        address, port = self._address_of(peer)
        key = display_name(address, port)
        terms = self._terms
        at_once = terms.join == "open" or (terms.join == "auto" and terms.trusts(address))
        if not at_once and not self._proves(text, key, now):
            self._challenge(key, peer, now, out)
        elif len(self._members) >= terms.max_members:
            self._refuse("the room is full", peer, out)
        elif not self._members.sources.has_place(
            address, per_source=terms.max_members_per_source, places=terms.max_members
        ):
            self._refuse("too many members from your address", peer, out)
        elif self._is_in_rate(peer, key, now, out):
            self._tell_unreachable(key, now, out)  # its departure must be announced before its return
            self._members.add(peer, now, now)
            name = shown(key)
            out.broadcast(chat_line(name, ONLINE), self._members.peers())
            self._on_online(name)
            self._others.came(name, now)
            if not at_once or self._proves(text, key, now):
                self._history.promise(key, self._members, now)
            elif self._history.is_kept and self._trusts(address):  # others get three times their bytes
                self._challenge(key, peer, now, out)

    def _challenge(self, key: str, peer: Peer, now: float, out: Outbox) -> None:
        out.send(CHALLENGE + self._cookies.cookie_for(shown(key), now).encode(), peer)

    def _proves(self, text: bytes, key: str, now: float) -> bool:
        """Return whether `text` is a join with a cookie that is good for the peer with this key."""
        joining = _JOINING.fullmatch(text)
        return joining is not None and bool(joining[1]) and self._cookies.proves(joining[1], shown(key), now)

    def _refuse(self, why: str, peer: Peer, out: Outbox) -> None:
        self.counters["refused"] += 1
        out.send((REFUSED + why).encode(), peer)

    def _leave(self, key: str, reason: Departure, now: float, out: Outbox) -> None:
        """Put a member offline, and send the line about it to all members and the one that leaves."""
        hearers = self._members.peers()
        self._members.remove(key)
        out.broadcast(chat_line(shown(key), OFFLINE), hearers)
        self._note_offline(key, reason, now)

    def _note_offline(self, key: str, reason: Departure, now: float) -> None:
        name = shown(key)
        self._on_offline(name, reason)
        self._others.left(name, reason, now)

    def unreachable(self, destinations: Collection[tuple[str, int]], now: float, out: Outbox) -> None:
        """Put the members at these addresses and ports offline: their hosts report closed ports.

        No further datagram is sent to them. The lines about their departures are sent as far as one call may
        do that. The rest is due at once.
        """
        for destination in destinations:
            key = display_name(*destination)
            if key in self._members:
                self._members.remove(key)
                self._unreachable[key] = None
        self._tell_all_unreachable(now, out)

    def _tell_all_unreachable(self, now: float, out: Outbox) -> None:
        """Send the lines about unreachable members, as many as one call may."""
        for key in list(islice(self._unreachable, _departures(len(self._members)))):
            self._tell_unreachable(key, now, out)

    def _tell_unreachable(self, key: str, now: float, out: Outbox) -> None:
        if key in self._unreachable:
            del self._unreachable[key]
            out.broadcast(chat_line(shown(key), OFFLINE), self._members.peers())
            self._note_offline(key, "unreachable", now)

    def next_deadline(self) -> float | None:
        """Return when history or the most silent member's end is due, None if none is; 0 for departures."""
        if self._unreachable:
            return 0.0
        history, last_seen = self._history.deadline, self._members.longest_silence()
        if last_seen is None or not self._terms.idle_timeout:
            return history
        return min(last_seen + self._terms.idle_timeout, math.inf if history is None else history)

    def deadline_reached(self, now: float, out: Outbox) -> None:
        """Put members offline that are silent for too long, as many as one call may. The rest stays due."""
        self._tell_all_unreachable(now, out)
        self._history.send_piece(now, out, self._members)
        if not self._terms.idle_timeout:
            return
        due = self._members.silent_for(self._terms.idle_timeout, now)
        if len(due) <= FEW:
            for key in due:
                self._leave(key, "idle", now, out)
        else:
            self._expire_many(due, now, out)

    def _expire_many(self, due: Sequence[str], now: float, out: Outbox) -> None:
        """Put many members offline. A line goes to the members that stay, and to its subject."""
        staying = self._members.peers_after(len(due))
        for key in due[: _departures(len(staying) + 1)]:
            leaver = self._members[key].peer
            self._members.remove(key)
            out.broadcast(chat_line(shown(key), OFFLINE), (*staying, leaver))
            self._note_offline(key, "idle", now)


def _departures(hearers: int) -> int:
    """Return the number of departures that one call may send to so many receivers."""
    return max(1, DEPARTURE_COPIES // max(1, hearers))
