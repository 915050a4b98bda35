"""The chat as it runs."""

import logging
import secrets
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from netechod.process.control.status import Gauge, Presence
from netechod.process.service.datagrams import UdpService, address_of_peers
from netechod.process.service.running import Context, Settings
from netechod.process.unix.handover import Incoming, Outgoing
from netechod.reactor.event_log import ChatLog
from netechod.services.chat.room import ChatRoom, Terms

log = logging.getLogger(__name__)


class Service(UdpService):
    """One room for all its sockets. The log tells of arrivals and departures."""

    def __init__(self, context: Context, socks: Sequence[socket.socket]) -> None:
        journal = ChatLog(context.loop, "chat")
        self.grouped = max(len(socks), len(context.loaded.config.chat.listen)) > 1  # some may come later
        self._room = ChatRoom(
            address_of=address_of_peers(grouped=self.grouped),
            on_online=journal.online,
            on_offline=journal.offline,
            secret=secrets.token_bytes(32),
        )
        super().__init__(context.datagrams, "chat", socks, self._room, members=self._room)

    def apply(self, settings: Settings) -> None:
        """See RunningService."""
        super().apply(settings)
        chat = settings.loaded.config.chat
        terms = Terms(
            join=chat.join,
            trusts=settings.rules.trusts,
            idle_timeout=chat.idle_timeout,
            max_members=chat.max_members,
            max_members_per_source=chat.max_members_per_source,
            max_message=chat.max_message,
            rate=chat.rate,
            history=chat.history,
        )
        self._room.configure(terms)
        self.keep_time()

    def members(self) -> Sequence[Presence]:
        """See RunningService."""
        now = self._loop.now
        return [
            Presence(name, now - since, now - heard) for name, since, heard in self._room.presence.values()
        ]

    def counters(self) -> Mapping[str, int]:
        """See RunningService."""
        return {**super().counters(), **self._room.counters}

    def gauges(self) -> Iterable[Gauge]:
        """See RunningService."""
        yield Gauge("chat_members", "Members online now.", self._room.size)

    def report(self) -> Mapping[str, Any]:
        """See RunningService."""
        return {"members": self._room.size}

    def summary(self) -> str:
        """See RunningService."""
        return f"chat {self._room.size} online"

    def inherit(self, left: Incoming) -> None:
        """See RunningService."""
        now, unreadable = self._loop.now, 0
        for text, online, silent in left.members:
            peer = self.read(text)
            if peer is None:
                unreadable += 1
            else:
                self._room.restore(peer, now - online, now - silent)
        if unreadable:
            log.error(
                "%d members of the chat are dropped: their addresses fit none of our sockets", unreadable
            )
        self.keep_time()

    def leave(self, left: Outgoing) -> None:
        """See RunningService."""
        now = self._loop.now
        for peer, (_, since, heard) in self._room.presence.items():
            left.members.append((self.written(peer), now - since, now - heard))

    def drain(self, drained: Callable[[], object], left: Outgoing | None) -> None:
        """See RunningService: where members go over, their datagrams wait in the kernel."""
        if left is not None:
            self.stop_receiving()
        drained()
