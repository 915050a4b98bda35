"""The chat as it runs."""

import logging
import secrets
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from netechod.process.config.general import NO_HIREDIS
from netechod.process.control.status import Gauge, Presence
from netechod.process.service.datagrams import UdpService, address_of_peers
from netechod.process.service.running import Context, Settings
from netechod.process.unix.handover import Incoming, Outgoing
from netechod.reactor.event_log import ChatLog
from netechod.services.api import Alone
from netechod.services.chat.room import ChatRoom
from netechod.services.chat.terms import Terms

if TYPE_CHECKING:
    from netechod.process.bus.node import Bus

BUSY = 8192  # datagrams to members, from which on lines of other nodes wait

log = logging.getLogger(__name__)


class Service(UdpService):
    """One room for all its sockets. The log tells of arrivals and departures."""

    def __init__(self, context: Context, socks: Sequence[socket.socket]) -> None:
        journal = ChatLog(context.loop, "chat")
        self.grouped = max(len(socks), len(context.loaded.config.chat.listen)) > 1  # some may come later
        self._problems: Sequence[str] = ()
        self._bus = self._new_bus(context)
        self._room = ChatRoom(
            others=Alone() if self._bus is None else self._bus.realm,
            address_of=address_of_peers(grouped=self.grouped),
            on_online=journal.online,
            on_offline=journal.offline,
            secret=secrets.token_bytes(32),
        )
        super().__init__(context.datagrams, "chat", socks, self._room, members=self._room)

    def _new_bus(self, context: Context) -> "Bus | None":
        """Return the bus, if there is one. Without its library the chat goes on alone."""
        if not context.loaded.config.bus.url:
            return None
        try:
            from netechod.process.bus.node import Bus
        except ImportError:
            self._problems = [f"bus down: it {NO_HIREDIS}"]
            log.error("%s, the chat goes on alone", *self._problems)
            return None
        return Bus(
            context.loop,
            context.loaded,
            tell=lambda line: self._room.hear(line, context.loop.now, self._out),
            has_room=lambda: self.queued < BUSY,
            on_change=context.renew_status,
        )

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
        if self._bus is not None:
            self._bus.apply(settings.loaded)

    def members(self) -> Sequence[Presence]:
        """See RunningService."""
        now = self._loop.now
        own = [
            Presence(name, now - since, now - heard) for name, since, heard in self._room.presence.values()
        ]
        others = () if self._bus is None else self._bus.realm.members()
        return [*own, *(Presence(each.name, now - each.since, None, each.node) for each in others)]

    def counters(self) -> Mapping[str, int]:
        """See RunningService."""
        return {**super().counters(), **self._room.counters}

    def gauges(self) -> Iterable[Gauge]:
        """See RunningService."""
        yield Gauge("chat_members", "Members online now.", self._room.size)
        if self._bus is not None:
            yield from self._bus.gauges()

    def report(self) -> Mapping[str, Any]:
        """See RunningService."""
        bus = {} if self._bus is None else {"bus": self._bus.report()}
        return {"members": self._room.size, **bus}

    def summary(self) -> str:
        """See RunningService."""
        others = "" if self._bus is None else self._bus.summary(self._room.size)
        return f"chat {self._room.size} online{others}"

    def complaints(self) -> Sequence[str]:
        """See RunningService."""
        return self._problems if self._bus is None else self._bus.complaints()

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
        if self._bus is not None and left.bus is not None:
            self._bus.restore(left.bus)

    def leave(self, left: Outgoing) -> None:
        """See RunningService."""
        now = self._loop.now
        for peer, (_, since, heard) in self._room.presence.items():
            left.members.append((self.written(peer), now - since, now - heard))
        if self._bus is not None:
            left.bus = self._bus.realm.state()

    def drain(self, drained: Callable[[], object], left: Outgoing | None) -> None:
        """See RunningService: where members go over, their datagrams wait in the kernel."""
        if left is not None:
            self.stop_receiving()
            drained()
        elif self._bus is not None:
            self._bus.stop(drained)
        else:
            drained()

    def close(self, until: float) -> None:
        """See RunningService."""
        if self._bus is not None:
            self._bus.close()
        super().close(until)
