"""The sessions of a stateful reflector: it numbers its answers itself, so losses are told by direction.

A session is an address, a port and an SSID (RFC 8972, 3). Nothing announces one, and nothing ends it but
silence.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import TypeAlias

from netechod.services.api import Peer

RESTART_AFTER = 1.0  # seconds; a number 0 that comes sooner is the first packet doubled or late


Key: TypeAlias = tuple[Peer, bytes]
"""What tells sessions apart: the peer, and the 2 octets of its SSID."""


class Session:
    """The counts of one session. Times are in seconds, of the loop's clock."""

    __slots__ = ("began", "heard", "last_number", "received", "sent")

    def __init__(self, now: float) -> None:
        self.began = self.heard = now
        self.received = self.sent = 0
        self.last_number = 0  # the sender's latest number

    def take(self, number: int, now: float) -> int:
        """Count a packet and its answer; return the number of the answer."""
        self.heard = now
        self.last_number = number
        self.received += 1
        self.sent += 1
        return (self.sent - 1) & 0xFFFF_FFFF


class SessionTable:
    """At most `limit` sessions. One that is silent for `timeout` seconds makes room for a new one."""

    def __init__(self) -> None:
        self.limit = 0
        self.timeout = 0.0
        self._sessions: OrderedDict[Key, Session] = OrderedDict()  # the one heard last at its end

    def configure(self, limit: int, timeout: float) -> None:
        """Hold at most `limit` sessions from now on."""
        self.limit, self.timeout = limit, timeout
        while len(self._sessions) > limit:
            self._sessions.popitem(last=False)

    def __contains__(self, key: Key) -> bool:
        return key in self._sessions

    def __len__(self) -> int:
        return len(self._sessions)

    def items(self) -> Iterator[tuple[Key, Session]]:
        """Return the sessions by their keys, the one heard last at the end."""
        return iter(self._sessions.items())

    def find(self, key: Key, number: int, now: float) -> Session | None:
        """Return the session of a packet with this number; None if the table is full.

        A sender that begins anew, or has been silent for the timeout, gets a new session.
        """
        session = self._sessions.get(key)
        if session is None:
            self._drop_silent(now)
            if len(self._sessions) >= self.limit:
                return None
        elif self._goes_on(session, number, now):
            self._sessions.move_to_end(key)
            return session
        session = self._sessions[key] = Session(now)
        self._sessions.move_to_end(key)
        return session

    def _goes_on(self, session: Session, number: int, now: float) -> bool:
        is_restart = number == 0 and now - session.began >= RESTART_AFTER
        return not is_restart and now - session.heard < self.timeout

    def _drop_silent(self, now: float) -> None:
        """Forget the sessions that have been silent too long: they are the first ones."""
        while self._sessions:
            key, oldest = next(iter(self._sessions.items()))
            if now - oldest.heard < self.timeout:
                return
            del self._sessions[key]
