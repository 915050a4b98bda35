"""The services, each connected to its sockets, its rules and its limits."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial

from netechod.process.command.runtime import PAUSE, Commands
from netechod.process.config.load import Loaded
from netechod.process.config.schema import Config
from netechod.process.control.status import Presence
from netechod.process.listeners import Socket, Sockets
from netechod.process.udp_service import (
    Shared,
    UdpService,
    address_of_peers,
    build_chat,
    build_echo_tcp,
    build_limits,
    build_rules,
    build_terms,
)
from netechod.process.unix.handover import Estate, Legacy
from netechod.reactor.loop import Loop
from netechod.reactor.tcp.server import TcpServer
from netechod.services.chat.room import ChatRoom
from netechod.services.dictionary.service import Dictionary, DictionaryService
from netechod.services.echo import EchoService

DRAIN_PATIENCE = 1.0  # seconds in which UDP services answer what has arrived when the daemon stops


class House:
    """All services. A service that is off has no sockets, and is None or missing here."""

    def __init__(self, loop: Loop, loaded: Loaded, sockets: Sockets, dictionary: Dictionary) -> None:
        config = loaded.config
        self._loop = loop
        self._sockets = sockets
        self.dictionary = DictionaryService(dictionary)
        self.chat: ChatRoom | None = None
        self.commands: Commands | None = None
        self.echo_tcp: TcpServer | None = None
        self.udp: dict[str, UdpService] = {}
        self._shared = Shared(loop)
        for name, socks in sockets.by_service.items():
            self._open(name, socks, config)
        self.apply(loaded)

    def add(self, name: str, sockets: Sockets, loaded: Loaded) -> None:
        """Begin to serve what was off because its addresses were taken."""
        self._sockets = sockets
        self._open(name, sockets.of(name), loaded.config)
        self.apply(loaded)

    def _open(self, name: str, socks: Sequence[Socket], config: Config) -> None:
        match name:
            case "echo-tcp":
                self.echo_tcp = build_echo_tcp(self._loop, socks, config)
            case "echo-udp":
                self.udp[name] = UdpService(self._shared, name, socks, EchoService())
            case "dictionary":
                self.udp[name] = UdpService(self._shared, name, socks, self.dictionary)
            case "chat":
                self.chat = build_chat(self._loop, address_of_peers(socks))
                self.udp[name] = UdpService(self._shared, name, socks, self.chat, members=self.chat)
            case "command":
                self.commands = Commands(self._loop, config, address_of_peers(()))
                self.udp[name] = UdpService(self._shared, name, socks, self.commands.service)
                self.udp[name].gather(PAUSE)

    def apply(self, loaded: Loaded) -> None:
        """Give the services the settings that can change while they run."""
        config = loaded.config
        self._drain_timeout = config.daemon.drain_timeout
        rules = build_rules(config, self._sockets)
        for name, service in self.udp.items():
            private = name == "echo-udp" and not config.echo.udp.public
            service.admission.configure(rules, trusted_only=private, rationed=name != "command")
        self._shared.buckets.configure(rate=config.access.rate, burst=config.access.burst)
        if self.echo_tcp is not None:
            self.echo_tcp.configure(build_limits(config, rules))
        answers = config.dictionary
        self.dictionary.configure(unknown=answers.unknown, match=answers.match, max_reply=answers.max_reply)
        if self.chat is not None:
            self.chat.configure(build_terms(config, rules))
            self.udp["chat"].keep_time()
        if self.commands is not None:
            self.commands.configure(config, loaded.keys)

    @property
    def connections(self) -> int | None:
        """The number of TCP connections; None when TCP echo is off."""
        return None if self.echo_tcp is None else self.echo_tcp.count

    @property
    def hands_over(self) -> bool:
        """Whether all TCP connections can go over to the process after us."""
        return self.echo_tcp is None or self.echo_tcp.hands_over

    def counters(self) -> dict[str, dict[str, int]]:
        """Return the counters by service."""
        tcp = {} if self.echo_tcp is None else {"echo-tcp": asdict(self.echo_tcp.counters)}
        counters = tcp | {name: service.counters() for name, service in self.udp.items()}
        if "dictionary" in counters:
            counters["dictionary"] |= self.dictionary.counters
        if self.commands is not None:
            counters["command"] |= self.commands.service.counters
        if self.chat is not None:
            counters["chat"] |= self.chat.counters
        return counters

    @property
    def member_count(self) -> int | None:
        """The number of members of the chat; None when it is off."""
        return None if self.chat is None else self.chat.size

    def members(self) -> Sequence[Presence]:
        """Return the members of the chat."""
        if self.chat is None:
            return ()
        now = self._loop.now
        return [
            Presence(name, now - since, now - heard) for name, since, heard in self.chat.presence.values()
        ]

    def inherit(self, legacy: Legacy) -> None:
        """Take over the connections and members of the process before us."""
        for sock, owed in legacy.connections:
            if self.echo_tcp is None:
                sock.close()
            else:
                self.echo_tcp.adopt(sock, owed)
        if self.chat is None:
            return
        now, room = self._loop.now, self.udp["chat"]
        for text, online, silent in legacy.members:
            peer = room.read(text)
            if peer is not None:
                self.chat.restore(peer, now - online, now - silent)
        room.keep_time()

    def drain(self, drained: Callable[[], object], estate: Estate | None) -> None:
        """Accept no new connections; hand over each that there is, or serve it until it is silent.

        Commands that run may end. Then `drained` is called. UDP goes on until then, so that a look-up waits
        no longer than the restart takes. But a chat whose members go over leaves their datagrams in the
        kernel.
        """
        busy = {"connections", "commands"}

        def over(part: str) -> None:
            busy.discard(part)
            if not busy:
                drained()

        if self.chat is not None and estate is not None:
            self.udp["chat"].stop_receiving()
        if self.commands is None:
            over("commands")
        else:
            self.commands.drain(partial(over, "commands"))
        if self.echo_tcp is None:
            over("connections")
        elif estate is not None:
            self.echo_tcp.hand_over(estate.keep, partial(over, "connections"))
        else:
            self.echo_tcp.drain(partial(over, "connections"))

    def leave_members(self, estate: Estate) -> None:
        """Leave the members of the chat to the process after us."""
        if self.chat is not None:
            now, written = self._loop.now, self.udp["chat"].written
            for peer, (_, since, heard) in self.chat.presence.items():
                estate.members.append((written(peer), now - since, now - heard))

    def close(self) -> None:
        """Close everything: connections and commands at once, UDP when what has arrived is answered.

        UDP has DRAIN_PATIENCE for that, or the drain timeout if that is shorter.
        """
        if self.commands is not None:
            self.commands.close()
        if self.echo_tcp is not None:
            self.echo_tcp.close()
        until = self._loop.clock() + min(self._drain_timeout, DRAIN_PATIENCE)
        for service in self.udp.values():
            service.drain(until)
